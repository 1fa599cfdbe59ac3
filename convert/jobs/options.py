"""What a caller may choose about a whole folder, and the options of each program that follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sdcoreml.convert.bundle.families import ProgramSpec
from sdcoreml.convert.programs.options import (
    Attention,
    Precision,
    Prediction,
    ProgramOptions,
    Target,
    parse_options,
)

ATTENTIONS = (Attention.SPLIT_EINSUM, Attention.ORIGINAL, Attention.SPLIT_EINSUM_V2)
"""The first is what is taken where nobody says."""

COMPRESSED = frozenset(
    {"text_encoder", "text_encoder_2", "unet", "controlled_unet", "unet_refiner", "controlnet"}
)
"""Programs that a recipe is for; a VAE is small, and shows every bit it loses."""

SHARED = ("attention", "height", "width", "batch", "tokens", "clip_skip", "target")
"""Fields that are the same for every program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to convert; recorded in the manifest.

    Attributes:
        attention: layout of every UNet's attention.
        height: the latent's, an eighth of the image's.
        width: likewise.
        batch: rows of the UNet's inputs: 2, or 1 for apps that then ask twice.
        tokens: length of a prompt.
        clip_skip: 2 leaves out the text encoder's last block, 3 the last two.
        target: the oldest system that is to run the programs.
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
        accept_schedule: convert a model although the apps have another noise schedule.
    """

    attention: Attention
    height: int
    width: int
    batch: int = 2
    tokens: int = 77
    clip_skip: int = 1
    target: Target = Target.MACOS13
    states_own_size: bool = False
    controlled: bool = False
    safety_checker: bool = False
    refiner: bool = False
    chunk: bool = False
    recipe: Mapping[str, Any] | None = None
    precision: Mapping[str, Precision] = field(default_factory=dict)
    prediction: Prediction | None = None
    pad_id: int | None = None
    latent_scale: float | None = None
    accept_schedule: bool = False

    @property
    def wanted(self) -> tuple[str, ...]:
        """The optional programs that are asked for, keys of `convert.bundle.families.OPTIONAL`."""
        asked = {
            "controlled_unet": self.controlled,
            "safety_checker": self.safety_checker,
            "unet_refiner": self.refiner,
        }
        return tuple(program for program, is_wanted in asked.items() if is_wanted)

    def for_program(self, spec: ProgramSpec) -> ProgramOptions:
        """The options of one program.

        What the caller overrides comes before what the model needs, and that before what holds for
        the whole folder.

        Raises:
            UnsupportedError: the model needs something that no builder knows.
        """
        shared = {name: getattr(self, name) for name in SHARED}
        own_size = self.states_own_size and spec.program in ("unet", "unet_refiner")
        sized = {"states_own_size": own_size}
        return parse_options({**shared, **sized, **spec.options, **self._overrides(spec)})

    def _overrides(self, spec: ProgramSpec) -> Mapping[str, Any]:
        asked = self.precision
        precision = asked.get(spec.program, asked.get(spec.source, asked.get("all")))
        chosen: dict[str, Any] = {"precision": precision}
        match spec.source:
            case "unet":
                chosen["prediction"] = self.prediction
            case "text_encoder" | "text_encoder_2":
                chosen["pad_id"] = self.pad_id
            case "vae":
                chosen["runtime_scale"] = self.latent_scale
        return {name: value for name, value in chosen.items() if value is not None}

    def recipe_for(self, spec: ProgramSpec) -> Mapping[str, Any] | None:
        """How the weights of a program are compressed, if at all."""
        return self.recipe if spec.program in COMPRESSED else None


def what_apps_leave_out(options: Options) -> tuple[str, ...]:
    """What an app will not offer of a folder with these options, in sentences."""
    no_nets = (
        "Mochi Diffusion offers no ControlNet for a ControlledUnet in halves, Apple's package does;"
        " leave --chunk out for Mochi"
    )
    return (no_nets,) if options.chunk and options.controlled else ()
