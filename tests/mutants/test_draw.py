"""The same seed draws the same mutants, of all floors."""

from __future__ import annotations

from pathlib import Path

from tests.mutants.draw import choose, draw, read_modules, sentences_of

MODULES = {
    "ground/a.py": b"x = 1\ny = 2\n",
    "doctor/b.py": b"def f(a):\n    return a < 3\n",
    "convert/c.py": b'"""Nothing to change."""\n',
}


def test_the_same_seed_draws_the_same() -> None:
    drawn = draw(MODULES, 1, 2, lambda _: False)
    assert drawn == draw(MODULES, 1, 2, lambda _: False)
    assert len(drawn) == 2
    assert any(draw(MODULES, seed, 2, lambda _: False) != drawn for seed in range(2, 6))


def test_a_change_elsewhere_changes_nothing() -> None:
    drawn = draw(MODULES, 1, 99, lambda _: False)
    more = {**MODULES, "ground/a.py": b"import b\n\n" + MODULES["ground/a.py"]}
    assert [(mutant.path, mutant.new) for mutant in draw(more, 1, 99, lambda _: False)] == [
        (mutant.path, mutant.new) for mutant in drawn
    ]


def test_equal_lines_have_turns_of_their_own() -> None:
    drawn = draw({"ground/a.py": b"x = 1\nx = 1\n"}, 1, 9, lambda _: False)
    assert sorted(mutant.line for mutant in drawn) == [1, 2]


def test_no_line_is_changed_twice() -> None:
    drawn = draw(MODULES, 1, 99, lambda _: False)
    assert sorted((mutant.path, mutant.line) for mutant in drawn) == [
        ("doctor/b.py", 2),
        ("ground/a.py", 1),
        ("ground/a.py", 2),
    ]
    for mutant in drawn:
        assert mutant.apply(MODULES[mutant.path]) != MODULES[mutant.path]


def test_modules_of_all_floors_are_read(tmp_path: Path) -> None:
    for name in ("ground/a.py", "doctor/core/b.py", "tools/c.py", "convert/d.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x = 1\n")
    assert read_modules(tmp_path) == {"ground/a.py": b"x = 1\n", "doctor/core/b.py": b"x = 1\n"}


def test_modules_of_some_places_are_chosen() -> None:
    assert choose(MODULES, [""]) == MODULES
    assert {*choose(MODULES, ["ground", "doctor/b.py"])} == {"ground/a.py", "doctor/b.py"}
    assert not choose(MODULES, ["envs"])


def test_a_text_in_several_lines_of_a_test_counts(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text('assert x == (\n    "it is "\n    "wrong"\n)\n')
    is_tested = sentences_of(tmp_path)
    assert is_tested("it is wrong")
    assert not is_tested("it is right")


def test_a_diff_shows_the_line() -> None:
    (mutant,) = draw({"a.py": b"\n\nx = not a\n"}, 1, 1, lambda _: False)
    assert mutant.diff(b"\n\nx = not a\n").splitlines() == [
        "--- a.py",
        "+++ a.py",
        "@@ -3 +3 @@",
        "-x = not a",
        "+x = a",
    ]
