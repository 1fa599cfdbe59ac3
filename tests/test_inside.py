"""The runner of the tests inside: what it cannot run in, it says in a line."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from sdcoreml.ground.errors import ExitCode
from tests.inside import runner

FILE = Path(__file__).with_name("inside") / "runner.py"


def test_a_toolchain_that_there_is_not_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOOLCHAIN", "nosuch")
    monkeypatch.setattr(sys, "argv", [str(FILE), "-q"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(FILE), run_name="__main__")
    assert ended.value.code == ExitCode.USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: no toolchain named 'nosuch'; there are: ")


def test_an_environment_that_cannot_be_built_has_said_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(command: list[str], *, check: bool) -> subprocess.CompletedProcess[str]:
        assert (command[1:], check) == (["-m", "sdcoreml", "env", "--toolchain", "light"], False)
        return subprocess.CompletedProcess(command, 6)

    monkeypatch.setattr(runner, "is_former", lambda _: False)
    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(SystemExit) as ended:
        runner.built("light")
    assert ended.value.code == 6
