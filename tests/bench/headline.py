"""Measures whole conversions of full-size models, beside `cp` and sha256 of the same bytes.

    python -m tests.bench.headline [ROW ...] [--toolchain light] [--rounds N] [--folder DIR]

The models are made here: the published configs of SD 1.5 and SDXL base, random weights. A row is a
run of `sdcoreml convert` as a user starts it; its CPU seconds and private memory are those of the
whole process tree. The row `audit` compares the weights of a finished folder with the model's, as
`convert` does. The uncertified rows need the toolchain `tested`, since programs are run. Below each
row are its limits, and whether they are met. SDXL takes up to 25 GB of disk space.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.models import FORMS, size_of, write_tokenizer
from tests.bench.tree import TreeCost, measure, median

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / ".venv" / "bin" / "sdcoreml"
HASH = """
import hashlib, pathlib, sys
for path in pathlib.Path(sys.argv[1]).rglob("*"):
    if path.is_file():
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")
"""
AUDIT = """
import sys
from pathlib import Path
from tests.bench.headline import audit_folder
audit_folder(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A conversion to measure: of `model` in a `form`, with `options` of `convert`.

    Limits are in seconds and megabytes; `copies` is a limit on the CPU seconds, relative to `cp`
    and sha256 of the model's bytes; `more` one on the CPU seconds above those of another row;
    `slower` the least number of times that this row must take of another's time. With `audits`,
    what is measured is the audit of the result.
    """

    model: str
    form: str = "folder"
    options: tuple[str, ...] = ()
    toolchain: str = ""
    cpu: float | None = None
    wall: float | None = None
    megabytes: float | None = None
    copies: float | None = None
    more: tuple[str, float] | None = None
    slower: tuple[str, float] | None = None
    audits: bool = False


SIX = ("--bits", "6")
ROWS: Mapping[str, Row] = {
    "sdxl-6-bits": Row(model="sdxl", options=SIX, cpu=120, wall=75, megabytes=512),
    "sdxl-6-bits-1-worker": Row(
        model="sdxl", options=(*SIX, "--workers", "1"), slower=("sdxl-6-bits", 1.7)
    ),
    "sdxl-6-bits-audit": Row(model="sdxl", options=SIX, audits=True, cpu=30, megabytes=128),
    "sdxl-plain": Row(model="sdxl", copies=1.2, megabytes=256),
    "sdxl-6-bits-file": Row(model="sdxl", form="file", options=SIX, more=("sdxl-6-bits", 15)),
    "sdxl-6-bits-shards": Row(model="sdxl", form="shards", options=SIX, more=("sdxl-6-bits", 15)),
    "sd15-plain": Row(model="sd1", wall=10),
    "sd15-6-bits": Row(model="sd1", options=SIX, wall=30),
    "sd15-uncertified-batch": Row(
        model="sd1", options=("--batch", "1"), toolchain="tested", cpu=60, megabytes=1000
    ),
    "sd15-uncertified-size": Row(
        model="sd1", options=("--size", "640x640"), toolchain="tested", cpu=60, megabytes=1000
    ),
}
"""The rows, by name; those of one form of one model follow each other, so that it is made once."""


def main() -> int:
    """Measure the named rows, or all, and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.headline",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--toolchain", default="light", help="of rows that run nothing")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--workers", help="passed to convert (default: its own)")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    options = parser.parse_args()
    if unknown := set(options.rows) - ROWS.keys():
        parser.error(f"no row is called {', '.join(sorted(unknown))}")
    names = [name for name in ROWS if name in (options.rows or ROWS)]
    costs: dict[str, TreeCost] = {}
    print(f"{'conversion':<24}{'CPU s':>8}{'x copy':>8}{'wall s':>8}{'private MB':>12}")
    while names:
        first = ROWS[names[0]]
        alike = [n for n in names if (ROWS[n].model, ROWS[n].form) == (first.model, first.form)]
        names = [name for name in names if name not in alike]
        with tempfile.TemporaryDirectory(dir=options.folder) as place:
            bench = Bench(Path(place), first, options.toolchain, options.workers)
            costs |= bench.measure(alike, options.rounds, costs)
    return 0


