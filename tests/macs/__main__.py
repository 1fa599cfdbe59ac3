"""`python -m tests.macs FOLDER`: every family, attention and width of weights, loaded on a Mac.

Each tiny model is converted into FOLDER, and on a Mac loaded through Core ML, on the CPU alone and
on all units; what was measured is written to FOLDER/share. One failing stops none: the exit code is
1 if any failed. Elsewhere the folders are verified without Core ML.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.doctor.proving.families import FAMILIES, write_controlnet

ATTENTIONS = ("original", "split-einsum", "split-einsum-v2")
WIDTHS: Sequence[Sequence[str]] = ((), ("--bits", "6"))
UNITS = ("cpu", "all")
SIZE = "128x128"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A folder to make: its name, and the arguments of `sdcoreml convert`."""

    name: str
    words: tuple[str, ...]


def cases(place: Path, families: Sequence[str]) -> Iterator[Case]:
    """Yield every case; the ControlNet comes after the folder that it is for."""
    for family in families:
        for attention in ATTENTIONS:
            for width in WIDTHS:
                name = "-".join((family, attention, *width[1:]))
                more = ("--controlled",) if family == "sd1" else ()
                form = ("--attention", attention, "--size", SIZE, *width, *more)
                yield Case(name=name, words=(str(place / "models" / family), *form))
                if family == "sd1":
                    net = (str(place / "models" / "net"), "--for", str(place / name), *width)
                    yield Case(name=f"net-{name}", words=net)


def write_models(place: Path, families: Sequence[str]) -> None:
    """Write the models that are not there yet."""
    writers = {name: FAMILIES[name] for name in families}
    if "sd1" in families:
        writers["net"] = write_controlnet
    for name, write in writers.items():
        folder = place / "models" / name
        if not folder.exists():
            write(folder)


def steps(case: Case, place: Path, system: str) -> Iterator[tuple[str, ...]]:
    """Yield the commands of a case on a system, as `platform.system` calls it."""
    folder = str(place / case.name)
    yield ("convert", *case.words, "--output", folder)
    if system != "Darwin":
        yield ("verify", folder)
        return
    for units in UNITS:
        file = str(place / "share" / f"{case.name}-{units}.json")
        yield ("verify", folder, "--with", "coreml", "--units", units, "--share", file)


def main(words: Sequence[str]) -> int:
    """Run all cases and print a line for each failure."""
    parser = argparse.ArgumentParser(prog="python -m tests.macs", description=__doc__)
    parser.add_argument("place", type=Path, metavar="FOLDER")
    parser.add_argument("--family", action="append", choices=FAMILIES)
    asked = parser.parse_args(words)
    families = asked.family or list(FAMILIES)
    (asked.place / "share").mkdir(parents=True, exist_ok=True)
    write_models(asked.place, families)
    failed = []
    for case in cases(asked.place, families):
        for step in steps(case, asked.place, platform.system()):
            print(f"== {case.name}: sdcoreml {' '.join(step)}", flush=True)
            code = subprocess.run([sys.executable, "-m", "sdcoreml", *step], check=False).returncode
            if code:
                failed.append(f"{case.name}: `{step[0]}` ended with exit code {code}")
                if step[0] == "convert":
                    break
    print("\n".join(failed or ["all of them as they should be"]))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
