"""Measures parity, and prints a row for each program: every figure with its required minimum.

Each subject is checked in a new child process of the built environment. The child makes random
weights (`tests.bench.checkpoints`), including scale and shift of norms, builds the programs and
compares them with the pinned module at several timesteps. The effect of compression depends on the
weights and not on the graph, so it is measured only once, not for each attention.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.narrow import Subject

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of figures in dB: its title, required minimum, and whether only UNets have it."""

    name: str
    floor: float
    is_for_unets: bool = False


FLOAT = (
    Column(name="fp32 mode", floor=115.0),
    Column(name="fp16 mode", floor=65.0),
    Column(name="fp32 program", floor=120.0),
)
COMPRESSED = (
    Column(name="int8", floor=52.0, is_for_unets=True),
    Column(name="6-bit uniform", floor=40.0, is_for_unets=True),
    Column(name="6-bit k-means", floor=40.0, is_for_unets=True),
)
IDENTICAL = 999.0
"""The value of `convert.parity.figures.IDENTICAL`, which cannot be imported without torch."""

CHANCE = 0.5
"""How many dB the outputs of two equally good palettes may differ by chance."""

RECIPES: Mapping[str, Mapping[str, Any]] = {
    "int8": {"method": "linear", "bits": 8},
    "6-bit uniform": {"method": "uniform", "bits": 6},
    "6-bit k-means": {"method": "kmeans", "bits": 6},
}
_NAME, _WIDTH = 45, 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What is measured of each subject.

    `spread` is the distribution of the weights, from `tests.bench.checkpoints.SPREADS`. `runs` is
    the number of sets of inputs (`None`: all); a set has as many timesteps as the program has rows
    in its batch.
    """

    columns: tuple[Column, ...] = (*FLOAT, *COMPRESSED)
    spread: str = "initialised"
    runs: int | None = None


def head(columns: Sequence[Column]) -> str:
    """Return the two lines above the rows."""
    names = "".join(f"{column.name:>{_WIDTH}}" for column in columns)
    floors = "".join(f"{f'>= {column.floor:g}':>{_WIDTH}}" for column in columns)
    return f"{'dB':<{_NAME}}{names}\n{'':<{_NAME}}{floors}"


def line(name: str, verdicts: Sequence[tuple[float | None, str]]) -> str:
    """Return one program's row: each figure and its verdict."""
    cells = ("-" if psnr is None else f"{psnr:.1f} {said:<6}" for psnr, said in verdicts)
    return f"{name:<{_NAME}}" + "".join(f"{cell:>{_WIDTH}}" for cell in cells).rstrip()


def verdicts(
    figures: Mapping[str, float], subject: Subject, columns: Sequence[Column]
) -> list[tuple[float | None, str]]:
    """Return each figure of a program with its verdict; "" if the column has no minimum for it.

    6-bit k-means must also be about as good as a uniform 6-bit palette. For normally distributed
    weights it is far better; for uniform ones the uniform palette is the best, and it is chance
    which of the two comes closer at the output. A figure of exactly equal outputs is not accepted:
    it would mean that nothing was computed.
    """
    found: list[tuple[float | None, str]] = []
    for column in columns:
        psnr = figures.get(column.name)
        floor = column.floor
        if column.name == "6-bit k-means":
            floor = max(floor, figures.get("6-bit uniform", floor) - CHANCE)
        if psnr is None or (column.is_for_unets and not subject.is_unet):
            found.append((psnr, ""))
        else:
            found.append((psnr, "met" if floor <= psnr < IDENTICAL else "MISSED"))
    return found


def measure(
    subject: Subject, python: Path, table: Table, folder: Path
) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Yield the name and figures of each program of a subject, as soon as they are known."""
    start = f"import sys; sys.path.append({str(ROOT)!r})"
    code = f"{start}; from tests.bench.parity_child import main; main()"
    request = {
        "component": subject.component,
        "config": subject.config,
        "options": subject.options,
        "attentions": subject.attentions,
        "folder": str(folder),
        "spread": table.spread,
        "runs": table.runs,
        "programs": [column.name for column in table.columns if column in FLOAT],
        "recipes": {c.name: RECIPES[c.name] for c in table.columns if c in COMPRESSED},
    }
    command = [str(python), "-W", "ignore", "-c", code, json.dumps(request)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        for answer in child.stdout or ():
            told = json.loads(answer)
            words = (subject.family, subject.component, told["attention"])
            yield ", ".join(word for word in words if word), told["figures"]
    if child.returncode:
        raise SystemExit(f"{subject.component}: its child ended with exit code {child.returncode}")


def show(subjects: Sequence[Subject], python: Path, table: Table, at: Path) -> None:
    """Print a row for every program, and how many figures reach their minimum."""
    print(f"weights: {table.spread}\n{head(table.columns)}", flush=True)
    judged: list[str] = []
    for subject in subjects:
        with tempfile.TemporaryDirectory(dir=at) as folder:
            for name, figures in measure(subject, python, table, Path(folder)):
                row = verdicts(figures, subject, table.columns)
                judged += [said for _, said in row if said]
                print(line(name, row), flush=True)
    print(f"{judged.count('met')} of {len(judged)} figures reach their floors")
