"""Shares work among processes: this one, and helpers that run the same code.

Threads would not do, because numpy holds the interpreter's lock between two operations on arrays.
A helper gets JSON lines on stdin and answers on stdout. It ends when its stdin closes, so it never
outlives its owner, even if that is killed.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from sdcoreml.ground import errors
from sdcoreml.ground.events import Emit, silent
from sdcoreml.ground.places import PACKAGE

if TYPE_CHECKING:
    from typing_extensions import Self

Work: TypeAlias = "Callable[[Any], object]"
"""Does one piece of work: takes and returns JSON values."""

_LAUNCH = """\
import importlib.util, sys
folder = sys.argv[1]
spec = importlib.util.spec_from_file_location(
    "sdcoreml", folder + "/__init__.py", submodule_search_locations=[folder]
)
sys.modules["sdcoreml"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["sdcoreml"])
from {module} import serve
serve()
"""
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""Variables that keep a library's own threads to one, since each helper has a core for itself."""

AGAIN = "run again; if it happens again, close other programs or give --workers 1"


def launch(module: str) -> str:
    """Return Python code that calls `serve` of a module of ours.

    It takes our folder as its argument, and can import our package, but nothing that is beside it.
    """
    return _LAUNCH.format(module=module)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How a helper opens what it works on.

    `function` names a function of ours as `module:name`. It takes `common`
    and returns a context manager that yields a `Work`.
    """

    function: str
    common: Mapping[str, str]

    def open(self) -> AbstractContextManager[Work]:
        """Call the function."""
        module, _, name = self.function.partition(":")
        opened: AbstractContextManager[Work] = getattr(importlib.import_module(module), name)(
            self.common
        )
        return opened


class Crew:
    """This process and `workers - 1` helpers, which start when first needed.

    Entered as a context manager, it is the crew that `at_work` returns until the block ends.
    `code` is the Python code that a helper runs; `emit` gets to know what is done.
    """

    def __init__(self, workers: int = 1, code: str = "", emit: Emit = silent) -> None:
        self.workers = workers
        self.emit = emit
        self._code = code or launch(__name__)
        self._helpers: list[_Helper] = []
        self._before: Token[Crew] | None = None

    def __enter__(self) -> Self:
        self._before = _CREW.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._before is not None:
            _CREW.reset(self._before)
        self.dismiss()

    def dismiss(self) -> None:
        """End the helpers at once, whatever they are doing."""
        for helper in self._helpers:
            helper.end()
        self._helpers.clear()

    def _kill(self) -> None:
        for helper in self._helpers:
            helper.kill()

    def map(
        self,
        own: Work,
        opening: Opening,
        items: Sequence[object],
        done: Callable[[int], None] = lambda _: None,
    ) -> list[object]:
        """Return the answer to each item, in order; `own` is this process's `Work`.

        `done` is called with the number of each item that is finished, in this thread or another,
        but never in two at once.

        Raises:
            SdcoremlError: the first error that any of the processes raised; the others are ended.
            WorkerError: a helper died.
        """
        extra = min(self.workers, len(items)) - 1
        if extra < 1:
            answers = []
            for number, item in enumerate(items):
                answers.append(own(item))
                done(number)
            return answers
        while len(self._helpers) < extra:
            self._helpers.append(_Helper(self._code))
        shared = _Shared(items=items, done=done, fail=self._kill)
        helped = [
            threading.Thread(
                target=shared.work_through,
                args=(helper.work(opening),),
                name=f"helper {number}",
                daemon=True,
            )
            for number, helper in enumerate(self._helpers[:extra])
        ]
        try:
            for thread in helped:
                thread.start()
            shared.work_through(own)
            for thread in helped:
                thread.join()
        except BaseException:
            self._kill()
            raise
        if shared.error is not None:
            self.dismiss()
            raise shared.error
        return [shared.answers[number] for number in range(len(items))]


_CREW: ContextVar[Crew] = ContextVar("crew")


def at_work() -> Crew:
    """Return the crew that is at work; one of a single worker, if none was entered."""
    return _CREW.get(None) or Crew()


@dataclass(slots=True, kw_only=True)
class _Shared:
    """Items that several threads work through, each taking the next one, and their answers.

    `fail` is called after an error, so that nobody waits for what the others are doing.
    """

    items: Sequence[object]
    done: Callable[[int], None]
    fail: Callable[[], None]
    answers: dict[int, object] = field(default_factory=dict)
    error: Exception | None = None
    _next: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def work_through(self, work: Work) -> None:
        """Take items and keep their answers until none is left; the first error stops everybody."""
        for number in self._numbers():
            self._do(number, work)

    def _do(self, number: int, work: Work) -> None:
        try:
            self.answers[number] = work(self.items[number])
            with self._lock:
                self.done(number)
        except Exception as error:  # noqa: BLE001  it is raised in the owner's thread
            with self._lock:
                self.error = self.error or error
                self._next = len(self.items)
            self.fail()

    def _numbers(self) -> Iterator[int]:
        while True:
            with self._lock:
                number = self._next
                self._next += 1
            if number >= len(self.items):
                return
            yield number


class _Helper:
    """A helper process, as its owner sees it."""

    def __init__(self, code: str) -> None:
        command = [sys.executable, "-I", "-B", "-c", code, os.fspath(PACKAGE)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **dict.fromkeys(_THREADS, "1")},
        )
        self._opened: Opening | None = None

    def work(self, opening: Opening) -> Work:
        """Return a `Work` that lets the helper do it, which opens what it needs before."""

        def ask(item: object) -> object:
            if self._opened is not opening:
                self._ask({"open": opening.function, "common": opening.common})
                self._opened = opening
            return self._ask({"item": item})

        return ask

    def kill(self) -> None:
        """Kill the process; `end` is still to be called."""
        self._process.kill()

    def end(self) -> None:
        """Kill the process, and close what led to it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._stdin, self._stdout):
            with suppress(BrokenPipeError):
                pipe.close()

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None  # noqa: S101  it was opened as a pipe
        return self._process.stdin

    @property
    def _stdout(self) -> IO[bytes]:
        assert self._process.stdout is not None  # noqa: S101  it was opened as a pipe
        return self._process.stdout

    def _ask(self, message: Mapping[str, object]) -> object:
        with suppress(BrokenPipeError):
            self._stdin.write(json.dumps(message).encode() + b"\n")
            self._stdin.flush()
        line = self._stdout.readline()
        if not line.endswith(b"\n"):
            raise errors.WorkerError("a helper process was ended from outside", remedy=AGAIN)
        answer = json.loads(line)
        if "error" in answer:
            raise revive(answer["error"])
        if "system" in answer:
            raise OSError(*answer["system"])
        if "bug" in answer:
            raise RuntimeError(answer["bug"])
        return answer["value"]


