"""The figures of a finished folder that the page shows large, from its manifest alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sdcoreml.convert.bundle.contract import UNREAD
from sdcoreml.convert.jobs.manifest import Manifest, read_manifest
from sdcoreml.convert.proof.decibels import format_db
from sdcoreml.convert.proof.record import FigureRecord, ProgramProof
from sdcoreml.ground.errors import SdcoremlError
from sdcoreml.ground.quantity import amount


def figures_of(folder: Path) -> list[list[str]]:
    """Return names and values; none for a folder whose manifest cannot be read."""
    try:
        manifest = read_manifest(folder)
    except (SdcoremlError, OSError):
        return []
    return [list(one) for one in say(manifest)]


def say(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Yield the name and the value of each figure."""
    proofs = [entry.checked for entry in manifest.programs.values()]
    if any(not proof.passed for proof in proofs):
        yield "Beside the model", "not the same: do not use it"
        return
    if worst := _lowest([figure for proof in proofs for figure in _numbers(proof)]):
        yield "Beside the model", f"{format_db(worst.psnr)} in {worst.mode}"
    if cost := _lowest([figure for proof in proofs for figure in proof.fidelity]):
        yield "Kept in fewer bits", format_db(cost.psnr)
    yield "Weights", _weights(proofs)
    files = (one for entry in manifest.programs.values() for one in entry.loaded.values())
    yield "On disk", amount(sum(one.size for one in files))


def _numbers(proof: ProgramProof) -> Iterator[FigureRecord]:
    """Yield how near the outputs come to the model's in half precision, as apps compute."""
    found = proof.outputs or (proof.certificate.outputs if proof.certificate else ())
    unread = UNREAD.get(proof.component, ())
    yield from (one for one in found if one.mode != "fp32" and one.output not in unread)


def _lowest(figures: list[FigureRecord]) -> FigureRecord | None:
    return min(figures, key=lambda one: one.psnr, default=None)


def _weights(proofs: list[ProgramProof]) -> str:
    audits = [proof.audit for proof in proofs]
    if any(one.missing or one.misplaced or one.unexplained for one in audits):
        return "not all the model's"
    fewer = sum(one.weights for audit in audits for one in audit.compressed.values())
    same = sum(audit.matched for audit in audits)
    if not same + fewer:
        return "not compared"
    return f"all the model's, {fewer:,} in fewer bits" if fewer else "all the model's"
