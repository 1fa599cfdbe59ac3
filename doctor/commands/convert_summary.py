"""Summarises a conversion as text: checks, figures and next steps."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sdcoreml.convert.bundle.apps import App
from sdcoreml.convert.bundle.comfyui import FOLDER, LOADER, UNITS
from sdcoreml.convert.bundle.judgement import Ruling
from sdcoreml.convert.compile.package import COMPARED, UNTRIED
from sdcoreml.convert.deliver.install import Installed
from sdcoreml.convert.jobs.evidence import advice, compute_units, evidence, makers, ways
from sdcoreml.convert.jobs.manifest import Manifest, ProgramEntry
from sdcoreml.convert.loading.record import LoadReport
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.doctor.commands.convert_upstream import FolderComparison, table
from sdcoreml.doctor.commands.verify_coreml import as_json as load_json
from sdcoreml.doctor.commands.verify_coreml import summary as load_summary
from sdcoreml.doctor.commands.verify_coreml import verdict as load_verdict
from sdcoreml.doctor.core.engine import DEFAULT_TOOLCHAIN
from sdcoreml.ground.advice import command, spell
from sdcoreml.ground.errors import SdcoremlError

SCHEMA = 1
"""The version of the format that `--json` prints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """What a conversion made: the folders with their manifests, in the order of the options.

    `comparisons` are with the upstream converter, and `loaded` what Core ML itself said, on a Mac.
    `app` is the only app that they are for, `installed` where they were put for it, and `withheld`
    why they were not.
    """

    manifests: Mapping[Path, Manifest]
    comparisons: tuple[FolderComparison, ...] = ()
    loaded: Mapping[Path, LoadReport]
    app: App | None = None
    installed: Mapping[Path, Installed] = field(default_factory=dict)
    withheld: Mapping[Path, SdcoremlError] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """The exit code of the gravest fault that Core ML found, 0 without any."""
        return max((report.exit_code for report in self.loaded.values()), default=0)


def results(made: Converted) -> dict[str, object]:
    """Return what `--json` prints."""
    made_of = [
        {
            "folder": str(folder),
            "manifest": manifest.as_json(),
            **({"coreml": load_json(made.loaded[folder])} if folder in made.loaded else {}),
            **({"installed": str(made.installed[folder].path)} if folder in made.installed else {}),
            **({"withheld": _why(made.withheld[folder])} if folder in made.withheld else {}),
        }
        for folder, manifest in made.manifests.items()
    ]
    compared = [one.as_json() for one in made.comparisons]
    return {
        "schema": SCHEMA,
        "verdict": Ruling(can="yes").as_json(),
        "results": made_of,
        **({"comparisons": compared} if compared else {}),
    }


def _why(error: SdcoremlError) -> dict[str, object]:
    """Return why a folder was not installed, as `--json` says it."""
    return {
        "path": error.where,
        "what": error.what,
        "next": spell(error.remedy),
        "exit_code": int(error.exit_code),
    }


def lines(made: Converted) -> Iterator[str]:
    """Yield what became of a conversion, as text."""
    for folder, manifest in made.manifests.items():
        yield summary(
            folder, manifest, made.app, made.installed.get(folder) or made.withheld.get(folder)
        )
    yield from (load_summary(*item) for item in made.loaded.items())
    said = {folder: load_verdict(report) for folder, report in made.loaded.items()}
    yield from verdicts(made.manifests, said)
    for one in made.comparisons:
        yield from table(one)


def summary(
    folder: Path,
    manifest: Manifest,
    app: App | None = None,
    installed: Installed | SdcoremlError | None = None,
) -> str:
    """Return the summary: the result, how it was checked in this run, and what is left to do.

    `app` is the only app that it is for, `installed` where it was put for that app, or why not.
    """
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
            *_what_next(folder, manifest, app, installed),
        )
    )


def _what_next(
    folder: Path, manifest: Manifest, app: App | None, installed: Installed | SdcoremlError | None
) -> tuple[str, ...]:
    match installed:
        case Installed():
            return _when_installed(installed, manifest)
        case SdcoremlError():
            return (f"  not installed: {installed}",)
    return next_steps(folder, manifest, app)


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


def next_steps(folder: Path, manifest: Manifest, app: App | None = None) -> tuple[str, ...]:
    """Return where to put the folder for one app or both, and which settings to choose there."""
    if manifest.options.is_for_comfyui:
        return _for_comfyui(folder, manifest)
    mochi, apples = _next_steps(folder, manifest)
    match app:
        case App.MOCHI:
            return (f"  next: for Mochi Diffusion: {mochi}",)
        case App.APPLE:
            return (f"  next: for Apple's package: {apples}",)
    return (f"{_MOCHI} {mochi}", f"{_APPLES} {apples}")


def _for_comfyui(folder: Path, manifest: Manifest) -> tuple[str, ...]:
    (name,) = manifest.programs
    return (
        f"  next: put {folder}/{name}.mlpackage into ComfyUI's {FOLDER}",
        f"        and {_choose_in_comfyui(manifest)}",
    )


def _choose_in_comfyui(manifest: Manifest) -> str:
    unit = UNITS[manifest.options.attention.value]
    return f"choose it in the node {LOADER} (ComfyUI-CoreMLSuite 2), with {unit}"


def _when_installed(installed: Installed, manifest: Manifest) -> tuple[str, ...]:
    """Return where a result was put, and what to choose in the app."""
    how = installed.way.value if installed.way else "it was there already"
    place = f"  installed: {installed.path} ({how})"
    if manifest.options.is_for_comfyui:
        return (place, f"  next: {_choose_in_comfyui(manifest)}")
    if CONTROLNET in manifest.components:
        return (place, "  next: choose it beside a model of its size and attention")
    unit = compute_units(manifest).in_mochi
    return (place, f"  next: choose it in Mochi Diffusion; compute unit Auto or {unit}")


def _next_steps(folder: Path, manifest: Manifest) -> tuple[str, str]:
    if CONTROLNET in manifest.components:
        (name,) = manifest.programs
        mochi = f"{folder}/{name}.mlmodelc into ~/MochiDiffusion/controlnet, not a model's folder"
        apples = f"put it into controlnet/ in the model's folder, then --controlnet {name}"
        return f"put {mochi}", apples
    units = compute_units(manifest)
    large = " --xl" if manifest.is_xl else ""
    mochi = f"~/MochiDiffusion/models and choose it there; compute unit Auto or {units.in_mochi}"
    apples = f"--resource-path {shlex.quote(str(folder))} --compute-units {units.in_swift}{large}"
    return f"put the folder into {mochi}", apples


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
