"""Kills runs of a job of six models at random moments, and compares what the next run ends with.

    python -m tests.kills --moments 40 --seed 1 [--stand-in]

With `--stand-in`, what writes programs is a stand-in without children, which takes seconds instead
of minutes; the job, its results and the cache are real.

At a random moment, SIGKILL hits the parent, which also writes results and the cache, or one of its
children; or it hits the parent while that keeps files in the cache. A run that had ended before
does not count. After every few of them a run is left alone. It must end with the same bytes as a
run that nobody disturbed, and neither beside the results, nor in the cache, nor in the temporary
folder may anything be left.
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
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from sdcoreml.doctor.proving.miniature import write_miniature
from sdcoreml.ground.digest import FileRecord, describe, named_below
from sdcoreml.ground.leftovers import TOKEN
from tests.doctor.commands.test_inspect import unpacked

TOOL = Path(__file__).resolve().parents[1] / ".venv" / "bin" / "sdcoreml"
STAND_IN = (sys.executable, "-m", "tests.six_models")
MANY = 40
"""From so many moments on, each aim must have been hit."""

BETWEEN = 4
"""How many runs are killed before one is left alone."""

AIMS = ("parent", "child", "writer")
"""Who is killed: the parent, a child, or the parent while it keeps files in the cache."""

_TRIES = 4
"""How many runs may be started for each that is killed."""

_GRACE = 30.0
"""The most seconds that children may outlive a parent that was killed."""

_LOOK = 0.02
"""Seconds between two looks at a run that has said nothing yet."""

_BLINK = 0.001
"""Seconds between two looks for a run that keeps files."""

SIX = ("", "bits = 8", "bits = 6", "bits = 4", "clip-skip = 2", 'attention = "original"')
"""The options of the six models, which have some programs in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A folder with a model, a job file of six models, a cache and a temporary folder.

    `command` runs a job file, which is its last argument. With `is_plain`, the model suits a
    stand-in.
    """

    folder: Path
    command: tuple[str, ...]
    is_plain: bool = False

    def set_up(self) -> None:
        """Make it anew: nothing is there yet but the model and the job file."""
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "tmp").mkdir(parents=True)
        if self.is_plain:
            unpacked(self.folder)
        else:
            write_miniature(self.folder / "model")
        table = '[[models]]\nmodel = "model"\nname = "m{}"\nsize = "64x64"\n{}\n'
        text = "".join(table.format(number, options) for number, options in enumerate(SIX))
        (self.folder / "jobs.toml").write_text(text)

    def start(self) -> subprocess.Popen[bytes]:
        """Start a run of the job in a session of its own."""
        more = {"TMPDIR": f"{self.folder / 'tmp'}", "SDCOREML_CACHE": f"{self.folder / 'cache'}"}
        with (self.folder / "log").open("wb") as log:
            return subprocess.Popen(
                [*self.command, self.folder / "jobs.toml"],
                env={**os.environ, **more},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def finish(self) -> str:
        """Run the job to its end; return what went wrong."""
        return self.log() if self.start().wait() else ""

    def log(self) -> str:
        """Return the end of the last run's output."""
        return (self.folder / "log").read_text(errors="replace")[-2000:]

    def files(self) -> Mapping[str, FileRecord]:
        """Return the records of all results."""
        return describe(named_below(self.folder / "models"))

    def is_keeping(self) -> bool:
        """Whether a run is keeping files in the cache."""
        return any((self.folder / "cache" / "files").glob(".*.part"))

    def leftovers(self) -> list[str]:
        """Return what no finished run leaves."""
        hidden = [path for path in self.folder.rglob(".*") if TOKEN in path.name]
        temporary = [path for path in (self.folder / "tmp").rglob("*") if not _is_empty(path)]
        found = {*hidden, *temporary}
        return sorted(path.relative_to(self.folder).as_posix() for path in found)


def _is_empty(path: Path) -> bool:
    """Whether a path is a folder without anything in it: that of promises stays."""
    return path.is_dir() and not any(path.iterdir())


