"""A mutant is killed by the first test that fails with it and passes without it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from tests.mutants import limit
from tests.mutants.mutant import Mutant
from tests.mutants.noticing import Round
from tests.mutants.trial import Laboratory, environment

SOURCE = "def half(a):\n    return a // 2\n"
MUTANT = Mutant(
    path="half.py",
    line=2,
    kind="arithmetic",
    start=SOURCE.index("//"),
    end=SOURCE.index("2"),
    new="* ",
)
PYTEST = """\
import sys
sys.path.insert(0, "")
skipped = {after for word, after in zip(sys.argv, sys.argv[1:]) if word == "--deselect"}
for name in [word for word in sys.argv if ".py" in word and word not in skipped]:
    file = name.partition("::")[0]
    if f"{file}::test[a b-]" in skipped:
        continue
    try:
        exec(open(file).read())
    except AssertionError:
        print(f"FAILED {file}::test[a b-] - an assertion")
        sys.exit(1)
"""


@dataclass
class QuickRunner:
    """Runs tests as pytest does, in a twentieth of its time."""

    root: Path

    def run(
        self,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        output: Path,
        *,
        seconds: float,
        inside: bool,
    ) -> int | None:
        assert not inside
        command = [sys.executable, "-S", "-c", PYTEST, *arguments]
        with output.open("wb") as file:
            done = subprocess.run(
                command,
                cwd=self.root,
                env=dict(environ),
                timeout=seconds,
                check=False,
                stdout=file,
            )
        return done.returncode


def laboratory(place: Path, **tests: str) -> Laboratory:
    (place / "half.py").write_text(SOURCE)
    for name, line in tests.items():
        (place / f"test_{name}.py").write_text(f"from half import half\n{line}\n")
    return Laboratory(root=place, runner=QuickRunner(place), limit=60)


def killer(made: Laboratory, *tests: str) -> str:
    verdict = made.try_mutant(MUTANT, [Round(tests=tests, inside=False)])
    assert (made.root / "half.py").read_text() == SOURCE
    return verdict.killer


def test_a_test_that_notices_kills(tmp_path: Path) -> None:
    made = laboratory(tmp_path, weak="assert half(0) == 0", good="assert half(4) == 2")
    assert killer(made, "test_weak.py") == ""
    assert killer(made, "test_weak.py", "test_good.py") == "test_good.py::test[a b-]"


def test_a_test_that_fails_anyway_does_not_count(tmp_path: Path) -> None:
    made = laboratory(tmp_path, bad="assert False", good="assert half(4) == 2")
    assert killer(made, "test_bad.py", "test_good.py") == "test_bad.py::test[a b-]"
    assert made.find_broken(["test_good.py::test[a b-]", "test_bad.py::test[a b-]"]) == {
        "test_bad.py::test[a b-]"
    }
    assert killer(made, "test_bad.py", "test_good.py") == "test_good.py::test[a b-]"
    assert made.find_broken(["test_good.py::test[a b-]", ""]) == frozenset()


@dataclass
class TimedRunner:
    """Needs so many seconds for the tests that are not done."""

    tests: dict[str, float]
    failing: str = ""
    given: list[tuple[str, float]] = field(default_factory=list)

    def run(
        self,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        output: Path,
        *,
        seconds: float,
        inside: bool,
    ) -> int | None:
        del inside
        file, done = arguments[-1], Path(environ.get("MUTANT_DONE", os.devnull))
        self.given.append((file, seconds))
        left = self.tests[file] - (float(done.read_text() or 0) if done.exists() else 0)
        if left > seconds:
            done.write_text(f"{seconds}")
            return None
        if file != self.failing:
            return 0
        output.write_text(f"FAILED {file}::test - an assertion")
        return 1


def try_timed(place: Path, runner: TimedRunner) -> tuple[str, bool]:
    (place / "half.py").write_text(SOURCE)
    made = Laboratory(root=place, runner=runner, limit=60)
    verdict = made.try_mutant(
        MUTANT, [Round(tests=(test,), inside=False) for test in sorted(runner.tests)]
    )
    return verdict.killer, verdict.is_out_of_time


def test_a_broken_test_is_asked_with_all_its_parameters(tmp_path: Path) -> None:
    runner = TimedRunner({"test_a.py::test": 1}, failing="test_a.py::test")
    made = Laboratory(root=tmp_path, runner=runner, limit=60)
    found = made.find_broken(["test_a.py::test[a-b]", "test_a.py::test[c]", ""])
    assert runner.given == [("test_a.py::test", 60)]
    assert found == made.broken == {"test_a.py::test::test"}


def test_rounds_that_were_cut_off_go_on_and_share_ten_times_the_limit(tmp_path: Path) -> None:
    runner = TimedRunner({"a.py": 60, "b.py": 360, "c.py": 61})
    assert try_timed(tmp_path, runner) == ("", False)
    first, more = [("a.py", 60), ("b.py", 60), ("c.py", 60)], [("b.py", 300.0), ("c.py", 300.0)]
    assert runner.given == [*first, *more]
    runner = TimedRunner({"a.py": 60, "b.py": 360, "c.py": 61}, failing="c.py")
    assert try_timed(tmp_path, runner) == ("c.py::test", False)
    assert runner.given == [*first, *more]
    runner = TimedRunner({"a.py": 60, "b.py": 360, "c.py": 1}, failing="c.py")
    assert try_timed(tmp_path, runner) == ("c.py::test", False)
    assert runner.given == first


def test_time_is_up(tmp_path: Path) -> None:
    runner = TimedRunner({"a.py": 60, "b.py": 361, "c.py": 61})
    assert try_timed(tmp_path, runner) == ("", True)


def test_what_a_mutant_writes_is_removed(tmp_path: Path) -> None:
    lines = "import os, pathlib\nfor name in ('HOME', 'TMPDIR', 'SDCOREML_ENVS'):\n"
    lines += "    (pathlib.Path(os.environ[name]) / 'x').touch()\n"
    lines += f"pathlib.Path({str(tmp_path / 'home')!r}).write_text(os.environ['HOME'])"
    assert killer(laboratory(tmp_path, writes=lines), "test_writes.py") == ""
    home = (tmp_path / "home").read_text()
    assert home != os.environ["HOME"]
    assert not Path(home).exists()


def item(name: str, *, slow: bool = False, fixtures: tuple[str, ...] = ()) -> pytest.Item:
    made = MagicMock(spec=pytest.Function)
    made.function = {"near": near, "far": far}[name]
    made.get_closest_marker.return_value = slow or None
    made.fixturenames = fixtures
    made.nodeid = name
    return made


def near() -> None:
    half(2)


def far() -> None: ...


def half(number: int) -> int:
    return number // 2


def test_a_run_that_goes_on_leaves_out_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUTANT_DONE", str(tmp_path / "done"))
    items = [item("near"), item("far")]
    limit.pytest_collection_modifyitems(items)
    assert [each.nodeid for each in items] == ["near", "far"]
    limit.pytest_runtest_logfinish("test_a.py::test[a b]")
    limit.pytest_runtest_logfinish("near")
    assert (tmp_path / "done").read_text() == "test_a.py::test[a b]\nnear\n"
    limit.pytest_collection_modifyitems(items)
    assert [each.nodeid for each in items] == ["far"]


def test_the_likeliest_tests_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUTANT_WORDS", "half three")
    items = [item("near", slow=True), item("far"), item("near")]
    slow, distant, quick = items
    items.append(item("near", fixtures=("tmp_path", "tiny_xl")))
    limit.pytest_collection_modifyitems(items)
    assert items == [quick, distant, slow]


def test_what_a_mutant_names() -> None:
    source = b"class Table:\n    def half(a):\n        return first[a] // 2\n"
    start = source.index(b"//")
    mutant = Mutant(path="a.py", line=3, kind="arithmetic", start=start, end=start + 2, new="*")
    assert mutant.names(source) == {"return", "first", "half"}


def test_a_test_that_hangs_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    # It is told again after a tenth of this, which must not have passed before the timers stop.
    monkeypatch.setenv("MUTANT_SECONDS", "0.3")
    run = limit.pytest_runtest_protocol()
    next(run)
    with pytest.raises(TimeoutError):
        while True:
            pass
    with pytest.raises(StopIteration):
        run.send(None)


def test_a_module_that_cannot_be_run_is_no_killer(tmp_path: Path) -> None:
    made = laboratory(tmp_path, bad="raise SystemExit(3)")
    assert killer(made, "test_bad.py") == "test_bad.py"
    with pytest.raises(ChildProcessError, match=r"test_bad\.py cannot be run"):
        made.find_broken(["test_bad.py"])


def test_a_run_is_lent_what_it_would_bring_from_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/certificates.pem")
    monkeypatch.setenv("SDCOREML_MODELS", "/models")
    for name in ("clip-vocabulary", "dask-1", "engine-1", "tested"):
        (tmp_path / "shared" / name).mkdir(parents=True)
    (tmp_path / "shared" / "clip-vocabulary" / "merges.txt").write_text("a b")
    environ = environment(tmp_path, tmp_path / "shared", inside=False)
    assert environ["SSL_CERT_FILE"] == "/certificates.pem"
    assert "SDCOREML_MODELS" not in environ
    lent = tmp_path / "environments"
    assert environ["SDCOREML_ENVS"] == str(lent)
    assert sorted(path.name for path in lent.iterdir()) == [
        "clip-vocabulary",
        "dask-1",
        "engine-1",
    ]
    assert (lent / "clip-vocabulary" / "merges.txt").read_text() == "a b"
    assert not (lent / "clip-vocabulary").is_symlink()
