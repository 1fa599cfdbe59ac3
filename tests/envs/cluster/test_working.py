from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.envs.cluster import working
from sdcoreml.envs.cluster.working import admit, differing, make, unseen
from sdcoreml.ground import locks
from tests.envs.cluster.conftest import Said
from tests.envs.cluster.test_speaking import SECURITY
from tests.handles import nothing_left_open

JOB = {
    "file": "/shelf/jobs.toml",
    "version": "1.0",
    "builder": "b" * 64,
    "toolchain": "tested",
    "target": "linux-x86_64",
    "lock": "c" * 64,
    "python": "3.10.10",
    "xcode": "f" * 64,
}
PINS: dict[str, Any] = {
    "version": "1.0",
    "builder": "b" * 64,
    "toolchain": "tested",
    "locks": {"linux-x86_64": "c" * 64, "macos-arm64": "d" * 64},
    "python": "3.10.10",
    "xcode": "f" * 64,
}

BUILDERS = "1.1, builder aaaaaaaaaaaa; the job's is 1.0, builder bbbbbbbbbbbb"


@pytest.mark.parametrize(
    ("pins", "because"),
    [
        ({}, ""),
        ({"toolchain": "light"}, "its toolchain is light, the job's is tested"),
        ({"builder": "a" * 64, "version": "1.1"}, f"its sdcoreml is another ({BUILDERS})"),
        (
            {"locks": {"linux-x86_64": "e" * 64}},
            "its lock for linux-x86_64 is eeeeeeeeeeee, the job's is cccccccccccc",
        ),
        (
            {"python": "3.10.9"},
            "its environment's Python is 3.10.9, the job's is 3.10.10",
        ),
        ({"xcode": "9" * 64}, "its Xcode's compiler is 999999999999, the job's is ffffffffffff"),
        ({"xcode": ""}, "its Xcode's compiler is none, the job's is ffffffffffff"),
        ({"locks": {}}, "its lock for linux-x86_64 is none, the job's is cccccccccccc"),
    ],
)
def test_a_worker_with_other_pins_says_which(pins: dict[str, object], because: str) -> None:
    assert differing({**PINS, **pins}, JOB) == because


@pytest.fixture
def sign(tmp_path: Path) -> Iterator[Path]:
    """A sign in a folder, both locked as the coordinator locks them."""
    path = tmp_path / "scratch" / "sign"
    path.parent.mkdir()
    path.write_text("secret")
    handles = [os.open(one, os.O_RDONLY) for one in (path, path.parent)]
    for handle in handles:
        locks.lock(handle)
    yield path
    for handle in handles:
        os.close(handle)


def test_a_sign_is_seen_where_the_folder_is_shared(sign: Path) -> None:
    shown = {"folder": "/shelf", "file": str(sign), "text": "secret"}
    assert unseen([shown]) == ""
    told = "it does not share /shelf, which all machines must mount"
    assert unseen([shown, {**shown, "text": "other"}]) == told
    assert unseen([{**shown, "file": f"{sign}-absent"}]) == told
    assert unseen([shown, {"file": str(sign.parent)}]) == ""
    assert unseen([shown, {"file": "/no/model"}]) == "it does not see /no/model"


@pytest.mark.parametrize("place", ["scratch/sign", "scratch"])
def test_a_folder_whose_locks_are_not_noticed_is_refused(
    tmp_path: Path, sign: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    shown = {"folder": "/shelf", "file": str(sign), "text": "secret"}
    real = locks.try_share

    def try_share(handle: int) -> bool:
        is_meant = os.path.sameopenfile(handle, other)
        return True if is_meant else real(handle)

    other = os.open(tmp_path / place, os.O_RDONLY)
    monkeypatch.setattr(locks, "try_share", try_share)
    assert unseen([shown]) == "locks on /shelf do not reach other machines"
    os.close(other)


def test_a_folder_that_has_no_locks_is_refused(sign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int) -> bool:
        raise OSError(handle, "Function not implemented")

    monkeypatch.setattr(locks, "try_share", refuse)
    shown = {"folder": "/shelf", "file": str(sign), "text": "secret"}
    assert unseen([shown]) == "locks on /shelf do not reach other machines"


def test_a_folder_that_two_workers_of_a_machine_look_at_is_told_by_both(sign: Path) -> None:
    shown = {"folder": "/shelf", "file": str(sign), "text": "secret"}
    unlocked = sign.with_name("other")
    unlocked.write_text("secret")
    other = os.open(unlocked, os.O_RDONLY)
    assert locks.try_share(other)
    assert unseen([{**shown, "file": str(unlocked)}]) != ""
    os.close(other)


def test_a_worker_says_that_it_takes_part_or_refuses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(working._ME, "pins", PINS)
    assert admit({"job": JOB, "signs": []}) == ""
    assert admit({"job": {**JOB, "toolchain": "light"}, "signs": []}) != ""
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["because"] for one in said] == ["", "its toolchain is tested, the job's is light"]


