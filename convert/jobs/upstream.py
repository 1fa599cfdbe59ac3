"""Lets the upstream converter write the packages of a job, instead of our own builders.

The upstream converter gets a diffusers folder with one safetensors file for each component. Each
program is written by its own process, to limit memory. Options that it does not support are
refused.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sdcoreml.convert.bundle.contract import chunk_paths
from sdcoreml.convert.bundle.families import SCALES, ProgramSpec
from sdcoreml.convert.jobs.manifest import MadeBy
from sdcoreml.convert.jobs.options import Options
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.jobs.prove import StagedProgram
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.models.files import INDEX_NAME
from sdcoreml.convert.models.folder_plan import as_json, write_folder
from sdcoreml.convert.models.layout import Model
from sdcoreml.convert.models.merge import component_files, plan_folder
from sdcoreml.convert.programs.options import ProgramOptions, Target
from sdcoreml.convert.worker import Runner
from sdcoreml.ground.aside import require_space
from sdcoreml.ground.documents import read_object
from sdcoreml.ground.errors import UnsupportedError, WorkerError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.files import Document
from sdcoreml.ground.quantity import amount

FLAGS: Mapping[str, tuple[str, str]] = {
    "text_encoder": ("--convert-text-encoder", "text_encoder"),
    "text_encoder_2": ("--convert-text-encoder", "text_encoder_2"),
    "unet": ("--convert-unet", "unet"),
    "controlled_unet": ("--convert-unet", "control-unet"),
    "vae_decoder": ("--convert-vae-decoder", "vae_decoder"),
    "vae_encoder": ("--convert-vae-encoder", "vae_encoder"),
    "safety_checker": ("--convert-safety-checker", "safety_checker"),
}
"""Maps a program to the upstream converter's option for it, and to that converter's name for it."""

BASE, MEMORY = 2_000_000_000, 10
"""Upper bounds of memory in bytes: for a program's graph, and per parameter of its component.

Measured: 2.2 GB for the UNet of the sample model, 10.4 GB for the UNet of SD 1.5.
"""

_KEPT = ("text_states",)
"""Options that follow from the model, and that the upstream converter applies by itself."""

_LEFT = {
    "prediction": "the UNet predicts velocity, but apps interpret it as noise",
    "pad_id": "prompts are padded as apps do, not as in the model's training",
    "runtime_scale": "latents are scaled as apps do, not as in the VAE's training",
}
"""Maps an option that the upstream converter ignores to the warning about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamConverter:
    """A checkout of the upstream converter, which was verified to be at `commit`."""

    checkout: Path
    repository: str
    commit: str

    @property
    def made_by(self) -> MadeBy:
        """The record of the upstream converter for the manifest."""
        return MadeBy(repository=self.repository, commit=self.commit)


def require_possible(job: Job) -> None:
    """Raise `UnsupportedError` for options that the upstream converter does not support."""
    options = job.options
    recipe = options.recipe or {}
    usual = Options(attention=options.attention, height=options.height, width=options.width)
    unknown = {
        "a ControlNet": CONTROLNET in job.model.components,
        "--refiner": options.refiner,
        "--batch 1": options.batch != usual.batch,
        "--tokens": options.tokens != usual.tokens,
        "--clip-skip": options.clip_skip != usual.clip_skip,
        f"--target {options.target.value}": options.target is not Target.MACOS13,
        "--own-size": options.states_own_size,
        "--precision": bool(options.precision),
        "--prediction-type": options.prediction is not None,
        "--pad-id": options.pad_id is not None,
        "--latent-scale": options.latent_scale is not None,
        "--recipe, --method and --group-size": bool(recipe)
        and (recipe.keys() - {"method", "bits"} or recipe.get("method", "kmeans") != "kmeans"),
        "--bits with --chunk (it leaves the halves uncompressed)": bool(recipe) and options.chunk,
    }
    if asked := [name for name, is_so in unknown.items() if is_so]:
        raise UnsupportedError(
            f"the upstream converter does not support {', '.join(asked)}",
            where=job.model.path,
            remedy="leave them out, or leave out --converter",
        )


def options_of(spec: ProgramSpec, job: Job) -> ProgramOptions:
    """Return the options with which the upstream converter writes a program.

    That converter ignores most options that follow from the model.
    """
    kept = {name: value for name, value in spec.options.items() if name in _KEPT}
    if spec.source == "vae" and job.model.family in SCALES:
        kept["precision"] = "fp32"
    return job.options.for_program(replace(spec, options=kept))


