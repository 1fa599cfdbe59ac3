"""Runs the fuzz harness: schedules the inputs, runs them and reports faults."""

from __future__ import annotations

import codecs
import gc
import importlib
import itertools
import json
import multiprocessing
import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from pathlib import Path

from sdcoreml.doctor.cli import main as command
from sdcoreml.envs.kept import store
from sdcoreml.ground.places import ROOT
from tests.fuzz.inputs import ready, with_finished, write_input
from tests.fuzz.judge import Kind, faults
from tests.fuzz.observe import Grounds, Observation, imports_of, observe
from tests.fuzz.reader import Attempt, Reader
from tests.fuzz.readers import READERS
from tests.fuzz.spoil import spoil
from tests.fuzz.tree import walk

_NOBODY = 12345
_CODECS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp437", "latin-1", "idna", "utf-8-sig")
_PROGRESS = 15.0
"""The time in seconds between two lines of progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """The options of a run.

    `keep` is the folder for inputs that caused a fault. `finished` is a finished folder for the
    readers that need one. Without it, one is made; with `quick`, those readers are left out
    instead.
    """

    seed: int
    count: int
    readers: tuple[Reader, ...] = READERS
    minutes: float | None = None
    only: int | None = None
    jobs: int = 1
    finished: Path | None = None
    quick: bool = False
    keep: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result for one input: the reader's name, the input's number, and the faults."""

    reader: str
    number: int
    words: tuple[str, ...]
    mutation: str
    code: int
    seconds: float
    memory: int
    faults: tuple[tuple[Kind, str], ...]


def schedule(readers: Sequence[Reader], count: int) -> Iterator[tuple[Reader, int]]:
    """Yield readers in proportion to their shares, each with the number of its next input."""
    shares = [reader for reader in readers for _ in range(reader.share)]
    order = random.Random("the order of readers").sample(shares, len(shares))  # noqa: S311
    numbers: Counter[str] = Counter()
    for reader in itertools.islice(itertools.cycle(order), count):
        yield reader, numbers[reader.name]
        numbers[reader.name] += 1


def run_campaign(campaign: Campaign, say: Callable[[str], None]) -> list[Result]:
    """Run a campaign and say each fault when it is found; return the results."""
    with tempfile.TemporaryDirectory(prefix="inputs-", dir=campaign.keep) as place:
        for above in (campaign.keep, Path(place)):
            above.chmod(0o755)  # or an ordinary user could open nothing below it
        inputs = write_inputs(campaign, Path(place), say)
        readers = [
            reader
            for reader in campaign.readers
            if any(attempt.input in inputs for attempt in reader.attempts)
        ]
        warm(readers, inputs, Path(place))
        if campaign.only is not None:
            wanted = [(readers[0], campaign.only)]
        else:
            wanted = list(schedule(readers, campaign.count))
        results = []
        began = said = time.monotonic()
        for result in _all(campaign, wanted, inputs, Path(place)):
            results.append(result)
            for kind, words in result.faults:
                say(_told(campaign, result, kind, words))
            if time.monotonic() - said > _PROGRESS:
                said = time.monotonic()
                count = sum(bool(one.faults) for one in results)
                say(f"{len(results)} of {len(wanted)} inputs, {count} faulty, {said - began:.0f} s")
        return results


def write_inputs(campaign: Campaign, place: Path, say: Callable[[str], None]) -> dict[str, Path]:
    """Write the inputs that the readers need; return their folders by name.

    Inputs that contain a finished folder are written only if there is one.
    """
    builds = dict(ready())
    needed = {attempt.input for reader in campaign.readers for attempt in reader.attempts}
    if needed - builds.keys():
        source = campaign.finished or (None if campaign.quick else _convert(place, say))
        builds |= with_finished(source) if source else {}
    return {
        name: write_input(builds[name], place / name) for name in sorted(needed & builds.keys())
    }


