"""Work is shared among processes: answers are in order, the first error wins, helpers end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from sdcoreml.ground.crew import (
    AGAIN,
    Crew,
    Opening,
    _answer,
    at_work,
    fields_of,
    launch,
    revive,
)
from sdcoreml.ground.errors import BadInputError, WorkerError
from sdcoreml.ground.events import Event, silent
from sdcoreml.ground.places import PACKAGE

WORK = """\
import contextlib, os, signal, time

opened = []
@contextlib.contextmanager
def open_work(common):
    from sdcoreml.ground.errors import BadInputError
    opened.append(common)
    def work(item):
        match item:
            case "pid":
                return os.getpid()
            case "opened":
                return -len(opened)
            case "threads":
                names = ("OMP", "OPENBLAS", "MKL")
                return [*(os.environ[f"{name}_NUM_THREADS"] for name in names),
                        os.environ["VECLIB_MAXIMUM_THREADS"]]
            case "bad":
                raise BadInputError("is bad", where=common["name"], remedy="take another")
            case "full":
                raise OSError(28, "No space left on device")
            case "bug":
                raise KeyError("nobody expected this")
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "sleep":
                time.sleep(1000)
            case path:
                while not os.path.exists(path):
                    time.sleep(0.01)
                return os.getpid()
    yield work