def kill(bench: Bench, chance: random.Random, seconds: float) -> str:
    """Start a run and kill one of its processes within `seconds`; return which one."""
    process, aim = bench.start(), chance.choice(AIMS)
    while not bench.log() and process.poll() is None:
        time.sleep(_LOOK)  # what it imports is no part of the job
    begun, later = time.monotonic(), chance.uniform(0, seconds)
    moment = begun + (2 * seconds if aim == "writer" else later)
    while process.poll() is None and time.monotonic() < moment:
        if aim == "writer" and time.monotonic() > begun + later / 2 and bench.is_keeping():
            time.sleep(chance.uniform(0, 3 * _BLINK))
            break
        time.sleep(_BLINK if aim == "writer" else _LOOK)
    children: list[psutil.Process] = []
    with suppress(psutil.Error):
        children = psutil.Process(process.pid).children(recursive=True)
    hits_child = aim == "child" and bool(children)
    if hits_child:
        with suppress(psutil.Error):
            chance.choice(children).send_signal(signal.SIGKILL)
    else:
        process.kill()
    code = process.wait()
    if psutil.wait_procs(children, timeout=_GRACE)[1]:
        return "outlived"
    if hits_child:
        return "child"
    if code != -signal.SIGKILL:
        return "nobody"
    return "writer" if bench.is_keeping() else "parent"


def kill_one(bench: Bench, chance: random.Random, seconds: float) -> str:
    """Kill a run; where one had ended before, begin anew, for what is found makes runs short."""
    for _ in range(_TRIES):
        if (hit := kill(bench, chance, seconds)) != "nobody":
            break
        bench.set_up()
    return hit


def run(bench: Bench, undisturbed: Bench, moments: int, seed: int) -> list[str]:
    """Kill so many runs; return what did not hold, a line each."""
    undisturbed.set_up()
    process = undisturbed.start()
    while not undisturbed.log() and process.poll() is None:
        time.sleep(_LOOK)
    begun = time.monotonic()
    if process.wait():
        return [f"undisturbed: {undisturbed.log()}"]
    seconds, wanted = time.monotonic() - begun, undisturbed.files()
    if not wanted:
        return ["undisturbed: no results"]
    chance, hits = random.Random(seed), Counter[str]()  # noqa: S311  no secret
    faults: list[str] = []
    for number in range(moments):
        if number % BETWEEN == 0:
            bench.set_up()
        hits[kill_one(bench, chance, seconds / 2)] += 1  # what was kept makes later ones shorter
        if number % BETWEEN == BETWEEN - 1 or number == moments - 1:
            faults += [f"after {number + 1}: {fault}" for fault in judge(bench, wanted)]
            print(f"{number + 1} killed, {len(faults)} faults", flush=True)
    print(", ".join(f"{who} {count}" for who, count in sorted(hits.items())))
    if hits["outlived"]:
        faults.append(f"{hits['outlived']} times children outlived their parent")
    faults += missed(hits, bench, moments)
    return faults


def missed(hits: Mapping[str, int], bench: Bench, moments: int) -> list[str]:
    """Return what nobody hit: of a few moments, none may be any aim's, but of `MANY`, some are."""
    if not any(hits.get(aim) for aim in AIMS):
        return ["every run had ended before it was killed"]
    aims = [aim for aim in AIMS if aim != "child" or not bench.is_plain]
    return [
        f"no {aim} was hit in {moments} moments"
        for aim in aims
        if moments >= MANY and not hits.get(aim)
    ]


def judge(bench: Bench, wanted: Mapping[str, FileRecord]) -> list[str]:
    """Run the job to its end; return what is not as without any kills."""
    faults = [f"failed: {failed}"] if (failed := bench.finish()) else []
    found = bench.files()
    names = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
    if names:
        faults.append(f"other bytes: {', '.join(names[:3])}")
    if left := bench.leftovers():
        faults.append(f"left: {', '.join(left[:3])}")
    return faults


def main(words: Sequence[str] | None = None) -> int:
    """Kill runs in a temporary folder; return 1 if anything did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--moments", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--toolchain", default="light")
    parser.add_argument("--stand-in", action="store_true")
    args = parser.parse_args(words)
    command = STAND_IN if args.stand_in else (f"{TOOL}", "jobs", "--toolchain", args.toolchain)
    with tempfile.TemporaryDirectory() as folder:
        one, other = (
            Bench(folder=Path(folder) / name, command=command, is_plain=args.stand_in)
            for name in ("killed", "undisturbed")
        )
        faults = run(one, other, args.moments, args.seed)
    print("\n".join(faults) or f"all {args.moments} ended in the same bytes, with nothing left")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
