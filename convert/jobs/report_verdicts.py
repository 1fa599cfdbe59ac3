"""The verdicts on a folder in plain words, as its page says them first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sdcoreml.convert.bundle.apps import APPLE, FAMILIES, MOCHI
from sdcoreml.convert.bundle.families import is_part_of
from sdcoreml.convert.compile.package import UNTRIED
from sdcoreml.convert.jobs.evidence import advice, read_by_apps
from sdcoreml.convert.jobs.manifest import Manifest
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.models.family import Family
from sdcoreml.convert.proof.decibels import format_db
from sdcoreml.convert.proof.record import FigureRecord, ProgramProof
from sdcoreml.ground.markup import Markup
from sdcoreml.ground.page import Column, Tone, paragraph, table

Verdict = tuple[Tone, str, str]
"""How a sentence is meant, the word for that, and the sentence."""

PROVED, OPEN, FAULT, NOTE = "proved", "open", "fault", "note"


def judge(manifest: Manifest) -> Iterator[Verdict]:
    """Yield the verdicts: weights, numbers, compression, Core ML, and what to know besides."""
    proofs = {name: entry.checked for name, entry in manifest.programs.items()}
    if not proofs:
        yield "open", OPEN, "The folder has no programs."
        return
    yield _weights(proofs)
    yield from _numbers(proofs)
    yield from _compression(proofs)
    for sentence in dict.fromkeys(one.compiled.verdict for one in manifest.programs.values()):
        if sentence:
            tone: Tone = "open" if sentence == UNTRIED else "note"
            yield tone, OPEN if tone == "open" else NOTE, f"The programs are {sentence}."
    for name, entry in manifest.programs.items():
        for what in entry.compiled.differences:
            yield "open", OPEN, f"{name}: {what}"
    yield from _besides(manifest)


def _weights(proofs: Mapping[str, ProgramProof]) -> Verdict:
    audits = [proof.audit for proof in proofs.values()]
    count = sum(audit.matched for audit in audits)
    fewer = sum(one.weights for audit in audits for one in audit.compressed.values())
    faults = [
        name
        for name, proof in proofs.items()
        if proof.audit.missing or proof.audit.misplaced or proof.audit.unexplained
    ]
    if faults:
        return "bad", FAULT, f"Weights of {_names(faults)} are missing, or not where they belong."
    if not count + fewer:
        return "open", OPEN, "No weight was compared with the model's."
    rest = f", and {fewer:,} are the model's in fewer bits" if fewer else ""
    return "good", PROVED, f"Every weight is accounted for: {count:,} are the model's own{rest}."


def _numbers(proofs: Mapping[str, ProgramProof]) -> Iterator[Verdict]:
    """Yield how the programs were proved to compute what the model computes."""
    wrong = [name for name, proof in proofs.items() if not proof.passed]
    if wrong:
        yield "bad", FAULT, f"{_names(wrong)} did not pass: do not use this folder."
    unchecked: dict[str, list[str]] = {}
    certified: dict[tuple[str, str], list[str]] = {}
    ran: list[str] = []
    for name, proof in proofs.items():
        if name in wrong:
            continue
        if proof.certificate:
            issued = proof.certificate
            certified.setdefault((issued.toolchain, issued.date), []).append(name)
        elif proof.unchecked or not proof.outputs:
            unchecked.setdefault(proof.unchecked or "no figures are left", []).append(name)
        else:
            ran.append(name)
    if ran:
        are = "was" if len(ran) == 1 else "were"
        yield (
            "good",
            PROVED,
            f"{_names(ran)} {are} run beside the model's own modules, and {_worst(ran, proofs)}.",
        )
    for (toolchain, date), names in certified.items():
        are = "is the graph that was" if len(names) == 1 else "are graphs that were"
        yield (
            "good",
            PROVED,
            (
                f"{_names(names)} {are} proved to compute what its module computes, in"
                f" {toolchain} on {date}; here only the weights are this model's."
            ),
        )
    for reason, names in unchecked.items():
        are = "was" if len(names) == 1 else "were"
        yield (
            "open",
            OPEN,
            (
                f"{_names(names)} {are} not run: {reason}."
                " `sdcoreml verify FOLDER --against MODEL --toolchain tested` runs them."
            ),
        )


def _worst(names: Sequence[str], proofs: Mapping[str, ProgramProof]) -> str:
    """Return how near the outputs that apps read come to the model's, at worst."""
    found = [figure for name in names for figure in read_by_apps(proofs[name])]
    lowest: dict[str, FigureRecord] = {}
    for figure in found:
        if figure.mode not in lowest or figure.psnr < lowest[figure.mode].psnr:
            lowest[figure.mode] = figure
    said = ", ".join(f"{format_db(one.psnr)} in {mode}" for mode, one in lowest.items())
    return f"computed the same: {said} at worst"


def _compression(proofs: Mapping[str, ProgramProof]) -> Iterator[Verdict]:
    lowest = {
        name: min(figure.psnr for figure in proof.fidelity)
        for name, proof in proofs.items()
        if proof.fidelity
    }
    if lowest:
        worst = min(lowest, key=lambda name: lowest[name])
        yield (
            "note",
            NOTE,
            (
                f"Compressed weights cost accuracy: the output of {worst} keeps"
                f" {format_db(lowest[worst])} of the model's."
            ),
        )


def _besides(manifest: Manifest) -> Iterator[Verdict]:
    components = {entry.component for entry in manifest.programs.values()}
    if manifest.part or is_part_of(Family(manifest.model.family), components):
        yield "open", OPEN, "This is a part of a model: no app runs it without the rest."
    for name, entry in manifest.programs.items():
        if made := entry.made_by:
            yield "note", NOTE, f"{name} was written by {made.repository} at {made.commit[:12]}."
    if kept := [name for name, entry in manifest.programs.items() if entry.kept]:
        yield "note", NOTE, f"From an earlier conversion: {_names(kept)}."
    if manifest.toolchain.drift:
        made_in = manifest.toolchain
        yield (
            "note",
            NOTE,
            (
                f"Made with Python {made_in.python}; the toolchain was tested with"
                f" {made_in.tested_python}."
            ),
        )
    for what in manifest.odd_tokenizer:
        yield "note", NOTE, f"The model's own tokenizer is odd: {what}."
    for line in advice(manifest):
        yield "note", NOTE, f"{line[:1].upper()}{line[1:]}."


_RUNS: Mapping[str, str] = {"yes": "runs", "limited": "with limits", "no": "does not run"}


def of_apps(manifest: Manifest) -> Iterator[Markup]:
    """Yield what each app makes of the family."""
    components = {entry.component for entry in manifest.programs.values()}
    if CONTROLNET in components:
        yield paragraph(
            "A ControlNet works beside a model that has a ControlledUnet of the same size and"
            " attention: Stable Diffusion 1.x and 2.x only."
        )
        return
    answers = FAMILIES[Family(manifest.model.family)]
    yield table(
        "Apps and this family of models",
        (Column(title="App"), Column(title="Result"), Column(title="What to know", kind="long")),
        [
            (name, _RUNS[runs], reason)
            for name, (runs, reason) in zip((APPLE, MOCHI), answers, strict=True)
        ][::-1],
    )


_FEW = 3


def _names(names: Sequence[str]) -> str:
    """List names as in a sentence; of many, only how many there are."""
    if len(names) > _FEW + 2:
        return f"{', '.join(names[:_FEW])} and {len(names) - _FEW} more"
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