def serve() -> None:
    """Answer the owner's messages until it closes stdin: the main function of a helper."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the owner, which ends us
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    messages = _read_ahead()
    with ExitStack() as opened:
        works: list[Work] = []
        while True:
            answer = _answer(messages.get(), opened, works)
            answers.write(json.dumps(answer).encode() + b"\n")
            answers.flush()


def _read_ahead() -> queue.SimpleQueue[Mapping[str, Any]]:
    """Read messages in a thread, so that the process ends with its owner even while it works."""
    messages: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin.buffer:
            messages.put(json.loads(line))
        os._exit(1)

    threading.Thread(target=read, daemon=True).start()
    return messages


def _answer(
    message: Mapping[str, Any], opened: ExitStack, works: list[Work]
) -> Mapping[str, object]:
    """Open what an owner wants opened, or work on an item; return the answer."""
    try:
        if "open" in message:
            opened.close()
            opening = Opening(function=message["open"], common=message["common"])
            works[:] = [opened.enter_context(opening.open())]
            return {"value": None}
        return {"value": works[0](message["item"])}
    except errors.SdcoremlError as error:
        return {"error": fields_of(error)}
    except MemoryError:
        lack = errors.WorkerError("out of memory", where="a helper process", remedy=AGAIN)
        return {"error": fields_of(lack)}
    except OSError as error:
        return {"system": [error.errno, error.strerror, error.filename and str(error.filename)]}
    except Exception:  # noqa: BLE001  a fault of ours, to be told where the others are
        return {"bug": traceback.format_exc()}


def fields_of(error: errors.SdcoremlError) -> Mapping[str, str]:
    """Return the fields from which `revive` makes the error again in another process."""
    return {
        "type": type(error).__name__,
        "what": error.what,
        "where": error.where,
        "remedy": error.remedy,
    }


def revive(fields: Mapping[str, str]) -> errors.SdcoremlError:
    """Make an error of another process again, as an object of the same class."""
    kind = getattr(errors, fields["type"], errors.WorkerError)
    revived: errors.SdcoremlError = kind(
        fields["what"], where=fields["where"], remedy=fields["remedy"]
    )
    return revived
