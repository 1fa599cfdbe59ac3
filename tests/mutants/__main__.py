"""Draws one-line mutants over all floors, and runs the tests that could notice each.

    python -m tests.mutants --seed 1 --count 60

Every mutant is applied in a copy of the checkout, never in the checkout itself. A failing test
counts if it passes without the mutant. A mutant that survives is missing a test, or changes code
that nothing needs, or cannot be noticed at all: which, somebody has to say. One whose tests did not
come to their end is out of time, and not killed either.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sdcoreml.ground.places import ROOT
from sdcoreml.ground.signals import end_on_signals
from tests.mutants.draw import choose, draw, read_modules, sentences_of
from tests.mutants.grounds import copy_checkout
from tests.mutants.mutant import Mutant
from tests.mutants.noticing import read_imports, rounds_of
from tests.mutants.pythons import Pythons
from tests.mutants.trial import Laboratory, Verdict, remove


def say(text: str) -> None:
    """Print a line and flush stdout."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def describe(number: int, verdict: Verdict) -> str:
    """Return the line on one mutant."""
    mutant = verdict.mutant
    fate = f"killed by {verdict.killer}" if verdict.killer else "SURVIVED"
    if verdict.is_out_of_time:
        fate = "OUT OF TIME"
    return (
        f"{number:3} {mutant.path}:{mutant.line} ({mutant.kind}): {fate}, {verdict.seconds:.0f} s"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Try the mutants of a seed; return 1 if any survived."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=60, help="mutants to draw")
    parser.add_argument("--only", type=int, nargs="+", metavar="NUMBER", help="try these alone")
    parser.add_argument(
        "--within", nargs="+", default=[""], metavar="PATH", help="draw from these folders or files"
    )
    parser.add_argument(
        "--limit",
        type=float,
        default=60,
        help="CPU seconds for each round of tests; those that were cut off go on at the end",
    )
    parser.add_argument("--list", action="store_true", help="show the mutants and try none")
    args = parser.parse_args(argv)
    end_on_signals()
    modules = choose(read_modules(ROOT), args.within)
    drawn = draw(modules, args.seed, args.count, sentences_of(ROOT))
    numbered = [pair for pair in enumerate(drawn, 1) if not args.only or pair[0] in args.only]
    if args.list:
        for number, mutant in numbered:
            say(f"{number:3} {mutant.path}:{mutant.line} ({mutant.kind})")
            say(mutant.diff(modules[mutant.path]))
        return 0
    place = Path(tempfile.mkdtemp(prefix="mutants-"))
    pythons = Pythons(place / "checkout")
    try:
        copy_checkout(place / "checkout")
        laboratory = Laboratory(root=place / "checkout", runner=pythons, limit=args.limit)
        say(f"seed {args.seed}: {len(numbered)} mutants of {len(modules)} modules")
        verdicts = try_all(numbered, laboratory, modules)
    finally:
        pythons.close()
        remove(place)
    for line in summary(verdicts, laboratory.broken, args.seed):
        say(line)
    return int(not all(verdict.killer for verdict in verdicts))


def try_all(
    numbered: Sequence[tuple[int, Mutant]], laboratory: Laboratory, modules: Mapping[str, bytes]
) -> list[Verdict]:
    """Try mutants, and again those that only a test killed which fails without them, too."""
    imports = read_imports(ROOT)
    verdicts: dict[int, Verdict] = {}
    left = list(numbered)
    while left:
        for number, mutant in left:
            verdicts[number] = laboratory.try_mutant(mutant, rounds_of(mutant.path, imports))
            say(describe(number, verdicts[number]))
            if not verdicts[number].killer:
                say(mutant.diff(modules[mutant.path]))
        broken = laboratory.find_broken(verdicts[number].killer for number, _ in left)
        left = [(number, mutant) for number, mutant in left if verdicts[number].killer in broken]
    return list(verdicts.values())


def summary(verdicts: Sequence[Verdict], broken: set[str], seed: int) -> Iterator[str]:
    """Yield the last lines: what did not count, and how many were killed of all."""
    killed = sum(bool(verdict.killer) for verdict in verdicts)
    late = sum(verdict.is_out_of_time for verdict in verdicts)
    survived = len(verdicts) - killed - late
    for test in sorted(broken):
        yield f"not counted, since it fails in a copy without a mutant: {test}"
    rate = f"{killed / len(verdicts):.1%}" if verdicts else "none drawn"
    yield f"seed {seed}: {killed} killed, {survived} survived, {late} out of time: {rate}"


if __name__ == "__main__":
    sys.exit(main())
