"""Kills the runner of a queue of five tiny models, or its children, at random moments.

    python -m tests.kills_queue --moments 20 --seed 1 [--stand-in] [--aims runner child]

With `--stand-in`, what writes programs is a stand-in without children, which takes seconds instead
of minutes; the queue, its runner, the jobs and the cache are real.

At a random moment, SIGKILL hits the runner, the process that it has started for an entry, or one of
that one's own; or the queue is paused and resumed, or the entry cancelled and retried. After the
runner was hit, the next one is started at once, while what the killed one has left may still be at
work. After every few of them the queue is left alone. Every entry must be done then, with the same
bytes as in a queue that nobody disturbed; no two entries may have been worked at at once, and
nothing may be left: no process, no half-made file beside results, in the queue, the cache or the
temporary folder.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from sdcoreml.doctor.proving.miniature import write_miniature
from sdcoreml.doctor.queue.entry import Entry, Kind, State
from sdcoreml.doctor.queue.order import New
from sdcoreml.doctor.queue.outcome import TRIES
from sdcoreml.doctor.queue.store import VARIABLE, Store
from sdcoreml.ground.digest import FileRecord, describe, named_below
from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.leftovers import TOKEN
from tests.doctor.commands.test_inspect import unpacked
from tests.kills import TOOL

OPTIONS: Sequence[Mapping[str, object]] = (
    {},
    {"bits": 8},
    {"bits": 6},
    {"clip-skip": 2},
    {"attention": "original"},
)
"""The options of the five models, which have some programs in common."""

ROOT = Path(__file__).resolve().parents[1]
_CODE = """\
import sys
from sdcoreml.doctor.queue.runner import Runner
from sdcoreml.doctor.queue.store import open_queue
Runner(store=open_queue(), program=(sys.executable, "-m", "tests.six_models")).run()
"""
STAND_IN = (sys.executable, "-c", _CODE)
"""A runner that starts the stand-in."""

AIMS = ("runner", "child", "grandchild", "pause", "cancel")
BETWEEN = 4
"""How often a queue is disturbed before it is left alone."""

_LOOK = 0.05
_GRACE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A folder with a model, a queue, a cache and a temporary folder.

    `command` is the runner's, `aims` are what may be hit. With `is_plain`, the model suits a
    stand-in.
    """

    folder: Path
    command: tuple[str, ...] = (f"{TOOL}", "queue", "run")
    toolchain: str = "light"
    is_plain: bool = False
    aims: tuple[str, ...] = AIMS

    @property
    def store(self) -> Store:
        """The queue."""
        return Store(folder=self.folder / "queue")

    def set_up(self) -> None:
        """Make it anew: nothing is there yet but the model and the queue of five."""
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "tmp").mkdir(parents=True)
        if self.is_plain:
            unpacked(self.folder)
        else:
            write_miniature(self.folder / "model")
        model = {"model": str(self.folder / "model"), "size": "64x64"}
        for number, options in enumerate(OPTIONS):
            job = {"into": str(self.folder), "models": [{**model, "name": f"m{number}", **options}]}
            words = (f"--toolchain={self.toolchain}",)
            new = New(kind=Kind.CONVERT, title=f"m{number}", words=words, job=job, place=f"{ROOT}")
            self.store.add(new)

    def start(self) -> subprocess.Popen[bytes]:
        """Start a runner in a session of its own."""
        own = {"TMPDIR": "tmp", "SDCOREML_CACHE": "cache", VARIABLE: "queue"}
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                self.command,
                cwd=ROOT,
                env={**os.environ, **{key: f"{self.folder / one}" for key, one in own.items()}},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def processes(self) -> Iterator[psutil.Process]:
        """Yield the processes that work for this queue."""
        for one in psutil.process_iter():
            with suppress(psutil.Error):
                is_ours = one.environ().get(VARIABLE) == f"{self.folder / 'queue'}"
                if is_ours and one.status() != psutil.STATUS_ZOMBIE:
                    yield one

    def at_work(self) -> list[psutil.Process]:
        """Return the processes that do an entry."""
        found = []
        for one in self.processes():
            with suppress(psutil.Error):
                found += [one] if "jobs" in one.cmdline() else []
        return found

    def odd(self) -> Iterator[str]:
        """Yield what must not be while the queue is worked through."""
        if len(self.at_work()) > 1:
            yield "two at once"

    def running(self) -> Entry | None:
        """Return the entry that is being done."""
        entries = self.store.read().entries
        return next((one for one in entries if one.state is State.RUNNING), None)

    def cancels(self, number: str) -> bool:
        """Cancel an entry, unless it has ended a moment ago."""
        try:
            self.store.cancel(number)
        except UsageError:
            return False
        return True

    def files(self) -> Mapping[str, FileRecord]:
        """Return the records of all results."""
        return describe(named_below(self.folder / "models"))

    def leftovers(self) -> list[str]:
        """Return what no finished run leaves."""
        hidden = [path for path in self.folder.rglob(".*") if TOKEN in path.name]
        places = [path for path in (self.folder / "tmp").rglob("*") if path.is_file()]
        return sorted(path.relative_to(self.folder).as_posix() for path in {*hidden, *places})


