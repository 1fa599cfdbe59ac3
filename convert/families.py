"""Which programs a family's folder holds, and what is particular about each.

The runtimes adapt to nothing: they predict noise, pad prompts with the end token, and scale latents
by a constant of the family. Where a model was trained otherwise, its programs make up for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from convert.errors import UnsupportedError
from convert.models.family import Family, Task
from convert.models.layout import Model
from convert.tokenizer import tokenizer_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One program to make.

    `program` names its builder, `source` the component whose config and weights it is made of,
    `options` are fields of `ProgramOptions` that this program needs whatever was asked for.
    """

    program: str
    source: str
    options: Mapping[str, Any] = field(default_factory=dict)


_PENULTIMATE = {"text_states": "penultimate"}
_TEXT = Part(program="text_encoder", source="text_encoder")
_UNET = Part(program="unet", source="unet")
_CONTROLLED = Part(program="controlled_unet", source="unet")
_VAE = (
    Part(program="vae_decoder", source="vae"),
    Part(program="vae_encoder", source="vae"),
)
_FIRST = replace(_TEXT, options=_PENULTIMATE)
_SECOND = Part(program="text_encoder_2", source="text_encoder_2", options=_PENULTIMATE)

PARTS: Mapping[Family, tuple[Part, ...]] = {
    Family.SD1: (_TEXT, _UNET, *_VAE),
    Family.SD2_BASE: (_TEXT, _UNET, *_VAE),
    Family.SD2_V: (_TEXT, _UNET, *_VAE),
    Family.SDXL: (_FIRST, _SECOND, _UNET, *_VAE),
    Family.SDXL_REFINER: (_SECOND, _UNET, *_VAE),
}
"""The families that can be converted, and the programs of each."""

CONTROLLABLE = frozenset({Family.SD1, Family.SD2_BASE, Family.SD2_V})
"""Families whose runtimes drive a ControlNet."""

SCALES: Mapping[Family, float] = {Family.SDXL: 0.13025, Family.SDXL_REFINER: 0.13025}
SCALE = 0.18215
"""What the apps multiply latents with; families not in `SCALES` get this one."""

REASONS: Mapping[Task, str] = {
    Task.INPAINTING: "its UNet takes 9 channels, and the apps feed 4",
    Task.INSTRUCT: "its UNet takes 8 channels, and the apps feed 4",
    Task.UPSCALING: "its UNet takes 7 channels, and the apps feed 4",
    Task.DEPTH: "its UNet takes 5 channels, and the apps feed 4",
}
"""Why a task cannot run in Mochi Diffusion or Apple's package."""


def require_supported(model: Model) -> None:
    """Raise `UnsupportedError`, with the reason, unless the model can be converted."""
    if model.family in PARTS and model.task is Task.TEXT_TO_IMAGE:
        return
    if model.task in REASONS:
        raise UnsupportedError(
            f"{model.path}: this is {model.family.value} ({model.task.value}), which does not run:"
            f" {REASONS[model.task]}; convert a text-to-image model"
        )
    names = ", ".join(family.value for family in PARTS)
    raise UnsupportedError(
        f"{model.path}: this is {model.family.value}, which is not supported;"
        f" convert one of {names}"
    )


def parts_of(model: Model, *, controlled: bool = False) -> tuple[Part, ...]:
    """The programs of a model's folder, each with the options that follow from the model.

    Args:
        model: of a family in `PARTS`.
        controlled: also a UNet that takes the residuals of a ControlNet.

    Raises:
        UnsupportedError: `controlled`, for a family whose runtimes have no ControlNet.
    """
    parts = PARTS[model.family]
    if controlled and model.family not in CONTROLLABLE:
        raise UnsupportedError(
            f"{model.path}: no app drives a ControlNet of {model.family.value};"
            " leave --controlled out"
        )
    if controlled:
        parts = (*parts, _CONTROLLED)
    return tuple(
        replace(part, options={**part.options, **_particular(model, part)}) for part in parts
    )


def _particular(model: Model, part: Part) -> Mapping[str, Any]:
    match part.source:
        case "text_encoder" if model.family not in (Family.SDXL, Family.SDXL_REFINER):
            pad = padding(tokenizer_folder(model.path))
            return {} if pad is None else {"pad_id": pad}
        case "unet":
            kind = model.scheduler.get("prediction_type", "epsilon")
            return {} if kind == "epsilon" else {"prediction": kind}
        case "vae":
            return _vae(model)
        case _:
            return {}


def _vae(model: Model) -> Mapping[str, Any]:
    """The app's own latent scale, where it is another; float32, where float16 overflows."""
    config = model.components["vae"].config
    scale = SCALES.get(model.family, SCALE)
    options: dict[str, Any] = {}
    if config.get("scaling_factor", SCALE) != scale:
        options["runtime_scale"] = scale
    if model.family in SCALES and config.get("force_upcast", True):
        options["precision"] = "fp32"
    return options


def padding(tokenizer: Path) -> int | None:
    """The id that a tokenizer pads with, or None where it is the end token, as in the apps."""
    try:
        special = json.loads((tokenizer / "special_tokens_map.json").read_bytes())
        vocabulary = json.loads((tokenizer / "vocab.json").read_bytes())
        pad, end = (_content(special[name]) for name in ("pad_token", "eos_token"))
        return None if pad == end else int(vocabulary[pad])
    except (OSError, ValueError, KeyError, TypeError):
        return (
            None  # nothing says otherwise, and a broken vocabulary is somebody else's fault to find
        )


def _content(token: str | Mapping[str, str]) -> str:
    return token if isinstance(token, str) else token["content"]