"""
"""The work of helpers, in a module that only they have."""

CODE = f"""\
import sys, types
sys.modules["work_of_test"] = types.ModuleType("work_of_test")
exec({WORK!r}, sys.modules["work_of_test"].__dict__)
{launch("sdcoreml.ground.crew")}"""

OPENING = Opening(function="work_of_test:open_work", common={"name": "this one"})


class Waiting:
    """The owner's work: it waits until a helper has finished an item, then returns its own id.

    A helper whose item is `begun` waits in turn until the owner has begun one.
    """

    def __init__(self, begun: Path | None = None) -> None:
        self._helped = threading.Event()
        self._begun = begun

    def __call__(self, _: object) -> int:
        if self._begun:
            self._begun.touch()
        assert self._helped.wait(120)
        return os.getpid()

    def done(self, _: int) -> None:
        self._helped.set()


def test_a_helper_takes_part_and_answers_are_in_order(tmp_path: Path) -> None:
    own = Waiting(tmp_path / "begun")
    with Crew(2, CODE) as crew:
        first = crew.map(own, OPENING, [f"{tmp_path / 'begun'}"] * 2, own.done)
        again = crew.map(own, OPENING, ["pid", "threads"], own.done)
    assert len(set(first)) == 2
    assert os.getpid() in first
    assert again[1] in (["1"] * 4, os.getpid())


def test_what_is_worked_on_is_opened_once() -> None:
    with Crew(2, CODE) as crew:
        for _ in range(2):
            own = Waiting()
            found = crew.map(own, OPENING, ["opened"] * 2, own.done)
            assert {*found} - {os.getpid()} == {-1}


def test_one_worker_starts_nobody() -> None:
    with Crew(1, "raise SystemExit") as crew:
        assert crew.map(str.upper, OPENING, ["a", "b"]) == ["A", "B"]
    with Crew(8, "raise SystemExit") as crew:
        assert crew.map(str.upper, OPENING, ["a"]) == ["A"]


def wait_for_helper(_: object) -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("helper"):
            thread.join(120)


@pytest.mark.parametrize(
    ("item", "kind", "said"),
    [
        ("bad", BadInputError, "this one: is bad; take another"),
        ("full", OSError, "No space left on device"),
        ("bug", RuntimeError, "nobody expected this"),
        ("die", WorkerError, "a helper process was ended from outside"),
    ],
)
def test_the_error_of_a_helper_is_raised_here(item: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said), Crew(2, CODE) as crew:
        crew.map(wait_for_helper, OPENING, [item] * 40)


def test_an_error_here_ends_the_helpers() -> None:
    def own(_: object) -> None:
        raise BadInputError("stop")

    with pytest.raises(BadInputError, match="stop"), Crew(2, CODE) as crew:
        crew.map(own, OPENING, ["sleep"] * 5)


def test_a_helper_ends_with_its_owner_and_not_by_ctrl_c() -> None:
    helper = subprocess.Popen(
        [sys.executable, "-I", "-B", "-c", CODE, str(PACKAGE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with helper:
        assert helper.stdin
        assert helper.stdout
        helper.stdin.write(b'{"open": "work_of_test:open_work", "common": {}}\n')
        helper.stdin.flush()
        assert helper.stdout.readline() == b'{"value": null}\n'
        helper.send_signal(signal.SIGINT)
        helper.stdin.write(b'{"item": "sleep"}\n')
        helper.stdin.close()
        assert helper.wait(120) == 1


def test_what_a_helper_answers() -> None:
    log: list[str] = []

    @contextmanager
    def open_it(common: Mapping[str, str]) -> Iterator[Callable[[object], object]]:
        log.append(f"opened {common['name']}")

        def work(item: object) -> object:
            if isinstance(item, BaseException):
                raise item
            return [item]

        yield work
        log.append(f"closed {common['name']}")

    module = types.ModuleType("opens_for_test")
    vars(module)["open_it"] = open_it
    works: list[Callable[[object], object]] = []
    with pytest.MonkeyPatch.context() as patch, ExitStack() as opened:
        patch.setitem(sys.modules, "opens_for_test", module)
        for name in ("a", "b"):
            opening = {"open": "opens_for_test:open_it", "common": {"name": name}}
            assert _answer(opening, opened, works) == {"value": None}
        assert log == ["opened a", "closed a", "opened b"]

        def answer(item: object) -> Mapping[str, object]:
            return _answer({"item": item}, opened, works)

        assert answer(5) == {"value": [5]}
        said = {"what": "is bad", "where": "/a", "remedy": "take another"}
        error = BadInputError("is bad", where="/a", remedy="take another")
        assert answer(error) == {"error": {"type": "BadInputError", **said}}
        assert answer(MemoryError()) == {
            "error": {
                "type": "WorkerError",
                "what": "out of memory",
                "where": "a helper process",
                "remedy": AGAIN,
            }
        }
        assert answer(OSError(5, "x")) == {"system": [5, "x", None]}
        assert answer(OSError(5, "x", Path("/a"))) == {"system": [5, "x", "/a"]}
        bug = answer(KeyError("y"))
        assert [*bug] == ["bug"]
        assert str(bug["bug"]).startswith("Traceback")
        assert str(bug["bug"]).endswith("KeyError: 'y'\n")
    assert log[-1] == "closed b"


def test_an_error_is_made_again_as_one_of_its_class() -> None:
    error = BadInputError("is bad", where="/a", remedy="take another")
    again = revive(fields_of(error))
    assert (type(again), str(again)) == (BadInputError, str(error))
    unknown = revive({"type": "NoSuchError", "what": "x", "where": "", "remedy": ""})
    assert (type(unknown), str(unknown)) == (WorkerError, "x")


def test_a_helper_that_is_killed_is_told_with_what_helps() -> None:
    with pytest.raises(WorkerError) as caught, Crew(2, "raise SystemExit") as crew:
        crew.map(wait_for_helper, OPENING, ["pid"] * 40)
    assert str(caught.value) == (
        "a helper process was ended from outside; run again; if it happens again, close other"
        " programs or give --workers 1"
    )


def test_the_crew_at_work_is_that_of_the_innermost_block() -> None:
    usual = at_work()
    assert (usual.workers, usual.emit) == (1, silent)
    events: list[Event] = []
    with Crew(3, emit=events.append) as outer:
        assert at_work() is outer
        with Crew() as inner:
            assert at_work() is inner
        assert at_work() is outer
        assert at_work().emit == events.append
    assert at_work() is not outer


def test_alone_each_item_is_told_when_it_is_done() -> None:
    done: list[object] = []
    with Crew(1) as crew:
        assert crew.map(done.append, OPENING, ["a", "b"], done.append) == [None, None]
    assert done == ["a", 0, "b", 1]