def kill(bench: Bench, runner: psutil.Process, aim: str, chance: random.Random) -> str:
    """Kill the runner, the process of an entry, or one of that one's own; return which one.

    An entry whose process is killed too often is given up, so that one is let go.
    """
    entry = bench.running()
    if entry and entry.tries >= TRIES - 1:
        aim = "runner"
    with suppress(psutil.Error):
        children = runner.children()
        below = [one for child in children for one in child.children(recursive=True)]
        if aim == "grandchild" and below:
            chance.choice(below).send_signal(signal.SIGKILL)
            return "grandchild"
        if aim in {"child", "grandchild"} and children:
            chance.choice(children).send_signal(signal.SIGKILL)
            return "child"
        runner.send_signal(signal.SIGKILL)
        return "runner"
    return "nobody"


def disturb(bench: Bench, kills: int, chance: random.Random, seconds: float) -> Iterator[str]:
    """Work through the queue, and disturb that so often; yield what was hit, or is odd."""
    process = bench.start()
    for _ in range(kills):
        until = time.monotonic() + chance.uniform(0.2, 1.5 * seconds / kills)
        while process.poll() is None and time.monotonic() < until:
            yield from bench.odd()
            time.sleep(_LOOK)
        if process.poll() is not None:
            yield "nobody"
            return
        aim, entry = chance.choice(bench.aims), bench.running()
        if aim == "pause":
            bench.store.pause()
            process.wait()
            bench.store.resume()
            hit = aim
        elif aim == "cancel" and entry and bench.cancels(entry.id):
            time.sleep(chance.uniform(0, 1))
            bench.store.retry(entry.id)
            hit = aim
        else:
            hit = kill(bench, psutil.Process(process.pid), aim, chance)
        yield hit
        if hit in {"runner", "pause"}:
            process.wait()
            process = bench.start()
    while process.poll() is None:
        yield from bench.odd()
        time.sleep(_LOOK)


def judge(bench: Bench, wanted: Mapping[str, FileRecord]) -> Iterator[str]:
    """Yield what is not as without any kills; what was killed last gets time to end."""
    until = time.monotonic() + _GRACE
    while (alive := list(bench.processes())) and time.monotonic() < until:
        time.sleep(_LOOK)
    for one in alive:
        with suppress(psutil.Error):
            yield f"outlived: {' '.join(one.cmdline())[:200]}"
    for entry in bench.store.read().entries:
        if entry.state is not State.DONE:
            yield f"{entry.id} {entry.state.value}: {entry.because}"
    found = bench.files()
    names = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
    if names:
        yield f"other bytes: {', '.join(names[:3])}"
    if left := bench.leftovers():
        yield f"left: {', '.join(left[:3])}"


def run(bench: Bench, undisturbed: Bench, moments: int, seed: int) -> list[str]:
    """Kill so many processes; return what did not hold, a line each."""
    undisturbed.set_up()
    begun = time.monotonic()
    if undisturbed.start().wait():
        return [f"undisturbed: {(undisturbed.folder / 'log').read_text()[-2000:]}"]
    seconds, wanted = time.monotonic() - begun, undisturbed.files()
    faults = [f"undisturbed: {one}" for one in judge(undisturbed, wanted)]
    if not wanted:
        return [*faults, "undisturbed: no results"]
    chance, hits, odd, missed = random.Random(seed), Counter[str](), 0, 0  # noqa: S311  no secret
    while (killed := sum(hits[aim] for aim in AIMS)) < moments and hits["nobody"] <= moments:
        bench.set_up()
        for hit in disturb(bench, min(BETWEEN, moments - killed), chance, seconds):
            hits[hit] += 1
        found = list(judge(bench, wanted))
        if hits["two at once"] > odd:
            odd = hits["two at once"]
            found.append("two entries were worked at at once")
        found = [f"after {sum(hits[aim] for aim in AIMS)}: {one}" for one in found]
        print("\n".join(found), end="\n" * bool(found))
        faults += found
        seconds /= 1.5 if hits["nobody"] > missed else 1.0  # it was quicker than without kills
        missed = hits["nobody"]
        print(f"{sum(hits[aim] for aim in AIMS)} disturbed, {len(faults)} faults", flush=True)
    print(", ".join(f"{who} {count}" for who, count in sorted(hits.items())))
    if (killed := sum(hits[aim] for aim in AIMS)) < moments:
        faults.append(f"only {killed} were disturbed: the others had ended before")
    return faults


def main(words: Sequence[str] | None = None) -> int:
    """Kill processes of queues in a temporary folder; return 1 if anything did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills_queue", description=__doc__)
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--toolchain", default="light")
    parser.add_argument("--stand-in", action="store_true")
    parser.add_argument("--aims", nargs="+", choices=AIMS, default=AIMS)
    args = parser.parse_args(words)
    plain: dict[str, Any] = {"command": STAND_IN, "is_plain": True} if args.stand_in else {}
    with tempfile.TemporaryDirectory() as folder:
        one, other = (
            Bench(
                folder=Path(folder) / name, toolchain=args.toolchain, aims=tuple(args.aims), **plain
            )
            for name in ("killed", "undisturbed")
        )
        faults = run(one, other, args.moments, args.seed)
    print(
        faults[-1] if faults else f"all {args.moments} ended in the same bytes, with nothing left"
    )
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
