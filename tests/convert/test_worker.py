from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from sdcoreml.convert.watch import BOUNDS, Bounds
from sdcoreml.convert.worker import Outcome, Worker, _describe_end
from sdcoreml.envs.kept.users import is_used
from sdcoreml.ground.errors import (
    BadInputError,
    SdcoremlError,
    UnsupportedError,
    WorkerError,
)
from sdcoreml.ground.events import Event
from sdcoreml.ground.places import ROOT


def worker(body: str) -> Worker:
    """Return a worker whose child has a single task, with this body, as `try` and as `check`."""
    program = f"""
import sys, types
sys.path.append(sys.argv[1] + "/..")
from sdcoreml.convert.tasks.serve import serve
from sdcoreml.ground.errors import *
from sdcoreml.ground.events import Event
module = types.ModuleType("trial")
def task(request, emit):
{textwrap.indent(textwrap.dedent(body), "    ")}
module.task = task
sys.modules["trial"] = module
serve({{"try": "trial", "check": "trial"}})
"""
    return Worker(python=Path(sys.executable), launch=program)


def run(body: str, request: dict[str, Any] | None = None) -> tuple[Outcome, list[Event]]:
    events: list[Event] = []
    return worker(body).run("try", request or {}, events.append), events


def test_the_answer_and_the_events_come_back() -> None:
    outcome, events = run(
        """
        emit(Event(kind="step", text="one"))
        emit(Event(kind="progress", done=1, total=2, unit="B"))
        return {"got": request["given"]}
        """,
        {"given": "ünï\\n"},
    )
    assert outcome.value == {"got": "ünï\\n"}
    assert outcome.peak_memory > 1_000_000
    assert events == [
        Event(kind="step", text="one"),
        Event(kind="progress", done=1, total=2, unit="B"),
    ]


@pytest.mark.parametrize(("task", "kept"), [("try", None), ("check", "1000000000")])
def test_torch_waits_asleep_and_only_the_check_keeps_freed_memory(
    task: str, kept: str | None
) -> None:
    body = """
    import os
    return [os.environ.get(name) for name in ("OMP_WAIT_POLICY", "MALLOC_MMAP_THRESHOLD_")]
    """
    assert worker(body).run(task, {}).value == ["PASSIVE", kept]


def test_whatever_a_library_prints_stays_out_of_the_stream() -> None:
    outcome, events = run(
        """
        import os, subprocess
        print("{not json")
        os.write(1, b"raw\\n")
        subprocess.run(["echo", "from a grandchild"])
        return 1
        """
    )
    assert (outcome.value, events) == (1, [])


@pytest.mark.parametrize("kind", [BadInputError, UnsupportedError, SdcoremlError])
def test_the_childs_error_is_raised_here_as_the_same_kind(kind: type[SdcoremlError]) -> None:
    with pytest.raises(kind, match="model: bad; mend it") as caught:
        run(f"raise {kind.__name__}('model: bad; mend it')")
    assert type(caught.value) is kind


def test_an_unexpected_exception_is_quoted_in_one_line() -> None:
    with pytest.raises(WorkerError, match="exit code 1 without an answer: ValueError: surprise"):
        run("raise ValueError('surprise')")


def test_running_out_of_memory_is_said() -> None:
    with pytest.raises(WorkerError, match="try: out of memory; close other programs"):
        run("raise MemoryError")


def test_a_child_killed_from_outside_is_told_as_such() -> None:
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(WorkerError, match=r"killed from outside after using \d+ (?:MB|bytes) of"):
        run(killed)


def test_a_child_that_takes_too_long_is_ended() -> None:
    hung = replace(
        worker("import time; time.sleep(60)"), bounds={"try": Bounds(seconds=0.2, memory=1.0)}
    )
    with pytest.raises(WorkerError, match="was ended, for it took more than 0 seconds; run again"):
        hung.run("try", {})


