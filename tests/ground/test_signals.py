from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from sdcoreml.ground.signals import delay_signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_waits_until_the_block_has_ended(number: signal.Signals) -> None:
    told: list[str] = []
    before = signal.signal(number, lambda *_: told.append("came"))
    try:
        with delay_signals():
            os.kill(os.getpid(), number)
            told.append("done")
        assert told == ["done", "came"]
    finally:
        signal.signal(number, before)


def test_in_another_thread_there_is_nothing_to_wait_for() -> None:
    told: list[str] = []

    def work() -> None:
        with delay_signals():
            told.append("done")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert told == ["done"]


def test_under_nohup_a_closed_terminal_ends_nothing() -> None:
    program = (
        "import os, signal\n"
        "from sdcoreml.ground.signals import end_on_signals\n"
        "end_on_signals()\n"
        "os.kill(os.getpid(), signal.SIGHUP)\n"
        "print('went on')\n"
    )
    command = ["nohup", sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "went on\n")
