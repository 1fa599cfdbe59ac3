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


PROGRAM = """\
import os, signal
from sdcoreml.ground.signals import end_on_signals
end_on_signals()
try:
    os.kill(os.getpid(), signal.{name})
finally:
    os.kill(os.getpid(), signal.{other})
    print("tidied")
"""


@pytest.mark.parametrize(
    ("name", "other", "code", "said"),
    [
        ("SIGTERM", "SIGHUP", 143, "terminated; nothing half-made was left\n"),
        ("SIGHUP", "SIGTERM", 129, "the terminal was closed; nothing half-made was left\n"),
    ],
)
def test_a_signal_ends_the_program_which_tidies_up_undisturbed(
    name: str, other: str, code: int, said: str
) -> None:
    program = PROGRAM.format(name=name, other=other)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "tidied\n", said)


def test_afterwards_every_signal_does_what_it_did() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    told: list[int] = []
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with delay_signals():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not before[signal.SIGTERM]
        assert {number: signal.getsignal(number) for number in before} == before
        signal.signal(signal.SIGHUP, lambda number, _: told.append(number))
        with pytest.raises(ValueError, match="x"), delay_signals():
            os.kill(os.getpid(), signal.SIGHUP)
            raise ValueError("x")
        assert told == [signal.SIGHUP]
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
