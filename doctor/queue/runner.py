"""The runner: does what waits in a queue, one entry after another, and ends when nothing waits.

There is one for a queue. It decides nothing of its own: what to do is on disk, where others change
it at any time, and what an entry's command does is that command's affair. Killed at any moment, it
leaves an entry that waits again, and a child that ends by itself (`ground.lifeline`); its successor
waits until that has tidied up.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from sdcoreml.doctor.queue.awake import awake
from sdcoreml.doctor.queue.child import GRACE, Child, Command
from sdcoreml.doctor.queue.entry import Entry, State, now
from sdcoreml.doctor.queue.lines import LineFile, event_of, second_half, without_progress
from sdcoreml.doctor.queue.outcome import Listener, finish, stop
from sdcoreml.doctor.queue.post import Post, note_worker, sole_work
from sdcoreml.doctor.queue.starting import begin_log
from sdcoreml.doctor.queue.store import RUNNER, WORK, Store, command_of
from sdcoreml.ground.errors import SdcoremlError

LOOK = 0.25
"""Seconds between two looks at whether an entry that is being done is still wanted."""


def unheard(text: str) -> None:
    """Discard what a runner says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Does the entries of `store` with `program`, the command of this tool.

    `say` gets a sentence when an entry begins or ends, `echo` each line of its log.
    """

    store: Store
    program: Sequence[str]
    say: Callable[[str], None] = unheard
    echo: Callable[[str], None] = unheard
    grace: float = GRACE

    def run(self) -> bool:
        """Do what waits; return False if another runner does it."""
        with self._at_post() as post:
            if not post.is_held:
                return False
            work = self.store.folder / WORK
            with sole_work(work, self._say, self.grace) as handle, awake():
                while entry := self._next(post):
                    self._do(entry, handle)
            return True

    @contextmanager
    def _at_post(self) -> Iterator[Post]:
        # Whoever finds the post taken relies on the runner to see what it has changed. So both
        # taking and leaving it need the lock of the folder: a runner looks a last time under it.
        # One that ends by an error leaves it at once: whoever tries to take it just now gets it.
        with self.store.changing():
            post = Post(self.store.folder / RUNNER)
            if post.is_held:
                begin_log(self.store)
                self._forget_killed()
        try:
            yield post
        finally:
            post.leave()

    def _forget_killed(self) -> None:
        """Let what a killed runner was doing wait again; what it was ending has ended."""
        for entry in self.store.read().entries:
            if entry.state is State.RUNNING or entry.is_ending:
                self.store.write(stop(entry))

    def _next(self, post: Post) -> Entry | None:
        """Return the next entry, which runs from now on; without one, leave the post."""
        with self.store.changing():
            queue = self.store.read()
            waiting = (one for one in queue.entries if one.state is State.WAITING)
            entry = None if queue.is_paused else next(waiting, None)
            if entry is None:
                post.leave()
                return None
            begun = replace(entry, state=State.RUNNING, begun=now())
            self.store.write(begun)
            return begun

    def _do(self, entry: Entry, work: int) -> None:
        """Do an entry, as long as it is wanted, and write down what became of it."""
        self._say(f"{entry.id}: {entry.title}: begun")
        heard, code, is_wanted = Listener(), None, True
        try:
            with closing(self._start(entry, work, heard)) as child:
                note_worker(work, child.pid)
                while code is None and (is_wanted := self._is_wanted(entry)):
                    code = child.wait(LOOK)
                if code is None:
                    code = child.end()
        except BaseException:
            with suppress(SdcoremlError):  # it waits again in any case
                self.store.update(entry.id, stop)
            raise

        def settle(found: Entry) -> Entry:
            is_this_run = found.begun == entry.begun
            has_ended = code == 0 or (is_wanted and found.state is State.RUNNING)
            return finish(found, code, heard) if is_this_run and has_ended else stop(found)

        settled = self.store.update(entry.id, settle)
        if settled:
            because = f": {settled.because}" if settled.because else ""
            self._say(f"{entry.id}: {entry.title}: {settled.state.value}{because}")

    def _say(self, text: str) -> None:
        self._tell(self.say, text)

    def _tell(self, listener: Callable[[str], None], text: str) -> None:
        with suppress(OSError, ValueError):  # a terminal that has gone costs its lines alone
            listener(text)

    def _start(self, entry: Entry, work: int, heard: Listener) -> Child:
        try:
            return Child(self._command(entry, work), self._hears(entry, heard))
        except OSError as error:
            raise SdcoremlError(
                f"cannot be started ({error.strerror})",
                where=self.program[0],
                remedy="see why, then `sdcoreml queue run` goes on",
            ) from None

    def _command(self, entry: Entry, work: int) -> Command:
        folder = self.store.folder
        is_there = bool(entry.place) and Path(entry.place).is_dir()
        return Command(
            words=(*self.program, *command_of(entry, folder)),
            folder=entry.place if is_there else os.fspath(folder),
            keep=(work,),
            grace=self.grace,
        )

    def _hears(self, entry: Entry, heard: Listener) -> dict[str, Callable[[bytes], None]]:
        events = LineFile(self.store.path(entry.id, "events"), without_progress)
        log = LineFile(self.store.path(entry.id, "log"), second_half)

        def hear_out(line: bytes) -> None:
            heard.hear_event(line)
            (events if event_of(line) else log).add(line)

        def hear_err(line: bytes) -> None:
            heard.hear_log(line)
            log.add(line)
            self._tell(self.echo, line.decode(errors="replace").rstrip("\n"))

        return {"stdout": hear_out, "stderr": hear_err}

    def _is_wanted(self, entry: Entry) -> bool:
        queue = self.store.read()
        return not queue.is_paused and any(
            one.id == entry.id and one.state is State.RUNNING for one in queue.entries
        )
