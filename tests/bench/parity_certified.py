"""Prints the figures of full-size programs from the shipped certificates, without running them."""

from __future__ import annotations

from collections.abc import Iterable

from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.proof.record import FigureRecord
from tests.bench.parity_rows import FLOAT, head, line
from tools.certify.cases import CASES

_TARGET = "macOS13"
"""The deployment target whose certificates are printed; newer targets have the same figures."""


def table(certificates: Iterable[Certificate]) -> list[str]:
    """Return a line for each case: its worst figures, or that it is not certified."""
    known = {(item.component, item.title): item for item in certificates}
    lines = [head(FLOAT[:2])]
    for name, case in CASES.items():
        found = known.get((case.part.program, f"{case.title}, {_TARGET}"))
        if found is None:
            lines.append(f"{name:<45} not certified")
            continue
        said = f"runs: {found.runs}, in {found.toolchain}, {found.date}"
        lines.append(f"{line(name, _verdicts(found.outputs))}  {said}")
    return lines


def _verdicts(outputs: Iterable[FigureRecord]) -> list[tuple[float | None, str]]:
    """Return the worst figure for each precision, and whether it reaches its minimum."""
    lowest: dict[str, float] = {}
    for item in outputs:
        lowest[item.mode] = min(item.psnr, lowest.get(item.mode, item.psnr))
    columns = {"fp32": FLOAT[0], "fp16": FLOAT[1]}
    return [
        (lowest.get(mode), "met" if lowest.get(mode, 0) >= column.floor else "MISSED")
        for mode, column in columns.items()
    ]
