"""Summarises a conversion as text: checks, figures and next steps."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from sdcoreml.convert.compile.package import COMPARED, UNTRIED
from sdcoreml.convert.jobs.evidence import advice, compute_units, evidence, makers, ways
from sdcoreml.convert.jobs.manifest import Manifest, ProgramEntry
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.doctor.core.engine import DEFAULT_TOOLCHAIN
from sdcoreml.ground.advice import command


def summary(folder: Path, manifest: Manifest) -> str:
    """Return the summary: the result, and how it was checked in this run."""
    programs, made_in = manifest.programs, manifest.toolchain
    how = ways([program.checked for program in programs.values()])
    width = max(len(name) for name in ("toolchain   ", *programs))
    lines = [f"{folder}: {len(programs)} program{'s' * (len(programs) != 1)}{how}"]
    lines += [f"  {name:<{width}} {_line(program)}" for name, program in programs.items()]
    drift = f" (drift: tested with {made_in.tested_python})" if made_in.drift else ""
    toolchain = f"{made_in.name}, Python {made_in.python}{drift}"
    return "\n".join(
        (
            *lines,
            *(f"  {'converter':<{width}} {maker}" for maker in makers(programs.values())),
            f"  {'toolchain':<{width}} {toolchain}",
            *(f"  note: {line}" for line in advice(manifest)),
            *how_to_run(folder, manifest),
            *next_steps(folder, manifest),
        )
    )


def how_to_run(folder: Path, manifest: Manifest) -> tuple[str, ...]:
    """Return a note of how to run the programs that were neither run nor certified."""
    count = sum(bool(program.checked.unchecked) for program in manifest.programs.values())
    if not count:
        return ()
    again = command("verify", folder, "--against", "MODEL", "--toolchain", DEFAULT_TOOLCHAIN)
    what = (
        f"{count} program{'s were' if count > 1 else ' was'} not run against {manifest.model.name}"
    )
    return (f"  note: {what}: {again} does it",)


_MOCHI, _APPLES = "  next: for Mochi Diffusion:", "        for Apple's package:"


def next_steps(folder: Path, manifest: Manifest) -> tuple[str, ...]:
    """Return where to put the folder for the apps, and which settings to choose there."""
    components = {program.component for program in manifest.programs.values()}
    if CONTROLNET in components:
        (name,) = manifest.programs
        mochi = f"{folder}/{name}.mlmodelc into ~/MochiDiffusion/controlnet, not a model's folder"
        apples = f"put it into controlnet/ in the model's folder, then --controlnet {name}"
        return (f"{_MOCHI} put {mochi}", f"{_APPLES} {apples}")
    units = compute_units(manifest)
    large = " --xl" if "text_encoder_2" in components else ""
    mochi = f"~/MochiDiffusion/models and choose it there; compute unit Auto or {units.in_mochi}"
    apples = f"--resource-path {shlex.quote(str(folder))} --compute-units {units.in_swift}{large}"
    return (f"{_MOCHI} put the folder into {mochi}", f"{_APPLES} {apples}")


def _line(program: ProgramEntry) -> str:
    return evidence(program.checked) + (", two halves" if program.halves else "")


def verdicts(
    manifests: Mapping[Path, Manifest], loaded: Mapping[Path, str] = {}
) -> tuple[str, ...]:
    """Return how compiled models were checked, each sentence once, and where compilers differ.

    `loaded` says of each folder that Core ML loaded now what came of that.
    """
    compiled = [
        (name, program.compiled)
        for manifest in manifests.values()
        for name, program in manifest.programs.items()
    ]
    sentences = dict.fromkeys(
        _verdict(program.compiled.verdict, loaded.get(folder, ""))
        for folder, manifest in manifests.items()
        for program in manifest.programs.values()
    )
    found = (f"{name}: {what}" for name, record in compiled for what in record.differences)
    return (*sentences, *dict.fromkeys(found))


def _verdict(compiled: str, loaded: str) -> str:
    if not loaded:
        return compiled
    return f"{COMPARED if compiled == UNTRIED else compiled}, {loaded}"
