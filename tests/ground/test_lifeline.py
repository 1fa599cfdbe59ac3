"""A process ends, and tidies up, when its starter is gone; if it was not asked to, it does not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sdcoreml.ground.lifeline import VARIABLE

CODE = """\
import os, sys, time
from sdcoreml.ground.lifeline import end_with_starter
from sdcoreml.ground.signals import end_on_signals
end_on_signals()
end_with_starter()
try:
    print(sorted(name for name in os.environ if "STDIN" in name), flush=True)
    time.sleep(float(sys.argv[1]))
finally:
    print("tidied", flush=True)
"""


def start(seconds: str, asked: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", CODE, seconds],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, VARIABLE: asked},
    )


@pytest.mark.slow
def test_a_closed_pipe_ends_the_process_as_a_signal_does() -> None:
    with start("60", "1") as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == b"[]\n"
        process.stdin.close()
        assert process.stdout.read() == b"tidied\n"
    assert process.returncode == 143


@pytest.mark.slow
def test_without_being_asked_it_goes_on() -> None:
    with start("0.3", "") as process:
        assert process.stdin
        process.stdin.close()
        assert process.stdout
        assert process.stdout.read().endswith(b"tidied\n")
    assert process.returncode == 0
