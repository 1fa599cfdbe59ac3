"""Plans one conversion: the model to convert, the folder to write, and the options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sdcoreml.convert.bundle.contract import HALVED
from sdcoreml.convert.bundle.families import OPTIONAL, PROGRAMS, ProgramSpec, programs_of
from sdcoreml.convert.bundle.noise import refuse_schedule
from sdcoreml.convert.compression.recipe import Method, parse_recipe, require_storable
from sdcoreml.convert.jobs.for_comfyui import folder_for, require_fit
from sdcoreml.convert.jobs.for_comfyui import parts as parts_for_comfyui
from sdcoreml.convert.jobs.options import ATTENTIONS, COMPRESSED, Options
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.convert.models.layout import Model
from sdcoreml.convert.models.unet_alone import name_alone
from sdcoreml.convert.programs.drawable import require_drawable
from sdcoreml.convert.programs.options import Precision
from sdcoreml.ground.codec import from_plain
from sdcoreml.ground.errors import BadInputError, SdcoremlError, UnsupportedError, raise_first

USUAL_SIZE = 64
"""The latent height and width of a model that does not state its size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One conversion: the model, the folder to write, and the options.

    `redo` names programs or components to rebuild in the existing folder `output`. Other programs
    are kept or, if there is no such folder yet, left out. If `redo` is `None`, all are made.
    `beside` is the finished folder whose UNet a ControlNet is for. `name` replaces the model's own
    name in the names of folders. `found` are programs that an earlier conversion made of the same.
    `loras` are the names of the files merged into the model, which names for ComfyUI include.
    """

    model: Model
    output: Path
    options: Options
    redo: frozenset[str] | None = None
    beside: Path | None = None
    name: str = ""
    found: frozenset[str] = frozenset()
    loras: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[ProgramSpec, ...]:
        """The programs to make; kept and found programs are not among them."""
        if self.options.is_for_comfyui:
            called = self.name or _own_name(self.model)
            one = parts_for_comfyui(self.model, self.options, called, self.loras)
            return tuple(part for part in one if self.makes(part))
        wanted = [name for name in self.options.wanted if self.makes(OPTIONAL[name])]
        return tuple(
            replace(part, name=net_name(self.name or _own_name(self.model), self.options))
            if part.program == CONTROLNET
            else part
            for part in programs_of(self.model, wanted)
            if self.makes(part)
        )

    @property
    def all_parts(self) -> tuple[ProgramSpec, ...]:
        """The programs to make and the found ones; kept programs are not among them."""
        return replace(self, found=frozenset()).parts

    @property
    def has_words(self) -> bool:
        """Whether the folder gets the model's tokenizer: not that of a ControlNet, or a UNet."""
        return CONTROLNET not in self.model.components and not self.options.is_for_comfyui

    def makes(self, part: ProgramSpec) -> bool:
        """Whether the program is made rather than kept or found."""
        is_asked = self.redo is None or bool(self.redo & {part.program, part.source})
        return is_asked and part.program not in self.found

    def halves(self, part: ProgramSpec) -> bool:
        """Whether the program is written in two halves."""
        return self.options.chunk and part.program in HALVED


def plan(
    model: Model,
    output: Path | None,
    options: Options,
    *,
    redo: frozenset[str] | None = None,
    beside: Path | None = None,
    name: str = "",
) -> Job:
    """Plan the conversion of a model; without an `output`, the folder is `default_folder`.

    Raises:
        UnsupportedError: options that no app can use, or that exclude each other.
    """
    job = Job(
        model=model,
        output=output or default_folder(model, options, name),
        options=options,
        redo=redo,
        beside=beside,
        name=name or _name_by_place(model, options),
    )
    require_runnable(job)
    return job


def default_options(model: Model) -> Options:
    """Return the default options for a model, including its own image size."""
    height, width = own_size(model)
    return Options(attention=ATTENTIONS[0], height=height, width=width)


def require_runnable(job: Job) -> None:
    """Raise `UnsupportedError` for options that no app can use, or that exclude each other."""
    model, options = job.model, job.options
    if not options.accept_schedule:
        raise_first([*filter(None, [refuse_schedule(model.scheduler, model.path)])])
    is_xl, is_net = "text_encoder_2" in model.components, CONTROLNET in model.components
    if options.is_for_comfyui:
        require_fit(model, options, is_whole=job.redo is None)
    elif options.batch not in (1, 2):
        raise UnsupportedError(
            f"apps call a UNet with a batch of 2 or 1, not {options.batch}",
            where=model.path,
            remedy="leave --batch out, or add --app comfyui",
        )
    elif options.batch == 1 and (is_xl or is_net or options.controlled):
        which = "SDXL's UNet" if is_xl else "a ControlNet and its UNet"
        raise UnsupportedError(
            f"apps always call {which} with a batch of 2",
            where=model.path,
            remedy="leave --batch 1 out",
        )
    if options.states_own_size and not is_xl:
        raise UnsupportedError(
            "only SDXL's UNet takes an image size as input",
            where=model.path,
            remedy="leave --own-size out",
        )
    if options.recipe:
        _require_compressible(job, options.recipe)


