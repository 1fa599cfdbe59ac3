"""Kills the studio's server, a queue's runner, or its children, at random moments.

    python -m tests.kills_queue --moments 20 --seed 1 [--stand-in] [--aims server runner child]

With `--stand-in`, what writes programs is a stand-in without children, which takes seconds instead
of minutes; the server, the queue, its runner, the jobs and the cache are real.

A queue of five tiny models is worked through. At a random moment, SIGKILL hits the server, the
runner, the process that it has started for an entry, or one of that one's own; or the queue is
paused and resumed, or the entry cancelled and retried. A killed server is started again after a
while in which the queue goes on without it: the next one must have its port and token, so that the
open page goes on, and offer the same queue. A killed runner is the server's to start again. Without
the aim `server` there is none, and the next runner is started at once, while what the killed one
has left may still be at work. After every few of these the queue is left alone. Every entry must be
done then, with the same bytes as in a queue that nobody disturbed; no two entries may have been
worked at at once, and nothing may be left: no process, no half-made file beside results, in the
queue, the cache or the temporary folder.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psutil

from sdcoreml.doctor.queue.entry import State
from sdcoreml.doctor.queue.outcome import TRIES
from sdcoreml.ground.digest import FileRecord
from sdcoreml.ground.errors import UsageError
from tests.five_models import Bench
from tests.kills_studio import Watched

AIMS = ("server", "runner", "child", "grandchild", "pause", "cancel")
NOBODY = "nobody"
"""What is hit where all had ended before."""

BETWEEN = 4
"""How often a queue is disturbed before it is left alone."""

_LOOK = 0.05
_GRACE = 60.0
_SLACK, _TIMES = 180.0, 20.0
"""Seconds, and times what an undisturbed queue takes, after which one does not go on any more."""

_TRIES = 10
"""How many queues may have ended before they were to be disturbed."""


class Work(Protocol):
    """A queue that is being worked through."""

    def runner(self) -> psutil.Process | None:
        """Return the runner, if there is one now."""
        ...

    def is_over(self) -> bool:
        """Whether nothing more will be done."""
        ...

    def pause(self) -> None:
        """Pause, wait until the runner has ended, and resume."""
        ...

    def cancel(self, number: str) -> bool:
        """Cancel an entry, unless it has ended a moment ago."""
        ...

    def retry(self, number: str) -> None:
        """Do an entry again."""
        ...

    def go_on(self) -> None:
        """See to it that there is a runner again, after it was killed."""
        ...

    def kill_server(self, seconds: float) -> Iterator[str]:
        """Kill the server, and start it again after a while; yield what does not hold."""
        ...

    def close(self) -> Iterator[str]:
        """End what does not end by itself; yield what does not hold."""
        ...


@dataclass(slots=True)
class Alone:
    """A queue that a runner works through, without a server."""

    bench: Bench
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self.process = self.bench.start("queue", "run")

    def runner(self) -> psutil.Process | None:
        """Return the runner, if there is one now."""
        return None if self.is_over() else psutil.Process(self.process.pid)

    def is_over(self) -> bool:
        """Whether nothing more will be done."""
        return self.process.poll() is not None

    def pause(self) -> None:
        """Pause, wait until the runner has ended, and resume."""
        self.bench.store.pause()
        self.process.wait()
        self.bench.store.resume()
        self._start()

    def cancel(self, number: str) -> bool:
        """Cancel an entry, unless it has ended a moment ago."""
        try:
            self.bench.store.cancel(number)
        except UsageError:
            return False
        return True

    def retry(self, number: str) -> None:
        """Do an entry again."""
        self.bench.store.retry(number)

    def go_on(self) -> None:
        """Start the next runner."""
        self.process.wait()
        self._start()

    def kill_server(self, seconds: float) -> Iterator[str]:  # noqa: ARG002  as the other's
        """Do nothing: there is none."""
        yield from ()

    def close(self) -> Iterator[str]:
        """Do nothing: a runner ends by itself."""
        yield from ()


def kill(work: Work, runner: psutil.Process, aim: str, chance: random.Random) -> str:
    """Kill the runner, the process of an entry, or one of that one's own; return which one."""
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
        work.go_on()
        return "runner"
    return NOBODY


