"""What a conversion made, for people: each program's figures, and how far they are proven."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sdcoreml.convert.jobs.manifest import Manifest, ProgramEntry
from sdcoreml.convert.proof.decibels import format_db
from sdcoreml.convert.proof.record import ProgramProof


def summary(folder: Path, manifest: Manifest) -> str:
    """What was made and how well it was checked."""
    programs, made_in = manifest.programs, manifest.toolchain
    unchecked = any(program.checked.unchecked for program in programs.values())
    how = "weights audited, numbers not checked" if unchecked else "each checked against its module"
    width = max(len(name) for name in ("toolchain   ", *programs))
    lines = [f"{folder}: {len(programs)} program{'s' * (len(programs) != 1)}, {how}"]
    lines += [f"  {name:<{width}} {_line(program)}" for name, program in programs.items()]
    drift = f" (drift: tested with {made_in.tested_python})" if made_in.drift else ""
    toolchain = f"{made_in.name}, Python {made_in.python}{drift}"
    return "\n".join((*lines, f"  {'toolchain':<{width}} {toolchain}", *advice(folder, manifest)))


def figures_of(proof: ProgramProof) -> str:
    """The worst figure of each mode, or why there is none."""
    worst: dict[str, float] = {}
    for output in proof.outputs:
        worst[output.mode] = min(output.psnr, worst.get(output.mode, output.psnr))
    figures = ", ".join(f"{format_db(psnr)} in {mode}" for mode, psnr in worst.items())
    return figures or proof.unchecked


def _line(program: ProgramEntry) -> str:
    halves = ", two halves" if program.halves else ""
    return f"{figures_of(program.checked)}; {remark(program.checked)}{halves}"


def advice(folder: Path, manifest: Manifest) -> tuple[str, ...]:
    """What there is to know before an app opens the folder."""
    notes = [*manifest.model.notes]
    if settings := manifest.model.settings:
        notes.append(settings.advice)
    if "controlnet" in {program.component for program in manifest.programs.values()}:
        (name,) = manifest.programs
        notes.append(
            f"Mochi Diffusion keeps ControlNets apart: put {folder}/{name}.mlmodelc into"
            " ~/MochiDiffusion/controlnet, never into a model's folder"
        )
    if manifest.options.batch == 1:
        notes.append(
            "a UNet of batch 1 makes one image at a time, without ControlNets, in apps built with"
            " Apple's package of 2025 or newer"
        )
    if manifest.options.states_own_size:
        notes.append("the UNet is told its own size, whatever size or crop the app states")
    return tuple(f"  note: {line}" for line in notes)


def remark(proof: ProgramProof) -> str:
    """How the weights stand to the checkpoint's, and whose word stands for the figures."""
    parts = [f"{proof.audit.matched} weights equal"]
    if proof.fidelity:
        parts = [f"compressed weights leave {min(item.psnr for item in proof.fidelity):.1f} dB"]
    elif rounded := proof.audit.compressed:
        worst = min(item.psnr for item in rounded.values())
        parts = [f"every compressed weight within {worst:.1f} dB of the model's"]
    if issued := proof.certificate:
        parts.append(f"graph certified in {issued.toolchain} on {issued.date}")
    if proof.own is not None:
        parts.append(f"its module is {proof.own:.1f} dB from exact itself")
    return ", ".join(parts)


def verdicts(manifests: Mapping[Path, Manifest]) -> tuple[str, ...]:
    """How far the compiled folders are proven, each sentence once, and where compilers differ."""
    compiled = [
        (name, program.compiled)
        for manifest in manifests.values()
        for name, program in manifest.programs.items()
    ]
    sentences = dict.fromkeys(record.verdict for _, record in compiled)
    found = (f"{name}: {what}" for name, record in compiled for what in record.differences)
    return (*sentences, *dict.fromkeys(found))
