"""What a command has left running goes with it, however well it ended."""

from __future__ import annotations

import sys
from collections.abc import Callable
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


def started(code: str, folder: Path, hears: dict[str, Callable[[bytes], None]]) -> Child:
    words = (sys.executable, "-S", "-c", code)
    return Child(Command(words=words, folder=str(folder)), hears)


def test_what_it_said_last_is_heard_though_it_has_ended(tmp_path: Path) -> None:
    heard: list[bytes] = []
    code = "import sys; sys.stdout.write('one\\ntwo')"
    with closing(started(code, tmp_path, {"stdout": heard.append})) as child:
        psutil.wait_procs([psutil.Process(child.pid)], timeout=30)
        while (ended := child.wait(5)) is None:
            pass
    assert (ended, heard) == (0, [b"one\n", b"two\n"])


def test_both_pipes_are_heard_apart_and_neither_is_asked_for_ever(tmp_path: Path) -> None:
    out: list[bytes] = []
    err: list[bytes] = []
    code = "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(4)"
    hears = {"stdout": out.append, "stderr": err.append}
    with closing(started(code, tmp_path, hears)) as child:
        while (ended := child.wait(5)) is None:
            pass
    assert (ended, out, err) == (4, [b"out\n"], [b"err\n"])


def test_one_that_is_ended_may_tidy_up_and_says_so(tmp_path: Path) -> None:
    heard: list[bytes] = []
    code = (
        "import signal, sys, time\n"
        "def end(*_):\n    print('tidied', flush=True)\n    sys.exit(5)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    with closing(started(code, tmp_path, {"stdout": heard.append})) as child:
        while not heard:
            assert child.wait(5) is None
        assert child.end() == 5
    assert heard == [b"ready\n", b"tidied\n"]
