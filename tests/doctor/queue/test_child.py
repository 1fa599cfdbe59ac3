"""What a command has left running goes with it, however well it ended."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from sdcoreml.doctor.queue.child import Child, Command

LEAVE = """\
import subprocess, sys
left = subprocess.Popen(["sleep", "600"], stdin=-3, stdout=-3, stderr=-3)
print(left.pid, flush=True)
sys.exit(int(sys.argv[1]))
"""


@pytest.mark.parametrize("code", [0, 3])
def test_what_a_command_leaves_running_is_ended(code: int, tmp_path: Path) -> None:
    heard: list[bytes] = []
    words = (sys.executable, "-S", "-c", LEAVE, f"{code}")
    with closing(
        Child(Command(words=words, folder=str(tmp_path)), {"stdout": heard.append})
    ) as one:
        while (ended := one.wait(0.1)) is None:
            pass
        assert ended == code
        left = psutil.Process(int(heard[0]))
        assert left.is_running()
    psutil.wait_procs([left], timeout=30)
    assert not left.is_running() or left.status() == psutil.STATUS_ZOMBIE