class Bench:
    """Measures conversions of one model in one form."""

    def __init__(self, place: Path, row: Row, toolchain: str, workers: str | None) -> None:
        self._place, self._toolchain = place, toolchain
        self._workers = ("--workers", workers) if workers else ()
        self._model = place / ("model.safetensors" if row.form == "file" else "model")
        FORMS[row.form](self._model, row.model)
        write_tokenizer(place / "words")
        self._words = ("--tokenizer", place / "words") if row.form == "file" else ()

    def measure(
        self, names: Sequence[str], rounds: int, others: Mapping[str, TreeCost]
    ) -> Mapping[str, TreeCost]:
        """Measure the rows in turns; print and return the medians."""
        taken: dict[str, list[TreeCost]] = {}
        for _ in range(rounds):
            taken.setdefault("copy", []).append(self._copy())
            for name in names:
                taken.setdefault(name, []).append(self._convert(ROWS[name]))
        found = {name: median(costs) for name, costs in taken.items()}
        copy = found.pop("copy")
        print(f"{self._model.stem}, {size_of(self._model) / 1e9:.2f} GB", line(copy, copy))
        for name, cost in found.items():
            print(f"{name:<24}{line(cost, copy)}")
            for said in verdicts(ROWS[name], cost, copy, {**others, **found}):
                print(f"  {said}", flush=True)
        return found

    def _copy(self) -> TreeCost:
        """Return the cost of `cp` of the model and of sha256 of its bytes together."""
        copied = self._run(["cp", "-r", self._model, self._place / "copy"])
        shutil.rmtree(self._place / "copy", ignore_errors=True)
        (self._place / "copy").unlink(missing_ok=True)
        hashed = self._run([sys.executable, "-c", HASH, self._place])
        return TreeCost(
            cpu=copied.cpu + hashed.cpu,
            wall=copied.wall + hashed.wall,
            private=max(copied.private, hashed.private),
        )

    def _convert(self, row: Row) -> TreeCost:
        out, cache = self._place / "out", self._place / "cache"
        shutil.rmtree(cache, ignore_errors=True)  # of a run before: nothing may be found
        os.environ["SDCOREML_CACHE"] = os.fspath(cache)
        chosen = ("--toolchain", row.toolchain or self._toolchain, *self._words, *self._workers)
        cost = self._run([TOOL, "convert", self._model, "-o", out, *chosen, *row.options])
        if row.audits:
            cost = self._run([sys.executable, "-c", AUDIT, out, self._model])
        shutil.rmtree(out)
        return cost

    def _run(self, command: Sequence[str | Path]) -> TreeCost:
        return measure(command, self._place / "log")


def audit_folder(folder: Path, model: Path) -> None:
    """Compare the weights of all programs in a finished folder with those of its model."""
    from sdcoreml.convert.certificates.check import examine
    from sdcoreml.convert.jobs.manifest import read_manifest
    from sdcoreml.convert.jobs.opening import open_again

    opened = open_again(model, None)
    for name, entry in read_manifest(folder).programs.items():
        source = opened.components[entry.source]
        found = examine(
            entry.find_packages(folder, name),
            entry.component,
            source.config,
            source.weights[0],
            entry.options,
        )
        if faults := found.audit.faults():
            raise SystemExit("; ".join(faults))


def line(cost: TreeCost, copy: TreeCost) -> str:
    """Return the figures of one row as text."""
    megabytes = f"{cost.private / 1e6:.0f}"
    return f"{cost.cpu:8.1f}{cost.cpu / copy.cpu:8.2f}{cost.wall:8.1f}{megabytes:>12}"


def verdicts(
    row: Row, cost: TreeCost, copy: TreeCost, others: Mapping[str, TreeCost]
) -> Iterator[str]:
    """Yield each limit of a row, and whether it is met."""
    limits = [("CPU s", cost.cpu, row.cpu), ("s", cost.wall, row.wall)]
    limits.append(("private MB", cost.private / 1e6, row.megabytes))
    limits.append(("x cp and sha256", cost.cpu / copy.cpu, row.copies))
    if row.more and row.more[0] in others:
        name, allowed = row.more
        limits.append((f"CPU s above {name}", cost.cpu - others[name].cpu, allowed))
    for what, found, most in limits:
        if most is not None:
            word = "met" if found <= most else "MISSED"
            yield f"{word:<6} {what}: {found:.1f} <= {most:g}"
    if row.slower and row.slower[0] in others:
        name, least = row.slower
        times = cost.wall / others[name].wall
        word = "met" if times >= least else "MISSED"
        yield f"{word:<6} x the time of {name}: {times:.2f} >= {least:g}"


if __name__ == "__main__":
    sys.exit(main())
