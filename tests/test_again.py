"""What fails is run once more, alone; only what passes then is forgiven, and it is named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from sdcoreml.ground.places import ROOT

pytestmark = pytest.mark.slow

PASSES = "def test_passes(): pass\n"
FAILS = "def test_fails(): assert False\n"
RACE = """\
from pathlib import Path
def {name}():
    seen = Path(__file__).with_name("{name}")
    with seen.open("a") as tries:
        tries.write("x")
    assert len(seen.read_text()) > 1
"""
SKIPS = RACE.replace(
    "    assert", "    if seen.read_text() == 'xx': __import__('pytest').skip()\n    assert"
)
BREAKS = (
    RACE.replace("def ", "import pytest\n@pytest.fixture\ndef ")
    + """\
def test_set_up({name}): pass
"""
)
DIES = RACE.format(name="test_b").replace(
    "    assert", "    if seen.read_text() == 'x': __import__('os')._exit(3)\n    assert"
)
BARE = ("-q", "-p", "xdist", "-c", os.devnull)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    code: int
    lines: list[str]

    @property
    def last(self) -> str:
        return self.lines[-1].partition(" in ")[0]

    @property
    def races(self) -> list[str]:
        heading = "failed once, then passed alone: a race, of the test or of the code: mend it:"
        if heading not in self.lines:
            return []
        rest = self.lines[self.lines.index(heading) + 1 :]
        return [line.strip().rpartition("::")[2] for line in rest if line.startswith("  ")]


def written(folder: Path, *sources: str) -> Path:
    for number, source in enumerate(sources):
        (folder / f"test_{number}.py").write_text(source)
    return folder


def run(folder: Path, *options: str, **environ: str) -> Said:
    done = subprocess.run(
        [sys.executable, "-m", "tests.again", *BARE, f"--rootdir={folder}", *options, folder],
        cwd=ROOT,
        env={**os.environ, "GITHUB_ACTIONS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    return Said(code=done.returncode, lines=done.stdout.splitlines())


def race(name: str) -> str:
    return RACE.format(name=name)


def test_where_nothing_fails_pytest_is_the_only_one_to_speak(tmp_path: Path) -> None:
    said = run(written(tmp_path, PASSES))
    assert (said.code, said.last, said.races) == (0, "1 passed", [])
    assert "alone" not in "\n".join(said.lines)


def test_a_race_is_forgiven_and_named(tmp_path: Path) -> None:
    skipped = "import pytest\n@pytest.mark.skip\ndef test_other(): pass\n"
    folder = written(tmp_path, PASSES + race("test_a"), race("test_b"), skipped)
    said = run(folder, "-n", "2", "--dist", "worksteal", GITHUB_ACTIONS="true")
    assert (said.code, said.last) == (0, "3 passed, 1 skipped")
    assert said.races == ["test_a", "test_b"]
    warned = [line for line in said.lines if line.startswith("::warning ")]
    assert ["::test_a:" in line for line in warned] == [True, False]
    assert (tmp_path / "test_a").read_text() == "xx"


def test_what_breaks_before_the_test_begins_is_tried_again_too(tmp_path: Path) -> None:
    said = run(written(tmp_path, BREAKS.format(name="made"), PASSES))
    assert (said.code, said.last, said.races) == (0, "2 passed", ["test_set_up"])


def test_what_fails_twice_fails_the_run(tmp_path: Path) -> None:
    said = run(written(tmp_path, PASSES + FAILS, race("test_a")))
    assert (said.code, said.last, said.races) == (1, "2 passed, 1 failed", [])


def test_what_is_left_out_the_second_time_has_not_passed(tmp_path: Path) -> None:
    said = run(written(tmp_path, PASSES, SKIPS.format(name="test_a")))
    assert (said.code, said.last, said.races) == (1, "1 passed, 1 failed", [])


def test_many_failures_are_no_accident(tmp_path: Path) -> None:
    said = run(written(tmp_path, *(race(f"test_{letter}") for letter in "abcdef")))
    assert (said.code, said.last) == (1, "6 failed")
    assert (tmp_path / "test_a").read_text() == "x"


@pytest.mark.parametrize(
    ("sources", "options", "code"),
    [
        ((race("test_a"), "import nosuch\n"), (), 2),
        ((race("test_a"), "import os\ndef test_b(): os._exit(3)\n"), (), 3),
        ((race("test_a"), DIES), ("-n", "2"), 1),
        ((race("test_a"),), ("--no-such-option",), 4),
        ((race("test_a"),), ("-k", "nothing"), 5),
        ((race("test_a"), PASSES), ("-x",), 1),
        ((race("test_a"),), ("-p", "no:cacheprovider"), 1),
    ],
    ids=[
        "collection",
        "crash",
        "a worker's crash",
        "usage",
        "no test",
        "cut short",
        "nothing noted",
    ],
)
def test_a_run_that_did_not_come_to_its_end_is_not_tried_again(
    tmp_path: Path, sources: tuple[str, ...], options: tuple[str, ...], code: int
) -> None:
    said = run(written(tmp_path, *sources), *options)
    assert said.code == code
    assert not [line for line in said.lines if "alone" in line]


def test_who_ends_it_ends_pytest(tmp_path: Path) -> None:
    folder = written(tmp_path, "import time\ndef test_a(tmp_path):\n    time.sleep(600)\n")
    begun = "from pathlib import Path\ndef pytest_runtest_call():\n    Path(r'{}').touch()\n"
    (folder / "conftest.py").write_text(begun.format(tmp_path / "begun"))
    command = [sys.executable, "-m", "tests.again", *BARE, f"--rootdir={folder}", f"{folder}"]
    environ = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE) as process:
        while not (tmp_path / "begun").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)  # pytest holds the same pipe
    assert process.returncode == 143
