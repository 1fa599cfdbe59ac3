from __future__ import annotations

import os
import select
import sys
import threading
from pathlib import Path

from sdcoreml.doctor.core.facts import Unknown
from sdcoreml.doctor.gather.probe import RunResult, run, run_together
from sdcoreml.ground.errors import BadInputError

PYTHON = sys.executable


def test_a_program_says_something() -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(4)"
    assert run((PYTHON, "-c", code)) == RunResult(code=4, out="out", err="err")


def test_what_is_no_text_is_said_as_far_as_it_is() -> None:
    code = "import os; os.write(1, b'a\\xff '); os.write(2, b' \\xffb')"
    assert run((PYTHON, "-c", code)) == RunResult(code=0, out="a\ufffd", err="\ufffdb")


def test_a_program_gets_no_input_and_the_c_locale() -> None:
    code = "import os, sys; print(repr(sys.stdin.read()), os.environ['LC_ALL'])"
    assert run((PYTHON, "-c", code)) == RunResult(code=0, out="'' C")


def test_git_may_not_ask_for_a_password() -> None:
    code = "import os; print(os.environ['GIT_TERMINAL_PROMPT'])"
    assert run((PYTHON, "-c", code)) == RunResult(code=0, out="0")


def test_a_program_that_is_not_there_is_unknown() -> None:
    assert run(("no-such-program",)) == Unknown(reason="no-such-program: No such file or directory")


def test_a_program_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    """A grandchild keeps the output pipe open: without killing it, `run` would wait forever."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    os.close(os.open(fifo, os.O_WRONLY))  # at its end also if the program never came to open it
    answers: list[object] = []
    program = ("sh", "-c", 'exec 9>"$0"; sleep 120 & wait', str(fifo))
    thread = threading.Thread(target=lambda: answers.append(run(program, seconds=1)), daemon=True)
    thread.start()
    thread.join(120)
    assert answers == [Unknown(reason="sh did not answer within 1 s")]
    # A FIFO becomes readable at its end: when the last process that could write to it is gone.
    assert select.select([reader], [], [], 120)[0] == [reader]
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_tasks_run_together_and_a_failing_one_is_unknown() -> None:
    barrier = threading.Barrier(2, timeout=120)

    def meet() -> str:
        barrier.wait()
        return "met"

    def fail() -> str:
        raise LookupError("nothing here")

    results = run_together({"a": meet, "b": meet, "c": fail}, seconds=120)
    assert [results[name].value for name in "ab"] == ["met", "met"]
    assert results["c"].value == Unknown(reason="LookupError: nothing here")
    assert all(result.seconds >= 0 for result in results.values())


def test_a_task_that_hangs_does_not_hold_up_the_rest() -> None:
    never = threading.Event()
    results = run_together({"stuck": never.wait, "quick": lambda: 1}, seconds=0.1)
    never.set()
    assert results["stuck"].value == Unknown(reason="not done within 0.1 s")
    assert results["quick"].value == 1
    assert [results[name].is_late for name in ("stuck", "quick")] == [True, False]


def test_an_error_of_ours_is_the_reason_as_it_prints() -> None:
    def refuse() -> None:
        raise BadInputError("is damaged", where="x", remedy="bring it again")

    (result,) = run_together({"a": refuse}, seconds=120).values()
    assert result.value == Unknown(reason="x: is damaged; bring it again")
