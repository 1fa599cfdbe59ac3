"""A conversion for ComfyUI's nodes: one UNet as a package, and what is refused with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace

from sdcoreml.convert.bundle.comfyui import (
    BATCHES,
    BITS,
    TOKENS,
    Shapes,
    Variant,
    folder_name,
    package_name,
)
from sdcoreml.convert.bundle.contract import RESIDUAL, UNET_INPUTS
from sdcoreml.convert.bundle.families import ProgramSpec, unet_of
from sdcoreml.convert.compression.recipe import Method, parse_recipe
from sdcoreml.convert.jobs.options import Options
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.convert.models.layout import Model
from sdcoreml.convert.programs.callers import CALLERS
from sdcoreml.convert.programs.options import GUIDANCE, Runtime
from sdcoreml.convert.programs.unet_config import parse_unet, residual_shapes
from sdcoreml.ground.errors import UnsupportedError

NOT_ASKED: Mapping[str, str] = {
    "chunk": "ComfyUI's nodes load no halves; leave --chunk out",
    "clip_skip": "ComfyUI encodes prompts itself; set CLIP's last layer there, not --clip-skip",
    "latent_scale": "ComfyUI scales latents and decodes them itself; leave --latent-scale out",
    "pad_id": "ComfyUI encodes prompts itself; leave --pad-id out",
    "refiner": "a refiner is a UNet of its own for ComfyUI: convert it alone, without --refiner",
    "safety_checker": "ComfyUI's nodes run no safety checker; leave --safety-checker out",
    "states_own_size": "ComfyUI states each picture's size itself; leave --own-size out",
    "tokens": "ComfyUI's nodes send 77 tokens; leave --tokens out",
}
"""Maps fields of `Options` that have no use for ComfyUI to the reason."""

_PRECISE = frozenset({"unet", "controlled_unet", "all"})
"""Keys of `Options.precision` that say something of a UNet."""

_DEFAULTS = {one.name: one.default for one in fields(Options)}


def require_fit(model: Model, options: Options, *, is_whole: bool = True) -> None:
    """Raise `UnsupportedError` for what ComfyUI's nodes have no use for.

    `is_whole` is false if only some programs are to be made anew.
    """
    for name, why in NOT_ASKED.items():
        if getattr(options, name) != _DEFAULTS[name]:
            raise UnsupportedError(why, where=model.path)
    if others := sorted(options.precision.keys() - _PRECISE):
        raise UnsupportedError(
            f"only a UNet is made for ComfyUI, no {others[0]}",
            where=model.path,
            remedy=f"leave --precision {others[0]}=... out",
        )
    if CONTROLNET in model.components:
        raise UnsupportedError(
            "ComfyUI loads ControlNets as they are",
            where=model.path,
            remedy="convert the model with --controlled, and give ComfyUI this file",
        )
    if not is_whole:
        raise UnsupportedError(
            "there is one program for ComfyUI: nothing of it can be kept",
            where=model.path,
            remedy="leave --components out",
        )
    if options.batch not in BATCHES:
        raise UnsupportedError(
            f"ComfyUI's nodes have batches of {BATCHES[0]} to {BATCHES[-1]}",
            where=model.path,
            remedy="choose another --batch",
        )


def parts(model: Model, options: Options, name: str, loras: Iterable[str]) -> Iterator[ProgramSpec]:
    """Yield the one program for ComfyUI, named as its converter's node names it."""
    program = "controlled_unet" if options.controlled else "unet"
    stem = package_name(name, variant_of(options), loras)
    yield replace(unet_of(model), program=program, name=stem)


def inputs_of(model: Model, options: Options) -> Shapes:
    """Return the inputs of the program, as they follow from the UNet's config and the options.

    Raises:
        SdcoremlError: the config is none that the builder draws.
    """
    config = model.components["unet"].config
    unet = parse_unet("unet", config, accepted=CALLERS[Runtime.COMFYUI].accepted)
    batch, height, width = options.batch, options.height, options.width
    shapes = dict(
        zip(
            UNET_INPUTS,
            ((batch, 4, height, width), (batch,), (batch, TOKENS, unet.context)),
            strict=True,
        )
    )
    if unet.guidance:
        shapes[GUIDANCE] = (batch, unet.guidance)
    if unet.added:
        shapes |= {"time_ids": (batch, unet.added.ids), "text_embeds": (batch, unet.added.text)}
    if options.controlled:
        for number, shape in enumerate(residual_shapes(unet, height, width)):
            shapes[f"{RESIDUAL}{number}"] = (batch, *shape)
    return shapes


def folder_for(options: Options, name: str, loras: Iterable[str]) -> str:
    """Return the name of the folder for a package."""
    return folder_name(name, variant_of(options), loras)


def variant_name(options: Options) -> str:
    """Return the end of the package's name, which does not depend on the names of files."""
    return package_name("", variant_of(options))


def variant_of(options: Options) -> Variant:
    """Return what the package's name says of these options."""
    return Variant(
        width=PIXELS_PER_LATENT * options.width,
        height=PIXELS_PER_LATENT * options.height,
        batch=options.batch,
        attention=options.attention.value,
        is_controlled=options.controlled,
        storage=_storage(options.recipe) if options.recipe else "",
    )


def _storage(recipe: Mapping[str, object]) -> str:
    """Name a recipe: `q6` for what the node offers, and a word that it never uses for others."""
    if recipe.get("layers") or recipe.get("programs"):
        return "mixed"
    read = parse_recipe(recipe)
    is_offered = read.method is Method.KMEANS and read.group_size is None and read.bits in BITS
    group = "" if read.group_size is None else f"-g{read.group_size}"
    return f"q{read.bits}" if is_offered else f"{read.method.value}{read.bits}{group}"
