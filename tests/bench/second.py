"""Measures what a second image size of SD 1.5 costs, beside the first.

    python -m tests.bench.second [--model FOLDER] [--toolchain light] [--folder DIR]

The model has full size and random weights; with `--model`, it is one that is there. A row is the
CPU time of a whole process tree, in percent of that of the first size. The second size is made in
another conversion, which finds what the first one left, or in the same one.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench.models import FORMS
from tests.bench.tree import measure

TOOL = Path(__file__).resolve().parents[2] / ".venv" / "bin" / "sdcoreml"
LIMIT = 10.0
"""The most percent of the first size's CPU time that a second may take."""

FIRST, SECOND = "512x512", "512x768"
BITS: Mapping[str, tuple[str, ...]] = {"16 bits": (), "6 bits": ("--bits", "6")}


def main(arguments: Sequence[str]) -> int:
    """Print the rows; return 1 if one is over `LIMIT`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--toolchain", default="light")
    parser.add_argument("--folder", type=Path, help="where gigabytes are written for a while")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name).resolve()
        model: Path = (args.model or folder / "model").absolute()
        if args.model is None:
            FORMS["folder"](model, "sd1")
        rows = [
            row
            for title, bits in BITS.items()
            for row in _rows(title, (model, "--toolchain", args.toolchain, *bits), folder / title)
        ]
    return int(any(percent > LIMIT for percent in rows))


def _rows(title: str, common: Sequence[str | Path], folder: Path) -> list[float]:
    """Print the rows of models with so many bits; return their percentages."""
    folder.mkdir()
    first = _convert(folder, "cache", common, FIRST)
    second = _convert(folder, "cache", common, SECOND)
    both = _convert(folder, "other", common, FIRST, SECOND)
    found = {
        "in another conversion": second,
        "in the same conversion": both - first,
    }
    print(f"{title}, the first size: {first:.1f} s of CPU")
    for name, seconds in found.items():
        percent = 100 * seconds / first
        verdict = "met" if percent <= LIMIT else "MISSED"
        print(
            f"  a second {name}: {seconds:.1f} s, {percent:.0f} % (limit {LIMIT:.0f} %: {verdict})",
            flush=True,
        )
    return [100 * seconds / first for seconds in found.values()]


def _convert(folder: Path, cache: str, common: Sequence[str | Path], *sizes: str) -> float:
    """Convert with a cache of this name; return the CPU seconds of all processes."""
    os.environ["SDCOREML_CACHE"] = f"{folder / cache}"
    into = folder / f"in-{cache}"
    into.mkdir(exist_ok=True)
    os.chdir(into)  # results are written below it
    wanted = [word for size in sizes for word in ("--size", size)]
    command = [TOOL, "convert", *common, *wanted]
    return measure(command, folder / "log").cpu


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
