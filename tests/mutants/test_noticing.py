"""The tests of a module come first, then those of what imports it."""

from __future__ import annotations

from pathlib import Path

from tests.mutants.noticing import QUICK, SLOW, Imports, Round, mirrors, read_imports, rounds_of

FILES = {
    "ground/a.py": "",
    "convert/room/b.py": "from sdcoreml.ground.a import name",
    "convert/room/c.py": "from sdcoreml.convert.room import b",
    "doctor/d.py": "import sdcoreml.convert.room.c",
    "tests/ground/test_a.py": "",
    "tests/convert/room/test_b.py": "",
    "tests/inside/convert/room/test_b.py": "",
    "tests/convert/room/test_c.py": "",
    "tests/doctor/test_d.py": "",
    "tests/test_all.py": "from sdcoreml.ground import a",
    "tests/stand_in.py": "from sdcoreml.ground import a",
    "doctor/e.py": "launch('sdcoreml.doctor.d')",
    "tests/doctor/test_e.py": "",
    "tests/test_more.py": "from tests.stand_in import x",
    "convert/tasks/g.py": "",
    "convert/jobs/h.py": "answer = runner.run('g', request, emit)",
    "tests/inside/convert/jobs/test_h.py": "",
}


def rounds(tmp_path: Path, path: str) -> list[tuple[str, ...]]:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    found = rounds_of(path, read_imports(tmp_path))
    return [group.tests for group in found if group.marked != SLOW]


def test_what_loads_all_modules_is_asked_about_each(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/inside").mkdir()
    for name in ("tests/test_constants.py", "tests/inside/test_constants.py"):
        (tmp_path / name).touch()
    near, *_ = rounds(tmp_path, "ground/a.py")
    assert near == ("tests/ground/test_a.py", "tests/test_constants.py")
    near, *_ = rounds(tmp_path, "convert/tasks/g.py")
    assert near == ("tests/inside/test_constants.py",)


def test_the_nearest_come_first(tmp_path: Path) -> None:
    assert rounds(tmp_path, "ground/a.py") == [
        ("tests/ground/test_a.py",),
        ("tests/convert/room/test_b.py", "tests/test_all.py"),
        ("tests/inside/convert/room/test_b.py",),
        ("tests/convert/room/test_c.py", "tests/test_more.py"),
    ]


def test_the_environment_s_tests_are_apart(tmp_path: Path) -> None:
    assert rounds(tmp_path, "convert/room/b.py") == [
        ("tests/convert/room/test_b.py",),
        ("tests/convert/room/test_c.py",),
        ("tests/inside/convert/room/test_b.py",),
        ("tests/doctor/test_d.py",),
    ]
    far = ("tests/convert/room/test_c.py", "tests/doctor/test_d.py")
    assert rounds_of("convert/room/b.py", read_imports(tmp_path)) == (
        Round(tests=("tests/convert/room/test_b.py",), inside=False),
        Round(tests=far[:1], inside=False, marked=QUICK),
        Round(tests=("tests/inside/convert/room/test_b.py",), inside=True),
        Round(tests=far[:1], inside=False, marked=SLOW),
        Round(tests=far[1:], inside=False, marked=QUICK),
        Round(tests=far[1:], inside=False, marked=SLOW),
    )


def test_a_round_has_few_files_and_the_room_s_own_come_first() -> None:
    tests = [f"tests/doctor/test_{number:02}.py" for number in range(70)]
    room = "tests/inside/ground/test_z.py"
    imports = Imports(users={"ground/a.py": (*tests, room)}, tests=frozenset({*tests, room}))
    quick = [group for group in rounds_of("ground/a.py", imports) if group.marked == QUICK]
    assert [test for group in quick for test in group.tests] == tests[:60]
    assert [len(group.tests) for group in quick] == [20, 20, 20]
    (inside,) = (group for group in rounds_of("ground/a.py", imports) if group.inside)
    assert inside.tests == (room,)
    late = Imports(
        users={"ground/a.py": ("tests/a/test_a.py", "tests/ground/test_z.py")},
        tests=frozenset({"tests/a/test_a.py", "tests/ground/test_z.py"}),
    )
    assert rounds_of("ground/a.py", late)[0].tests == (
        "tests/ground/test_z.py",
        "tests/a/test_a.py",
    )


def test_what_a_folder_makes_as_a_whole_is_compared_for_each_module_of_it() -> None:
    whole = "tests/convert/room/test_golden.py"
    imports = Imports(users={"convert/room/a.py": ()}, tests=frozenset({whole}))
    (quick, slow) = rounds_of("convert/room/a.py", imports)
    assert (quick.tests, slow.tests) == ((whole,), (whole,))
    assert rounds_of("convert/a.py", imports) == ()


def test_where_tests_are() -> None:
    assert mirrors("doctor/checks/__init__.py") == (
        "tests/doctor/test_checks.py",
        "tests/inside/doctor/test_checks.py",
    )


def test_a_module_that_is_started_by_its_name_is_used(tmp_path: Path) -> None:
    assert rounds(tmp_path, "doctor/d.py") == [
        ("tests/doctor/test_d.py",),
        ("tests/doctor/test_e.py",),
    ]


def test_a_task_is_used_by_what_asks_for_it(tmp_path: Path) -> None:
    assert rounds(tmp_path, "convert/tasks/g.py") == [("tests/inside/convert/jobs/test_h.py",)]
