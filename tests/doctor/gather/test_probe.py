from __future__ import annotations

import sys
import threading

from sdcoreml.doctor.core.facts import Unknown
from sdcoreml.doctor.gather.probe import Outcome, run, together

PYTHON = sys.executable


def test_a_program_says_something() -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(4)"
    assert run((PYTHON, "-c", code)) == Outcome(code=4, out="out", err="err")


def test_a_program_gets_no_input_and_the_c_locale() -> None:
    code = "import os, sys; print(repr(sys.stdin.read()), os.environ['LC_ALL'])"
    assert run((PYTHON, "-c", code)) == Outcome(code=0, out="'' C")


def test_git_may_not_ask_for_a_password() -> None:
    code = "import os; print(os.environ['GIT_TERMINAL_PROMPT'])"
    assert run((PYTHON, "-c", code)) == Outcome(code=0, out="0")


def test_a_program_that_is_not_there_is_unknown() -> None:
    assert run(("no-such-program",)) == Unknown(
        unknown="no-such-program: No such file or directory"
    )


def test_a_program_that_hangs_is_ended_with_its_children() -> None:
    # The grandchild keeps the pipe open: without ending the group, this would wait for it.
    child = f"import subprocess; subprocess.run([{PYTHON!r}, '-c', 'import time; time.sleep(60)'])"
    answer = run((PYTHON, "-c", child), seconds=0.3)
    assert answer == Unknown(unknown=f"{PYTHON} did not answer within 0.3 s")


def test_tasks_run_together_and_a_failing_one_is_unknown() -> None:
    barrier = threading.Barrier(2, timeout=5)

    def meet() -> str:
        barrier.wait()
        return "met"

    def fail() -> str:
        raise LookupError("nothing here")

    results = together({"a": meet, "b": meet, "c": fail}, seconds=5)
    assert [results[name].value for name in "ab"] == ["met", "met"]
    assert results["c"].value == Unknown(unknown="LookupError: nothing here")
    assert all(result.seconds >= 0 for result in results.values())


def test_a_task_that_hangs_does_not_hold_up_the_rest() -> None:
    never = threading.Event()
    results = together({"stuck": never.wait, "quick": lambda: 1}, seconds=0.1)
    never.set()
    assert results["stuck"].value == Unknown(unknown="not done within 0.1 s")
    assert results["quick"].value == 1