def test_a_child_that_takes_too_much_memory_is_ended() -> None:
    greedy = replace(
        worker("import time; time.sleep(60)"), bounds={"try": Bounds(seconds=60, memory=1e-6)}
    )
    with pytest.raises(WorkerError, match=r"was ended, for it took [\d.]+ MB of memory"):
        greedy.run("try", {})


def test_only_what_is_done_for_core_ml_has_a_deadline() -> None:
    assert {*BOUNDS} == {"answers", "draw_loaded", "load", "placement"}


def test_a_large_child_killed_from_outside_most_likely_took_too_much() -> None:
    assert _describe_end("check", -9, 10**9, "") == (
        "check: the child process was killed from outside after using 1.0 GB of memory, most likely"
        " because memory ran out"
    )


def test_a_crash_names_its_signal() -> None:
    with pytest.raises(WorkerError, match="died of SIGSEGV"):
        run("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")


@pytest.mark.parametrize(
    ("log", "last"),
    [
        ("Traceback (most recent call last):\\n  x\\nValueError: why", "ValueError: why"),
        ("OSError: why\\nx.py:3: UserWarning: old\\n  warnings.warn(old)", "OSError: why"),
        ("Fatal Python error: Aborted\\n\\nThread 1:\\n  File x", "Fatal Python error: Aborted"),
        ("loading\\nhalf way", "half way"),
        ("x.py:3: FutureWarning: old", "it printed no reason"),
        ("", "it printed no reason"),
    ],
)
def test_the_line_that_says_why_is_quoted_and_no_warning(log: str, last: str) -> None:
    with pytest.raises(WorkerError) as caught:
        run(f"import os, sys; sys.stderr.write('{log}'); sys.stderr.flush(); os._exit(3)")
    assert f"exit code 3 without an answer: {last}; run `sdcoreml doctor" in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        *(
            "OSError: why",
            "an exception: why",
            "fatal: why",
            "Aborted",
            "terminate called after why",
        ),
    ],
)
def test_a_line_of_an_error_counts_before_what_follows_it(line: str) -> None:
    assert line in _describe_end("check", 3, 0, f"loading\n{line}\nhalf way\n")


def test_an_interpreter_without_the_libraries_says_which() -> None:
    with pytest.raises(WorkerError, match="No module named 'torch'"):
        Worker(python=Path(sys.executable)).run("check", {"packages": []})


def test_secrets_of_the_environment_do_not_reach_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("PYTHONPATH", "/nonexistent")
    outcome, _ = run("import os; return sorted(os.environ)")
    assert isinstance(outcome.value, list)
    assert "HF_TOKEN" not in outcome.value
    assert "PYTHONPATH" not in outcome.value
    assert "HF_HUB_OFFLINE" in outcome.value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "x") for name in ("HOME", "LANG", "LC_ALL", "CUDA_VISIBLE_DEVICES")),
        ("OMP_NUM_THREADS", "3"),
    ],
)
def test_what_the_child_needs_of_the_environment_reaches_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    outcome, _ = run(f"import os; return os.environ['{name}']")
    assert outcome.value == value


def test_waiting_threads_of_the_child_use_no_cpu() -> None:
    outcome, _ = run("import os; return os.environ['OMP_WAIT_POLICY']")
    assert outcome.value == "PASSIVE"