def _require_compressible(job: Job, fields: Mapping[str, object]) -> None:
    """Raise `UnsupportedError` for a recipe that does not suit one of its programs."""
    model, options = job.model, job.options
    parts = [part for part in job.parts if part.program in COMPRESSED]
    for part in parts:
        recipe = parse_recipe(fields, part.program)
        require_storable(recipe, options.target.specification, f"{model.path}")
    wide = [part.program for part in parts if options.for_program(part).precision is Precision.FP32]
    if wide:
        raise UnsupportedError(
            f"{', '.join(wide)} cannot be compressed in float32",
            where=model.path,
            remedy="leave out either --precision or --bits for them",
        )


def require_known(job: Job) -> None:
    """Raise `BadInputError` for names to rebuild that are no program or component of the job."""
    parts = (*PROGRAMS.get(job.model.family, ()), *(OPTIONAL[name] for name in job.options.wanted))
    known = dict.fromkeys(name for part in parts for name in (part.source, part.program))
    if unknown := sorted((job.redo or frozenset()) - known.keys()):
        raise BadInputError(
            f"this conversion has no component {', '.join(unknown)}",
            where=job.output,
            remedy=f"choose among {', '.join(known)}",
        )


def require_buildable(job: Job) -> None:
    """Raise `SdcoremlError` if a builder would refuse to make one of the job's programs."""
    require_known(job)
    for part in job.parts:
        source = job.model.components[part.source]
        try:
            require_drawable(part.program, source.config, job.options.for_program(part))
        except SdcoremlError as error:
            error.where, error.code = str(source.folder), error.code or "MOD010"
            raise


def own_size(model: Model) -> tuple[int, int]:
    """Return the height and width of the latents that a model was trained for."""
    component = model.components.get("unet") or model.components[CONTROLNET]
    size = component.config.get("sample_size") or USUAL_SIZE
    if isinstance(size, int):
        return size, size
    height, width = from_plain(tuple[int, ...], size, "sample_size")
    return height, width


def default_folder(
    model: Model, options: Options, name: str = "", loras: tuple[str, ...] = ()
) -> Path:
    """Return the default folder for a result: in `models` or, for a ControlNet, in `controlnet`."""
    called = name or _name_by_place(model, options) or _own_name(model)
    if options.is_for_comfyui:
        return Path("models") / folder_for(options, called, loras)
    if CONTROLNET in model.components:
        return Path("controlnet") / net_name(called, options)
    return Path("models") / folder_name(called, options)


def _own_name(model: Model) -> str:
    return model.path.resolve().name


def _name_by_place(model: Model, options: Options) -> str:
    """Return the name of a UNet alone that is called as all are; "" for what has its own name."""
    is_alone = options.is_for_comfyui and model.components.keys() == {"unet"}
    return name_alone(model.path) if is_alone else ""


def folder_name(model: str, options: Options) -> str:
    """Return a model's folder name, `<model>-<attention>[-<bits>]_<W>x<H>`, with sizes in pixels.

    Mochi Diffusion's button that swaps width and height looks for a folder whose name is the same
    up to the first `_`, so only the size comes after it.
    """
    return f"{model.replace('_', '-')}-{_variant(options)}"


def net_name(model: str, options: Options) -> str:
    """Return a ControlNet's program name, `<Name>-<attention>[-<bits>]_<W>x<H>`.

    ControlNets of all sizes are in one folder, so the name includes the size.
    """
    words = re.split(r"[\W_]+", model)
    return f"{''.join(word.capitalize() for word in words)}-{_variant(options)}"


def _variant(options: Options) -> str:
    storage = f"-{name_storage(options.recipe)}" if options.recipe else ""
    width, height = (PIXELS_PER_LATENT * side for side in (options.width, options.height))
    return f"{options.attention.value.lower().replace('_', '-')}{storage}_{width}x{height}"


def name_storage(fields: Mapping[str, object]) -> str:
    """Name a recipe for the names of folders: `6-bit`, `4-bit-uniform-g32` or `mixed-bit`."""
    if fields.get("layers") or fields.get("programs"):
        return "mixed-bit"
    recipe = parse_recipe(fields)
    method = "" if recipe.method is Method.KMEANS else f"-{recipe.method.value}"
    group = "" if recipe.group_size is None else f"-g{recipe.group_size}"
    return f"{recipe.bits}-bit{method}{group}"
