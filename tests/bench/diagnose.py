"""Measures what `diagnose` says of public failures: `python -m tests.bench.diagnose`.

The samples are logs with judged causes; what they were told at first sight, before anything was
mended with them, is written in their files:

- `tests/doctor/knowledge/logs/`: built.toml, which the families were made from; mended.toml,
  held.toml, last.toml, fresh.toml, later.toml, pairs.toml, halves.toml, parts.toml and tools.toml,
  which were collected afterwards, in this order;
- those of a folder outside the repository (its path is the first argument, if it is there), whose
  judged causes are in `logs/untried.toml`. The rule that splits them: in the order of their names,
  the first seven were seen before the split and belong to the half that was built on; of the
  others every second is held back.

Per sample: how many logs there are, of how many the first cause is the judged one, how many of
these are called a guess; how many are told another cause as if it were known, how many another
as a guess; how many are told nothing; how many have a decisive line.

Then what is said of each log without the entries that name its cause (see left_out.py), as if its
failure were of a new kind. Then logs that were damaged in 2,000 ways: none may end in a traceback,
or be called certain of a cause that the whole log does not have. And logs in which strangers take
the places of what they name (see strangers.py): of none may the same be said as surely as before.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.doctor.knowledge import Confidence, Role, entries
from sdcoreml.doctor.knowledge.diagnosis import Diagnosis, examine
from sdcoreml.ground.files import decode_leniently
from sdcoreml.lockfiles.table import read_table

FOLDER = Path(__file__).parents[1] / "doctor/knowledge/logs"
SEEN = 7
"""So many of the untried failures were seen before they were split."""

MUTATIONS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A log, where it comes from, and the ids that name its cause; none where nothing can."""

    source: str
    text: str
    causes: tuple[str, ...]


def read_judged(path: Path) -> tuple[Judged, ...]:
    """Read a file of judged logs."""
    return tuple(
        Judged(
            source=row.get("source", str), text=row.get("text", str), causes=row.strings("causes")
        )
        for row in read_table(path).tables("log")
    )


def read_untried(folder: Path) -> tuple[tuple[Judged, ...], tuple[Judged, ...]]:
    """Return the logs of a folder in two halves: built on, and held back."""
    judged = read_table(FOLDER / "untried.toml").table("causes")
    halves: tuple[list[Judged], list[Judged]] = ([], [])
    for number, path in enumerate(sorted(folder.glob("*.txt"))):
        is_held = number >= SEEN and number % 2 == 1
        text = path.read_text("utf-8")
        one = Judged(source=path.stem, text=text, causes=judged.strings(path.stem))
        halves[is_held].append(one)
    return tuple(halves[0]), tuple(halves[1])


def main(arguments: Sequence[str]) -> int:
    """Print the figures; return 1 if a damaged log is called certain of another cause."""
    print(f"{'':<24}" + "".join(f"{name:>8}" for name in COLUMNS))
    samples = {path.stem: read_judged(path) for path in sorted(FOLDER.glob("*.toml")) if _is(path)}
    if arguments and Path(arguments[0]).is_dir():
        samples["untried, built"], samples["untried, held back"] = read_untried(Path(arguments[0]))
    for name, logs in samples.items():
        tell(name, logs)
    known = [log for logs in samples.values() for log in logs]
    tell_left_out(known)
    begun = time.perf_counter()
    faults = list(find_faults(known, MUTATIONS, seed=1))
    print(f"{MUTATIONS} damaged logs: {len(faults)} faults, {time.perf_counter() - begun:.0f} s")
    for fault in faults:
        print(f"  {fault}")
    from tests.bench.strangers import find_confused  # it needs what is defined here

    confused = list(find_confused(known, len(known), seed=1))
    print(f"{len(known)} logs with strangers: {len(confused)} are told the same as surely")
    for fault in confused:
        print(f"  {fault}")
    huge = "INFO:__main__:step 12 of 1000 is done in 0.12 s\n" * 200_000 + known[0].text
    begun = time.process_time()
    examine(huge, entries())
    print(
        f"a log of {len(huge) / 1e6:.0f} MB: {time.process_time() - begun:.2f} s of the processor"
    )
    return int(bool(faults or confused))


COLUMNS = ("logs", "first", "guessed", "wrong", "guess", "nothing", "quoted")


def _is(path: Path) -> bool:
    return path.stem != "untried"


def tell(name: str, logs: Sequence[Judged]) -> None:
    """Print how many causes of a sample are named first, and which are not."""
    found = {log: examine(log.text, entries()) for log in logs}
    named = [log for log, one in found.items() if is_named(log, one)]
    guesses = [log for log, one in found.items() if is_guess(one)]
    counts = (
        len(logs),
        len(named),
        len({*named} & {*guesses}),
        sum(is_wrong(log, one) for log, one in found.items()),
        len({*guesses} - {*named}),
        sum(one.cause is None for one in found.values()),
        sum(one.decisive is not None for one in found.values()),
    )
    print(f"{name:<24}" + "".join(f"{count:>8}" for count in counts))
    for log in logs:
        if log not in named:
            cause = found[log].cause
            said = f"{cause.entry.id} ({cause.confidence.value})" if cause else "nothing"
            print(f"    {log.source}: {said}")


