"""Gives mutated inputs to every command that reads files, and prints the faults.

    python -m tests.fuzz --seed 1 --count 10000 [--minutes 60] [--reader inspect] [--jobs 2]
    python -m tests.fuzz --seed 1 --reader inspect --only 123

An input depends only on the seed, the reader and its number, and `--only` repeats it. Inputs that
caused a fault are kept in a folder, whose path is printed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.campaign import Campaign, run_campaign, table
from tests.fuzz.readers import READERS


def say(text: str) -> None:
    """Print a line and flush stdout."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Run a campaign; return 1 if there are faults."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [reader.name for reader in READERS]
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000, help="inputs over all readers")
    parser.add_argument("--minutes", type=float, help="end after so long")
    parser.add_argument("--reader", choices=names, action="append", help="only this; repeatable")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="repeat one input of --reader")
    parser.add_argument("--jobs", type=int, default=1, help="so many at once")
    parser.add_argument("--finished", type=Path, help="a finished folder; default: made here")
    parser.add_argument("--quick", action="store_true", help="make none, leave its readers out")
    parser.add_argument("--keep", type=Path, help="where failed inputs stay")
    args = parser.parse_args(argv)
    if args.only is not None and not args.reader:
        parser.error("--only needs --reader")
    keep = args.keep or Path(tempfile.mkdtemp(prefix="fuzz-"))
    keep.mkdir(parents=True, exist_ok=True)
    campaign = Campaign(
        seed=args.seed,
        count=args.count,
        minutes=args.minutes,
        readers=tuple(r for r in READERS if not args.reader or r.name in args.reader),
        only=args.only,
        jobs=args.jobs,
        finished=args.finished and args.finished.resolve(),
        quick=args.quick,
        keep=keep.resolve(),
    )
    results = run_campaign(campaign, say)
    say(table(results))
    return int(any(result.faults for result in results))


if __name__ == "__main__":
    sys.exit(main())