def hit(bench: Bench, work: Work, aim: str, chance: random.Random) -> Iterator[str]:
    """Disturb a queue; yield what was hit, and what does not hold.

    An entry whose process is killed too often is given up, so that one is let go.
    """
    entry, runner = bench.running(), work.runner()
    if entry and entry.tries >= TRIES - 1 and aim in {"child", "grandchild"}:
        aim = "runner"
    if aim == "server":
        yield from work.kill_server(chance.uniform(0, 2))
        yield aim
    elif aim == "pause":
        work.pause()
        yield aim
    elif aim == "cancel" and entry and work.cancel(entry.id):
        time.sleep(chance.uniform(0, 1))
        work.retry(entry.id)
        yield aim
    else:
        yield kill(work, runner, aim, chance) if runner else NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a queue is disturbed: how often, what may be hit, and how long one takes undisturbed."""

    kills: int
    aims: Sequence[str]
    seconds: float
    begin: Callable[[Bench], Work]
    slack: float = _SLACK


def disturb(bench: Bench, plan: Plan, chance: random.Random) -> Iterator[str]:
    """Work through the queue, and disturb that; yield what was hit, and what does not hold."""
    work, latest = plan.begin(bench), time.monotonic() + plan.slack + _TIMES * plan.seconds
    for _ in range(plan.kills):
        until = time.monotonic() + chance.uniform(0.2, 1.5 * plan.seconds / plan.kills)
        while not work.is_over() and time.monotonic() < until:
            yield from odd(bench)
            time.sleep(_LOOK)
        if work.is_over():
            yield NOBODY
            break
        yield from hit(bench, work, chance.choice(plan.aims), chance)
    while not work.is_over():
        yield from odd(bench)
        time.sleep(_LOOK)
        if time.monotonic() > latest:
            yield "the queue does not go on"
            break
    yield from work.close()


def odd(bench: Bench) -> Iterator[str]:
    """Yield what must not be while the queue is worked through."""
    if len(bench.with_word("jobs")) > 1:
        yield "two entries were worked at at once"


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


def run(
    bench: Bench, undisturbed: Bench, moments: int, seed: int, aims: Sequence[str] = AIMS
) -> list[str]:
    """Disturb queues so often; return what did not hold, a line each."""
    undisturbed.set_up()
    begun = time.monotonic()
    if undisturbed.start("queue", "run").wait():
        return [f"undisturbed: {(undisturbed.folder / 'log').read_text()[-2000:]}"]
    seconds, wanted = time.monotonic() - begun, undisturbed.files()
    faults = [f"undisturbed: {one}" for one in judge(undisturbed, wanted)]
    if not wanted:
        return [*faults, "undisturbed: no results"]
    begin = Watched if "server" in aims else Alone
    chance, hits = random.Random(seed), Counter[str]()  # noqa: S311  no secret
    # A machine that is busy at first and quick later takes a few tries to find the new pace.
    while (so_far := _hits(hits)) < moments and hits[NOBODY] <= moments + _TRIES:
        bench.set_up()
        kills = min(BETWEEN, moments - so_far)
        plan = Plan(kills=kills, aims=aims, seconds=seconds, begin=begin)
        said = Counter(disturb(bench, plan, chance))
        hits += Counter({one: said.pop(one) for one in (*AIMS, NOBODY) if one in said})
        found = [f"after {_hits(hits)}: {one}" for one in (*said, *judge(bench, wanted))]
        print("\n".join(found), end="\n" * bool(found))
        faults += found
        seconds /= 1.5 if _hits(hits) < so_far + plan.kills else 1.0  # it was quicker than that
        print(f"{_hits(hits)} disturbed, {len(faults)} faults", flush=True)
    print(", ".join(f"{who} {count}" for who, count in sorted(hits.items())))
    if (so_far := _hits(hits)) < moments:
        faults.append(f"only {so_far} were disturbed: the others had ended before")
    return faults


def _hits(hits: Mapping[str, int]) -> int:
    return sum(hits.get(aim, 0) for aim in AIMS)


def main(words: Sequence[str] | None = None) -> int:
    """Kill processes of queues in a temporary folder; return 1 if anything did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills_queue", description=__doc__)
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--toolchain", default="light")
    parser.add_argument("--stand-in", action="store_true")
    parser.add_argument("--aims", nargs="+", choices=AIMS, default=AIMS)
    args = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        one, other = (
            Bench(folder=Path(folder) / name, toolchain=args.toolchain, is_plain=args.stand_in)
            for name in ("killed", "undisturbed")
        )
        faults = run(one, other, args.moments, args.seed, args.aims)
    print(
        faults[-1] if faults else f"all {args.moments} ended in the same bytes, with nothing left"
    )
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
