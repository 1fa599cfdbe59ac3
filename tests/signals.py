"""Ends conversions of the sample by signals, and checks their output and what they leave.

    python -m tests.signals --moments 60 --seed 1

A moment is a step of the conversion, and a fraction of the time that the step takes. At each
moment, one signal is sent to the parent, to the child or to the process group. Moments take turns
among the eighteen pairs of signal and recipient; with `--all`, each moment gets all of them.

What must hold:

* The exit code is true: it is 0 only if the folder has the same bytes as without signals.
* A folder is complete or not there at all, and an older one is never lost.
* A process that can clean up leaves nothing; after the next run, nothing is left by any.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOL = ROOT / ".venv" / "bin" / "sdcoreml"
OUT = "out"
BETWEEN = 6
"""How many signals are sent between two undisturbed conversions, which reveal lasting damage."""

PATIENCE = 300.0
"""The time in seconds after which a conversion counts as hanging."""

SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGKILL,
    signal.SIGPIPE,
)
RECIPIENTS = ("parent", "child", "group")
DEATHS = frozenset({signal.SIGKILL, signal.SIGQUIT})
"""Signals that no process can handle, so that it cannot clean up."""

CODES = {
    signal.SIGINT: 130,
    signal.SIGTERM: 143,
    signal.SIGHUP: 129,
    signal.SIGQUIT: -signal.SIGQUIT,
    signal.SIGKILL: -signal.SIGKILL,
    signal.SIGPIPE: 0,
}
"""The expected exit code when the parent process gets this signal."""

CHILD_DIED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A moment of a conversion: `delay` seconds after its output line `line` (0: the start)."""

    line: int
    delay: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """A signal to a recipient at a moment; with `replaces`, there is an older result."""

    moment: Moment
    signal: signal.Signals
    recipient: str
    replaces: bool

    def __str__(self) -> str:
        where = f"{self.moment.delay:.2f} s after line {self.moment.line}"
        older = ", over an older result" if self.replaces else ""
        return f"{self.signal.name} to {self.recipient} {where}{older}"


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a conversion ended: its exit code, its output, and whether the signal was sent.

    `left` are the paths that it did not clean up, `orphans` the children that outlived it.
    """

    code: int
    said: str
    sent: bool
    left: tuple[str, ...] = ()
    orphans: tuple[int, ...] = ()


class Place:
    """A folder in which to convert, with a temporary folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.temporary = folder, folder / "tmp"
        self.temporary.mkdir(parents=True)
        self.work = folder / "work"
        self.work.mkdir()

    def start(self) -> subprocess.Popen[str]:
        """Start a conversion of the sample in a new process group."""
        command = [str(TOOL), "convert", "--sample", "--toolchain", "light", "-o", OUT]
        return subprocess.Popen(
            command,
            cwd=self.work,
            env={**os.environ, "TMPDIR": str(self.temporary)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def digest(self) -> str | None:
        """Return a digest of the paths and bytes of the result; None if there is no result."""
        if not (self.work / OUT).exists():
            return None
        return digest_of(self.work / OUT)

    def leftovers(self) -> list[str]:
        """Return all paths that are neither the result nor the complete sample."""
        known = {self.work / OUT, self.work / "build", self.work / "build" / "sample"}
        found = [*self.work.iterdir(), *self.temporary.iterdir()]
        found += (self.work / "build").iterdir() if (self.work / "build").is_dir() else []
        return sorted(str(path.relative_to(self.folder)) for path in {*found} - known)


def digest_of(folder: Path) -> str:
    """Return a digest of the paths and bytes of all files below a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    pairs = [
        (str(path.relative_to(folder)), hashlib.sha256(path.read_bytes()).hexdigest())
        for path in files
    ]
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()


def observe(place: Place) -> list[float]:
    """Convert without signals; return the times of the start, each output line, and the end."""
    started = time.monotonic()
    process = place.start()
    assert process.stderr
    times = [time.monotonic() - started for _ in process.stderr]
    process.stderr.close()
    if process.wait():
        raise SystemExit("an undisturbed conversion failed")
    return [0.0, *times, time.monotonic() - started]


def draw_moments(times: Sequence[float], count: int, chance: random.Random) -> Iterator[Moment]:
    """Return random moments, equally many in each step, however short the step is."""
    steps = len(times) - 1
    lines = [number % steps for number in range(count)]
    chance.shuffle(lines)
    for line in lines:
        yield Moment(line=line, delay=chance.random() * (times[line + 1] - times[line]))


def strike(place: Place, what: Strike) -> End:
    """Convert, and send the signal at its moment; return how the conversion ended."""
    before = place.leftovers()  # of a run that could not clean up
    process = place.start()
    assert process.stderr
    reached, said = threading.Event(), []
    if not what.moment.line:
        reached.set()

    def read() -> None:
        assert process.stderr
        for number, line in enumerate(process.stderr, 1):
            said.append(line)
            if number == what.moment.line:
                reached.set()
        reached.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reached.wait(PATIENCE)
    time.sleep(what.moment.delay)
    children = children_of(process.pid)
    sent = send(what, process, children)
    try:
        code = process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise SystemExit(f"{what}: it hangs") from None
    reader.join(PATIENCE)
    process.stderr.close()
    orphans = surviving(children)
    left = tuple(name for name in place.leftovers() if name not in before)
    return End(code=code, said="".join(said), sent=sent, left=left, orphans=orphans)


def send(what: Strike, process: subprocess.Popen[str], children: Sequence[int]) -> bool:
    """Send the signal; return False if its recipient is not running."""
    if process.poll() is not None or (what.recipient == "child" and not children):
        return False
    try:
        match what.recipient:
            case "parent":
                os.kill(process.pid, what.signal)
            case "child":
                os.kill(children[0], what.signal)
            case _:
                os.killpg(process.pid, what.signal)
    except ProcessLookupError:
        return False
    return True


def children_of(pid: int) -> list[int]:
    """Return the running children of a process."""
    rows = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    split = (row.split() for row in rows)
    return [int(one) for one, parent, state in split if parent == str(pid) and state[0] != "Z"]


def surviving(children: Sequence[int]) -> tuple[int, ...]:
    """Return those children that still run a few seconds after their parent ended."""
    for _ in range(100):
        alive = tuple(pid for pid in children if is_running(pid))
        if not alive:
            return ()
        time.sleep(0.1)
    return alive


def is_running(pid: int) -> bool:
    """Return True if a process exists and is not a zombie."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return bool(state) and state[0] != "Z"


def judge(what: Strike, end: End, place: Place, wanted: str) -> list[str]:
    """Return what is wrong with how a conversion ended."""
    wrong, found = [], place.digest()
    expected = {0} | ({CODES[what.signal]} if what.recipient != "child" else {CHILD_DIED})
    if what.recipient == "group":
        expected |= {CHILD_DIED}  # its child may be the first to end
    if end.code not in (expected if end.sent else {0}):
        wrong.append(f"exit code {end.code}")
    if end.code == 0 and found != wanted:
        wrong.append("exit code 0 without the result")
    if found not in {wanted, None} or (found is None and what.replaces):
        wrong.append("the result is not whole" if found else "the older result is gone")
    if end.left and (what.signal not in DEATHS or what.recipient == "child"):
        wrong.append(f"left at its end: {', '.join(end.left)}")
    if "Traceback" in end.said or "this is a bug" in end.said:
        wrong.append("a traceback")
    if end.code not in {0, CHILD_DIED} and end.code > 0 and "nothing half-made" not in end.said:
        wrong.append("it does not say that nothing half-made was left")
    if end.orphans:
        wrong.append("its child lives on")
    return [f"{fault}; it said: {end.said[-300:]!r}" for fault in wrong]


def finish(place: Place, wanted: str) -> list[str]:
    """Convert again without signals; return what is wrong with that."""
    process = place.start()
    _, said = process.communicate()
    wrong = [f"the next run: exit code {process.returncode}"] if process.returncode else []
    wrong += ["the next run: other bytes"] if place.digest() != wanted else []
    wrong += [f"the next run leaves {left}" for left in place.leftovers()]
    return [f"{fault}; it said: {said[-300:]!r}" for fault in wrong]


def plan(moments: Sequence[Moment], chance: random.Random, *, every: bool) -> list[Strike]:
    """Return the signals to send, in their order."""
    pairs = [(number, who) for number in SIGNALS for who in RECIPIENTS]
    chance.shuffle(pairs)
    turn = cycle(pairs)
    return [
        Strike(moment=moment, signal=number, recipient=who, replaces=chance.random() < 1 / 2)
        for moment in moments
        for number, who in (pairs if every else [next(turn)])
    ]


def carry_out(what: Strike, place: Place, wanted: str, kept: Path) -> list[str]:
    """Send one signal to a conversion, which may have an older result; return what is wrong."""
    shutil.rmtree(place.work / OUT, ignore_errors=True)
    if what.replaces:
        shutil.copytree(kept, place.work / OUT)
    end = strike(place, what)
    found = judge(what, end, place, wanted)
    print(f"{'WRONG' if found else 'fine '} {what}: {end.code}", flush=True)
    return [f"{what}: {fault}" for fault in found]


def main(arguments: Sequence[str] | None = None) -> int:
    """Send signals at all moments; return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--moments", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--all", action="store_true", help="every signal to each, at each moment")
    args = parser.parse_args(arguments)
    for ignored in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):  # a shell's background ignores
        signal.signal(ignored, signal.default_int_handler)
    chance = random.Random(args.seed)  # noqa: S311  it is to be repeated, not to be secret
    with tempfile.TemporaryDirectory(prefix="sdcoreml-signals-") as folder:
        place, kept = Place(Path(folder)), Path(folder) / "kept"
        observe(place)  # makes the sample
        shutil.rmtree(place.work / OUT)
        times = observe(place)
        (place.work / OUT).rename(kept)
        wanted = digest_of(kept)
        wrong = []
        planned = plan(list(draw_moments(times, args.moments, chance)), chance, every=args.all)
        for count, what in enumerate(planned, 1):
            found = carry_out(what, place, wanted, kept)
            if count % BETWEEN == 0 or count == len(planned):
                found += [f"after signal {count}: {fault}" for fault in finish(place, wanted)]
            for line in found:
                print(line, flush=True)
            wrong += found
    print(f"{len(planned)} signals at {args.moments} moments: {len(wrong)} faults")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