def test_what_libraries_keep_goes_where_the_childs_temporary_files_go() -> None:
    outcome, _ = run("import os; return [os.environ['HF_HOME'], os.environ['TMPDIR']]")
    assert isinstance(outcome.value, list)
    kept, temporary = map(Path, outcome.value)
    assert kept.is_relative_to(temporary)
    assert not temporary.exists()


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_no_child_outlives_a_killed_parent(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]
from test_worker import worker
worker('''
import os, time
open({str(note)!r}, "w").write(str(os.getpid()))
time.sleep(60)
''').run("try", {{}})
"""
    with subprocess.Popen([sys.executable, "-c", script]) as parent:
        deadline = time.monotonic() + 120
        while not (note.exists() and note.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        parent.send_signal(signal.SIGKILL)
    child = int(note.read_text())
    while alive(child):
        assert time.monotonic() < deadline, "the child outlived its parent"
        time.sleep(0.05)


def dying(program: str, request: str = "x" * 10**6) -> str:
    """Return the worker's error message when its child runs this program instead of serving."""
    with pytest.raises(WorkerError) as caught:
        Worker(python=Path(sys.executable), launch=program).run("try", {"much": request})
    return str(caught.value)


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("import os; os._exit(0)", "ended with exit code 0 without an answer"),
        ("import os; os._exit(9)", "ended with exit code 9 without an answer"),
        ("import os; os.close(0); os._exit(4)", "ended with exit code 4 without an answer"),
        ("import os; os.kill(os.getpid(), 15)", "died of SIGTERM without an answer"),
        pytest.param(
            "import os; os.kill(os.getpid(), 40)",
            "died of signal 40 without an answer",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="no signal without a name"),
        ),
        (
            'import os; os.write(1, b\'{"kind": "resu\'); os._exit(0)',
            "ended with exit code 0 without an answer",
        ),
        ("print('not one of ours')", "ended with exit code 0 without an answer"),
        ("nonsense", "exit code 1 without an answer: NameError: name 'nonsense' is not defined"),
    ],
)
def test_a_child_that_dies_at_once_is_told_as_what_it_is(program: str, told: str) -> None:
    assert told in dying(program)


def test_a_child_that_closes_its_output_and_goes_on_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sdcoreml.convert.worker._GRACE", 0.1)
    told = dying("import os, time; os.dup2(2, 1); time.sleep(600)", "little")
    assert "try: the child process closed its output and went on without an answer" in told


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda _: None, "No such file or directory"),
        (lambda path: path.write_text("#!/bin/sh\n"), "Permission denied"),
        (lambda path: (path.write_bytes(b"\x7fELF"), path.chmod(0o755)), "Exec format error"),
    ],
)
def test_a_python_that_cannot_be_started_is_named(tmp_path: Path, make: Any, why: str) -> None:
    python = tmp_path / "python"
    make(python)
    with pytest.raises(WorkerError) as caught:
        Worker(python=python).run("try", {})
    assert str(caught.value) == (
        f"{python}: cannot be started ({why}); `sdcoreml env` builds or repairs the environment"
    )


def test_a_program_that_is_no_python_is_told_too() -> None:
    with pytest.raises(WorkerError, match="ended with exit code 1 without an answer"):
        Worker(python=Path("/bin/false")).run("try", {})


def test_where_no_thread_can_be_started_the_work_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refuse)
    outcome, _ = run("return 1")
    assert outcome.value == 1


def test_what_libraries_leave_in_the_temporary_folder_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    outcome, _ = run("import tempfile; return tempfile.mkdtemp()")
    assert str(outcome.value).startswith(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_child_that_is_silent_for_long_is_told_once_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdcoreml.convert.watch._IDLE", 0.2)
    told = tmp_path / "told"
    events: list[Event] = []

    def emit(event: Event) -> None:
        events.append(event)
        told.touch()

    body = f"""
    import os, time
    while not os.path.exists({str(told)!r}):
        time.sleep(1)
    return 1
    """
    assert worker(body).run("try", {}, emit).value == 1
    (event,) = events
    assert event.kind == "warning"
    assert event.text.startswith("the child process has done nothing for ")


def test_a_running_child_is_a_user_of_its_environment(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to(sys.executable)
    seen: list[bool] = []
    program = worker('emit(Event(kind="step", text="one"))').launch
    alike = Worker(python=tmp_path / "bin/python", launch=program)
    alike.run("try", {}, lambda _: seen.append(is_used(tmp_path)))
    assert seen == [True]
    assert not is_used(tmp_path)
