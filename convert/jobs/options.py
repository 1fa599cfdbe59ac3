"""What a caller may choose about a whole folder, and what each program hears of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sdcoreml.convert.bundle.families import ProgramSpec

ATTENTIONS = ("SPLIT_EINSUM", "ORIGINAL", "SPLIT_EINSUM_V2")

COMPRESSED = frozenset(
    {"text_encoder", "text_encoder_2", "unet", "controlled_unet", "unet_refiner", "controlnet"}
)
"""Programs that a recipe is for; a VAE is small, and shows every bit it loses."""

PRECISIONS = ("fp16", "fp32")

SHARED = ("attention", "height", "width", "batch", "tokens", "clip_skip", "target")
"""Fields of `Options` that every program hears of as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to convert; recorded in the manifest.

    Attributes:
        attention: one of `ATTENTIONS`.
        height: the latent's, an eighth of the image's.
        width: likewise.
        batch: rows of the UNet's inputs: 2, or 1 for apps that then ask twice.
        tokens: length of a prompt.
        clip_skip: 2 leaves out the text encoder's last block, 3 the last two.
        target: the oldest system that is to run the programs, of `convert.programs.options.Target`.
        states_own_size: SDXL's UNet is told its own size, whatever the app says.
        controlled: also a UNet that takes a ControlNet's residuals.
        safety_checker: also the safety checker.
        refiner: also the UNet of SDXL's refiner.
        chunk: every UNet in two halves.
        recipe: compresses the weights of `COMPRESSED`; fields of `Recipe`.
        precision: of a program, or of all that are made of a component, by its name; "all" stands
            for the rest. Where none is given, the model decides: float16, and float32 for a VAE
            that overflows it.
        prediction: what the UNet predicts; `None` believes the model's scheduler.
        pad_id: what prompts are padded with; `None` believes the model's tokenizers.
        latent_scale: what the app multiplies latents with; `None` is the constant of the family.
    """

    attention: str
    height: int
    width: int
    batch: int = 2
    tokens: int = 77
    clip_skip: int = 1
    target: str = "macOS13"
    states_own_size: bool = False
    controlled: bool = False
    safety_checker: bool = False
    refiner: bool = False
    chunk: bool = False
    recipe: Mapping[str, Any] | None = None
    precision: Mapping[str, str] = field(default_factory=dict)
    prediction: str | None = None
    pad_id: int | None = None
    latent_scale: float | None = None

    @property
    def wanted(self) -> tuple[str, ...]:
        """The optional programs that are asked for, keys of `convert.bundle.families.OPTIONAL`."""
        asked = {
            "controlled_unet": self.controlled,
            "safety_checker": self.safety_checker,
            "unet_refiner": self.refiner,
        }
        return tuple(program for program, is_wanted in asked.items() if is_wanted)


def program_options(options: Options, part: ProgramSpec) -> Mapping[str, Any]:
    """Fields of `ProgramOptions`: those of all programs, what the model needs, what is insisted on.

    The last wins.
    """
    fields = {name: getattr(options, name) for name in SHARED}
    if part.program in ("unet", "unet_refiner") and options.states_own_size:
        fields["states_own_size"] = True
    return {**fields, **part.options, **_insisted(options, part)}


def _insisted(options: Options, part: ProgramSpec) -> Mapping[str, Any]:
    asked = options.precision
    precision = asked.get(part.program, asked.get(part.source, asked.get("all")))
    by_source = {
        "unet": ("prediction", options.prediction),
        "text_encoder": ("pad_id", options.pad_id),
        "text_encoder_2": ("pad_id", options.pad_id),
        "vae": ("runtime_scale", options.latent_scale),
    }
    chosen: dict[str, Any] = {"precision": precision}
    if part.source in by_source:
        name, value = by_source[part.source]
        chosen[name] = value
    return {name: value for name, value in chosen.items() if value is not None}


def recipe_for(options: Options, part: ProgramSpec) -> Mapping[str, Any] | None:
    """How the weights of a program are compressed, if at all."""
    return options.recipe if part.program in COMPRESSED else None