def warn_of_losses(job: Job, emit: Emit) -> None:
    """Emit a warning for each option that the model needs and the upstream converter ignores."""
    asked = dict.fromkeys(name for part in job.parts for name in part.options)
    for name in asked:
        if name in _LEFT:
            emit(Event(kind="warning", text=f"upstream: {_LEFT[name]}"))


def build(
    job: Job,
    programs: Sequence[StagedProgram],
    converter: UpstreamConverter,
    runner: Runner,
    scratch: Path,
    emit: Emit,
) -> None:
    """Write the packages of a job.

    Raises:
        WorkerError: the converter failed; the error includes the converter's log.
        NoSpaceError: the disk has too little space for the converter's files.
    """
    warn_of_losses(job, emit)
    folder = scratch / "upstream"
    parameters = _parameters(job.model)
    require_space(folder, 3 * 2 * sum(parameters.values()))  # its file, its package, its copy
    name = _name(job.model)
    write_model(job.model, folder / name, {made.part.source for made in programs}, emit)
    for made in programs:
        _announce(made, parameters[made.part.source], emit)
        out = folder / f"out-{made.part.program}"
        request = {
            "component": made.part.program,
            "checkout": str(converter.checkout),
            "folder": str(folder.resolve()),
            "out": str(out.resolve()),
            "arguments": arguments(made, job, name, out.name),
        }
        answer = runner.run("upstream", request, emit)
        _place(made, out, name)
        emit(Event(kind="note", text=f"written in {amount(answer.peak_memory)} of memory"))


def _announce(made: StagedProgram, parameters: int, emit: Emit) -> None:
    import psutil

    needs, free = BASE + MEMORY * parameters, psutil.virtual_memory().available
    text = f"upstream writes {made.part.stem}, using up to {amount(needs)} of memory"
    emit(Event(kind="step", text=text))
    if needs > free:
        emit(Event(kind="warning", text=f"only {amount(free)} of memory is free"))


def arguments(made: StagedProgram, job: Job, name: str, out: str) -> list[str]:
    """Return the upstream converter's command-line arguments for one program of a job."""
    options, part = job.options, made.part
    words = [FLAGS[part.program][0], f"--model-version={name}", "-o", out]
    words += ["--latent-h", str(options.height), "--latent-w", str(options.width)]
    words += ["--attention-implementation", options.attention.value]
    if job.model.family in SCALES:
        words.append("--xl-version")
    if part.program == "controlled_unet":
        words.append("--unet-support-controlnet")
    if made.halves:
        words.append("--chunk-unet")
    if recipe := options.recipe_for(part):
        words += ["--quantize-nbits", str(recipe["bits"])]
    return words


def write_model(model: Model, folder: Path, sources: Collection[str], emit: Emit) -> None:
    """Write the model in the form that the upstream converter loads.

    That is a diffusers folder with one safetensors file for each component. The safety checker is
    left out unless `sources` names it, because the converter would load it needlessly.
    """
    plan = plan_folder(model)
    if "safety_checker" not in sources:
        parts = {name: part for name, part in plan.parts.items() if name != "safety_checker"}
        index = read_object(model.path / INDEX_NAME, Document.CONFIG)
        index |= {name: [None, None] for name in ("safety_checker", "feature_extractor")}
        plan = replace(plan, parts=parts, files={**plan.files, INDEX_NAME: as_json(index)})
    write_folder(plan, folder, emit=emit)


def _place(made: StagedProgram, out: Path, name: str) -> None:
    """Move a program's package, or its halves, to their place in the staging folder."""
    stem = f"Stable_Diffusion_version_{name}_{FLAGS[made.part.program][1]}"
    names = (f"{stem}_chunk1", f"{stem}_chunk2") if made.halves else (stem,)
    targets = chunk_paths(made.package) if made.halves else (made.package,)
    for one, target in zip(names, targets, strict=True):
        package = out / f"{one}.mlpackage"
        if not package.is_dir():
            raise WorkerError(
                f"the upstream converter wrote no {package.name}",
                where=out,
                remedy="leave out --converter",
            )
        package.replace(target)


def _name(model: Model) -> str:
    """Return the model's name, which the converter writes into each package."""
    return model.path.resolve().name


def _parameters(model: Model) -> dict[str, int]:
    """Count the parameters of each component."""
    return {
        name: sum(math.prod(tensor.shape) for tensor in component_files(component).tensors)
        for name, component in model.components.items()
        if component.checkpoint is not None
    }
