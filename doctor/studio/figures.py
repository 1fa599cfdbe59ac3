"""The figures of a finished folder that the page shows large, from its manifest alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sdcoreml.convert.bundle.contract import UNREAD
from sdcoreml.convert.jobs.manifest import Manifest, read_manifest
from sdcoreml.convert.proof.decibels import format_db
from sdcoreml.convert.proof.record import FigureRecord, ProgramProof
from sdcoreml.doctor.studio.wording import Text, say
from sdcoreml.ground.errors import SdcoremlError


def figures_of(folder: Path) -> list[list[Text]]:
    """Return names and values; none for a folder whose manifest cannot be read."""
    try:
        manifest = read_manifest(folder)
    except (SdcoremlError, OSError):
        return []
    return [list(one) for one in figures(manifest)]


def figures(manifest: Manifest) -> Iterator[tuple[Text, Text]]:
    """Yield the name and the value of each figure."""
    proofs = [entry.checked for entry in manifest.programs.values()]
    if any(not proof.passed for proof in proofs):
        yield say("figure.model"), say("figure.different")
        return
    if worst := _lowest([figure for proof in proofs for figure in _numbers(proof)]):
        yield (
            say("figure.model"),
            say("figure.in", likeness=format_db(worst.psnr), mode=worst.mode),
        )
    if cost := _lowest([figure for proof in proofs for figure in proof.fidelity]):
        yield say("figure.kept"), format_db(cost.psnr)
    yield say("figure.weights"), _weights(proofs)
    files = (one for entry in manifest.programs.values() for one in entry.loaded.values())
    yield say("figure.disk"), say("figure.bytes", bytes=sum(one.size for one in files))


def _numbers(proof: ProgramProof) -> Iterator[FigureRecord]:
    """Yield how near the outputs come to the model's in half precision, as apps compute."""
    found = proof.outputs or (proof.certificate.outputs if proof.certificate else ())
    unread = UNREAD.get(proof.component, ())
    yield from (one for one in found if one.mode != "fp32" and one.output not in unread)


def _lowest(figures: list[FigureRecord]) -> FigureRecord | None:
    return min(figures, key=lambda one: one.psnr, default=None)


def _weights(proofs: list[ProgramProof]) -> Text:
    audits = [proof.audit for proof in proofs]
    if any(one.missing or one.misplaced or one.unexplained for one in audits):
        return say("figure.weights.lost")
    fewer = sum(one.weights for audit in audits for one in audit.compressed.values())
    same = sum(audit.matched for audit in audits)
    if not same + fewer:
        return say("figure.weights.unknown")
    return say("figure.weights.fewer", count=fewer) if fewer else say("figure.weights.all")