def _convert(place: Path, say: Callable[[str], None]) -> Path | None:
    """Convert the tiny model in the tested environment; return None if that fails."""
    if store.current() is None:
        say("no environment is built: the readers of finished folders are left out")
        return None
    say("converting a tiny model once, for the readers of finished folders")
    model, folder = write_input(ready()["sd1"], place / "source") / "work" / "model", place / "made"
    words = ("convert", str(model), "-o", str(folder), "--size", "128x128")
    done = subprocess.run(
        (sys.executable, "-m", "sdcoreml", *words),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        say(f"that failed, and their readers are left out: {done.stderr.strip()[-300:]}")
    return None if done.returncode else folder


def warm(readers: Iterable[Reader], inputs: dict[str, Path], place: Path) -> None:
    """Import what the commands import, so that the forks need not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for reader in readers:
            for verb in {attempt.words[:2]: attempt for attempt in reader.attempts}.values():
                if verb.input in inputs:
                    with copy_input(inputs[verb.input], place) as root:
                        grounds = Grounds(root=root, patch=reader.patch)
                        names = imports_of(command, verb.words, grounds, place)
                    for name in sorted(names - sys.modules.keys()):
                        with suppress(ImportError, AttributeError):
                            importlib.import_module(name)
    for name in _CODECS:  # another user may not be able to read this Python's library
        codecs.lookup(name)
    gc.collect()
    gc.freeze()


@contextmanager
def copy_input(source: Path, place: Path) -> Iterator[Path]:
    """Copy an input to a new folder for the block; then remove it, unless it was moved away."""
    root = Path(tempfile.mkdtemp(prefix="case-", dir=place))
    root.chmod(0o755)
    try:
        for item in source.iterdir():
            shutil.copytree(item, root / item.name, symlinks=True)
        yield root
    finally:
        remove(root)


def remove(root: Path) -> None:
    """Remove a folder that may contain unreadable folders, or thousands in each other."""
    for _ in range(2):
        with suppress(RecursionError):
            shutil.rmtree(root, ignore_errors=True)
        if not root.exists():
            return
        subprocess.run(("rm", "-rf", "--", str(root)), stderr=subprocess.DEVNULL, check=False)
        if not root.exists():
            return
        for folder, names, _files in os.walk(root):
            for name in names:
                with suppress(OSError):
                    Path(folder, name).chmod(0o700)


def _all(
    campaign: Campaign, wanted: Sequence[tuple[Reader, int]], inputs: dict[str, Path], place: Path
) -> Iterator[Result]:
    """Yield the results of all inputs until the time is over, from the requested processes."""
    end = time.monotonic() + campaign.minutes * 60 if campaign.minutes else float("inf")
    if campaign.jobs == 1:
        for reader, number in wanted:
            if time.monotonic() > end:
                return
            yield attempt(campaign, reader, number, inputs, place)
    else:
        parts = [wanted[part :: campaign.jobs] for part in range(campaign.jobs)]
        yield from _at_once(campaign, parts, inputs, place, end)


def _at_once(
    campaign: Campaign,
    parts: Sequence[Sequence[tuple[Reader, int]]],
    inputs: dict[str, Path],
    place: Path,
    end: float,
) -> Iterator[Result]:
    """Run one process for each of `parts`, all at the same time; yield their results."""
    context = multiprocessing.get_context("fork")
    queue: SimpleQueue[Result | None] = context.SimpleQueue()

    def work(part: Sequence[tuple[Reader, int]]) -> None:
        spool = Path(tempfile.mkdtemp(dir=place))
        spool.chmod(0o755)
        try:
            for reader, number in part:
                if time.monotonic() > end:
                    break
                queue.put(attempt(campaign, reader, number, inputs, spool))
        finally:
            queue.put(None)

    processes = [context.Process(target=work, args=(part,)) for part in parts]
    for process in processes:
        process.start()
    running = len(processes)
    while running:
        result = queue.get()
        if result is None:
            running -= 1
        else:
            yield result
    for process in processes:
        process.join()


def attempt(
    campaign: Campaign, reader: Reader, number: int, inputs: dict[str, Path], place: Path
) -> Result:
    """Make the input with this number, run its command, and judge the result."""
    source = random.Random(f"{campaign.seed} {reader.name} {number}")  # noqa: S311
    chosen = source.choice([one for one in reader.attempts if one.input in inputs])
    with copy_input(inputs[chosen.input], place) as root:
        mutation, closed = spoil(root, chosen.aims, source, chosen.by)
        gives = (closed or chosen.ordinary) and os.getuid() == 0
        user = _hand_over(root) if gives else None
        seen = observe(
            command, chosen.words, Grounds(root=root, user=user, patch=reader.patch), place
        )
        found = tuple(faults(seen, reader.made))
        result = Result(
            reader=reader.name,
            number=number,
            words=chosen.words,
            mutation=mutation,
            code=seen.code,
            seconds=seen.seconds,
            memory=seen.memory,
            faults=found,
        )
        if found or campaign.only is not None:
            _keep(campaign, result, seen, chosen, root)
        return result


def _hand_over(root: Path) -> int:
    """Give the folder to an ordinary user, as whom the command runs: root could open everything."""
    os.chown(root, _NOBODY, _NOBODY)
    for _, folder, name, _ in walk(root):
        os.chown(name, _NOBODY, _NOBODY, dir_fd=folder, follow_symlinks=False)
    return _NOBODY


def _keep(
    campaign: Campaign, result: Result, seen: Observation, chosen: Attempt, root: Path
) -> None:
    """Keep an input that caused a fault, with the command's output."""
    target = campaign.keep / f"{campaign.seed}-{result.reader}-{result.number}"
    remove(target)
    root.rename(target)
    said = {
        "seed": campaign.seed,
        "input": chosen.input,
        "words": chosen.words,
        "mutation": result.mutation,
        "code": seen.code,
        "seconds": seen.seconds,
        "memory": seen.memory,
        "faults": [f"{kind.value}: {words}" for kind, words in result.faults],
        "left": seen.left,
        "changed": seen.changed,
    }
    (target / "said.json").write_text(json.dumps(said, indent=1))
    for name, text in (("out", seen.out), ("err", seen.err), ("log", seen.log)):
        (target / f"said.{name}").write_text(text, "utf-8")


def _told(campaign: Campaign, result: Result, kind: Kind, words: str) -> str:
    """Describe a fault: what it is, where its input is kept, and how to repeat it."""
    again = f"python -m tests.fuzz --seed {campaign.seed} --reader {result.reader}"
    return (
        f"FAULT {kind.value}: {words}\n"
        f"    {result.mutation} | sdcoreml {shlex.join(result.words)} | {result.code}\n"
        f"    {campaign.keep}/{campaign.seed}-{result.reader}-{result.number} |"
        f" {again} --only {result.number}"
    )


def table(results: Sequence[Result]) -> str:
    """Return a table of the inputs and faults of each reader, with a line of totals."""
    kinds = list(Kind)
    head = f"{'reader':<16}{'inputs':>8}{'refused':>9}" + "".join(f"{k.value:>11}" for k in kinds)
    lines = [head + f"{'max s':>8}{'max MB':>8}"]
    for name in (*dict.fromkeys(result.reader for result in results), "all"):
        own = [result for result in results if name in {result.reader, "all"}]
        counts = Counter(kind for result in own for kind in {kind for kind, _ in result.faults})
        refused = sum(result.code != 0 for result in own)
        lines.append(
            f"{name:<16}{len(own):>8}{refused:>9}"
            + "".join(f"{counts[kind]:>11}" for kind in kinds)
            + f"{max((r.seconds for r in own), default=0):>8.1f}"
            + f"{max((r.memory for r in own), default=0) >> 20:>8}"
        )
    return "\n".join(lines)