def task(title: str) -> dict[str, Any]:
    return {"run": "r", "title": title, "environ": {"SAID": title}, "task": {}}


def test_a_task_is_done_by_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import os; print('news'); print('{\"results\": [\"' + os.environ['SAID'] + '\"]}')"
    monkeypatch.setattr(working, "_ME", {"environ": {}, "command": [sys.executable, "-c", code]})
    assert make(task("a")) == {"results": ["a"]}
    assert working._RUNNING["r"] == []


def test_a_process_without_an_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        working, "_ME", {"environ": {}, "command": [sys.executable, "-c", "raise SystemExit(9)"]}
    )
    assert make(task("a")) == {"error": "its process ended without an answer (exit code 9)"}


def test_a_run_that_was_ended_begins_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "_STOPPED", {"r"})
    assert make(task("a")) == {"error": "its job was ended"}


REQUEST = {
    "address": "tls://192.0.2.1:8786",
    "certificate": "/c.pem",
    "key": "/k.pem",
    "name": "mac",
    "because": "no Python",
}


def test_a_worker_goes_when_its_scheduler_does(
    calls: list[tuple[str, Any]],
    said: Said,
    ended: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(working, "_ME", {})
    monkeypatch.setattr(working, "_RUNNING", {"r": [process := Process()]})
    working.work(REQUEST)
    ((_, (words, options)),) = calls
    folder = Path(str(options.pop("local_directory")))
    assert not folder.exists()
    assert (words, options) == (
        ("tls://192.0.2.1:8786",),
        {
            "name": "mac",
            "nthreads": 1,
            "host": "ip to host of tls://192.0.2.1:8786",
            "security": SECURITY,
            "dashboard_address": "127.0.0.1:0",
            "memory_limit": 0,
            "death_timeout": 10.0,
            "heartbeat_interval": "1s",
        },
    )
    joined = {"joined": "tls://192.0.2.1:8786", "process": os.getpid()}
    assert said() == [joined, {"gone": True}]
    assert ended.is_set()
    assert process.said[:2] == ["terminate", "wait"]
    assert working._ME == REQUEST
    working.work(REQUEST)
    assert said() == [joined, {"gone": False}], "stdin was closed before"


def test_a_machine_that_cannot_take_part_says_why(
    calls: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    working.decline(REQUEST)
    assert calls[1:] == [
        ("log", ("sdcoreml", {"worker": "mac", "because": "no Python"})),
        ("left", None),
    ]
    assert slept == [0.5], "the event is sent in the background"


class Process:
    """A process that ends when it is told to, or only when it is killed."""

    def __init__(self, *, ends: bool = True) -> None:
        self.ends = ends
        self.said: list[str] = []
        self.given: list[float] = []

    def terminate(self) -> None:
        self.said.append("terminate")

    def kill(self) -> None:
        self.said.append("kill")

    def wait(self, seconds: float) -> None:
        self.said.append("wait")
        self.given.append(seconds)
        if not self.ends:
            raise subprocess.TimeoutExpired("x", seconds)


def test_processes_end_together_and_one_that_does_not_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([100.0, 101.0, 130.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    slow, quick = Process(ends=False), Process()
    working._end_processes([slow, quick])  # type: ignore[list-item]
    assert (slow.said, slow.given) == (["terminate", "wait", "kill"], [19.0])
    assert (quick.said, quick.given) == (["terminate", "wait"], [0.1])


def test_what_is_done_for_a_run_ends_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, others = Process(), Process()
    monkeypatch.setattr(working, "_RUNNING", {"r": [ours], "s": [others]})
    monkeypatch.setattr(working, "_STOPPED", set())
    asyncio.run(working.stop("r"))
    asyncio.run(working.stop("t"))
    assert (ours.said, others.said) == (["terminate", "wait"], [])
    assert {"r", "t"} == working._STOPPED


def test_what_is_made_is_told_with_its_time(monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    code = (
        "import sys; print({'a': 1}); print('{\"error\": ' + str(len(sys.stdin.readline())) + '}')"
    )
    monkeypatch.setattr(working, "_ME", {"command": [sys.executable, "-c", code]})
    clock = iter([100.0, 107.5])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    length = len(json.dumps(task("a"))) + 1
    assert make(task("a")) == {"error": length}
    assert said() == [{"began": "a"}, {"ended": "a", "seconds": 7.5, "because": length}]


def test_a_process_that_was_ended_with_its_run_is_no_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(set[str]):
        """A run that is ended while its process is at work."""

        def __contains__(self, run: object) -> bool:
            asked.append(run)
            return len(asked) > 1

    asked: list[object] = []
    monkeypatch.setattr(working, "_STOPPED", Stopped())
    monkeypatch.setattr(working, "_ME", {"command": [sys.executable, "-c", ""]})
    assert make(task("a")) == {"error": "its job was ended"}
    assert asked == ["r", "r"]


def test_looking_at_a_sign_leaves_nothing_open(sign: Path) -> None:
    with nothing_left_open():
        assert unseen([{"folder": "/shelf", "file": str(sign), "text": "secret"}]) == ""