def tell_left_out(logs: Sequence[Judged]) -> None:
    """Print of how many another cause is said as surely, without what names theirs."""
    from tests.bench.left_out import find_akin, find_misled, is_akin  # as below

    akin = find_akin(logs)
    misled = list(find_misled(logs))
    strange = [(log, cause) for log, cause in misled if not is_akin(log, cause, akin)]
    judged = sum(bool(log.causes) for log in logs)
    print(f"{judged} logs without their entries: {len(misled)} are told another cause as surely,")
    print(f"  {len(strange)} of them one that no judge took for the same:")
    for log, cause in strange:
        print(f"    {log.source}: {cause.entry.id} ({cause.confidence.value})")


def is_named(log: Judged, found: Diagnosis) -> bool:
    """Return whether the first cause is the judged one."""
    return found.cause is not None and found.cause.entry.id in log.causes


def is_guess(found: Diagnosis) -> bool:
    """Return whether the first cause is called a guess."""
    return found.cause is not None and found.cause.confidence is Confidence.GUESS


def is_wrong(log: Judged, found: Diagnosis) -> bool:
    """Return whether another cause is named, and not as a guess."""
    cause = found.cause
    return bool(cause and not is_named(log, found) and cause.confidence is not Confidence.GUESS)


def certain(found: Diagnosis) -> set[str]:
    """Return the causes that are called certain."""
    return {
        match.entry.id
        for match in found.matches
        if match.role is Role.CAUSE and match.confidence is Confidence.CERTAIN
    }


def find_faults(logs: Sequence[Judged], count: int, *, seed: int) -> Iterator[str]:
    """Damage logs at random; yield those that fail or are certain of a cause of no whole log."""
    chance = random.Random(seed)  # noqa: S311 -- it only has to repeat
    told = {log: _tellable(log) for log in logs}
    for _ in range(count):
        log, other = chance.choice(logs), chance.choice(logs)
        mutate = chance.choice(MUTATORS)
        damaged = mutate(log.text, other.text, chance)
        try:
            more = certain(examine(damaged, entries())) - told[log] - told[other]
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is what is looked for
            yield f"{mutate.__name__} {log.source}: {error!r}"
        else:
            if more:
                yield f"{mutate.__name__} {log.source} with {other.source}: {sorted(more)}"


def _tellable(log: Judged) -> set[str]:
    """Return what may be said of a log or of parts of it."""
    return {match.entry.id for match in examine(log.text, entries()).matches} | set(log.causes)


def cut(text: str, other: str, chance: random.Random) -> str:
    """Keep a part of a log, from the middle of a line to the middle of another."""
    del other
    start, end = sorted((chance.randrange(len(text) + 1), chance.randrange(len(text) + 1)))
    return text[start:end]


def cut_lines(text: str, other: str, chance: random.Random) -> str:
    """Leave out lines."""
    del other
    return "\n".join(line for line in text.split("\n") if chance.random() < 0.7)


def wrap_lines(text: str, other: str, chance: random.Random) -> str:
    """Break lines at a width, as a terminal does."""
    del other
    width = chance.choice((60, 72, 80, 100))
    return "\n".join(
        line[start : start + width]
        for line in text.split("\n")
        for start in range(0, max(1, len(line)), width)
    )


def interleave(text: str, other: str, chance: random.Random) -> str:
    """Mix the lines of two logs, each in its order."""
    mixed: list[str] = []
    queues = [text.split("\n"), other.split("\n")]
    while any(queues):
        queue = chance.choice([one for one in queues if one])
        mixed.append(queue.pop(0))
    return "\n".join(mixed)


def recode(text: str, other: str, chance: random.Random) -> str:
    """Write in one encoding, and read as a log is."""
    del other
    name = chance.choice(("utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252", "utf-8-sig"))
    return decode_leniently(text.encode(name, "replace"))


def prefix(text: str, other: str, chance: random.Random) -> str:
    """Put before each line what services put there, or colours around it."""
    del other
    form = chance.choice(
        (
            "web-1  | {}",
            "2024-11-03T10:11:12.1Z {}",
            "\x1b[31m{}\x1b[0m",
            "> {}",
            "\u2502 {} \u2502",
        )
    )
    return "\n".join(form.format(line) for line in text.split("\n"))


def quote_curly(text: str, other: str, chance: random.Random) -> str:
    """Write the quotes as word processors do."""
    del other
    left, right = chance.choice((("\u2018", "\u2019"), ("\u201c", "\u201d"), ("&#39;", "&#39;")))
    parts = text.split("'")
    return "".join(
        part + (left if number % 2 == 0 else right) * (number < len(parts) - 1)
        for number, part in enumerate(parts)
    )


def repeat_progress(text: str, other: str, chance: random.Random) -> str:
    """Put lines of progress between the lines, ended as terminals do."""
    del other
    bars = [f"{percent:>3}%|###       | {percent}/100 [00:01<00:09]\r" for percent in range(5)]
    return "\n".join(
        "".join(bars) + line if chance.random() < 0.3 else line for line in text.split("\n")
    )


MUTATORS = (
    cut,
    cut_lines,
    wrap_lines,
    interleave,
    recode,
    prefix,
    quote_curly,
    repeat_progress,
)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
