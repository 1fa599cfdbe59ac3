"""A Mac is kept awake by a stand-in of Apple's tool; where there is none, nothing is started."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from sdcoreml.doctor.queue.awake import awake

STAND_IN = """\
#!/bin/sh
trap 'echo ended > {said}; exit' TERM
echo "$@" > {said}
while kill -0 "$3"; do sleep 0.1; done
"""


def test_apples_tool_runs_for_this_process_and_ends_with_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool, said = tmp_path / "caffeinate", tmp_path / "said"
    tool.write_text(STAND_IN.format(said=said))
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with awake() as pid:
        assert pid is not None
        while not (said.exists() and said.read_text()):
            time.sleep(0.01)
        assert said.read_text().split() == ["-i", "-w", str(os.getpid())]
        os.kill(pid, 0)
    assert said.read_text() == "ended\n"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_other_systems_do_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with awake() as pid:
        assert pid is None
    (tmp_path / "caffeinate").write_text("no program")
    (tmp_path / "caffeinate").chmod(0o755)
    with awake() as pid:
        assert pid is None
