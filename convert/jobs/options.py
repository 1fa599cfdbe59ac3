"""The options of a conversion, and the options of each program that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sdcoreml.convert.bundle.families import ProgramSpec
from sdcoreml.convert.programs.options import (
    DEFAULT_TOKENS,
    Attention,
    Precision,
    Prediction,
    ProgramOptions,
    Runtime,
    Target,
    parse_options,
)

ATTENTIONS = (Attention.SPLIT_EINSUM, Attention.ORIGINAL, Attention.SPLIT_EINSUM_V2)
"""The layouts of attention that can be chosen; the first is the default."""

COMPRESSED = frozenset(
    {"text_encoder", "text_encoder_2", "unet", "controlled_unet", "unet_refiner", "controlnet"}
)
"""Programs that a recipe applies to. VAEs are small, and compressing them visibly costs quality."""

SHARED = ("attention", "height", "width", "batch", "tokens", "clip_skip", "target", "runtime")
"""Options that have the same value in every program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a conversion, recorded in the manifest.

    Attributes:
        attention: layout of every UNet's attention.
        height: height of the latent, an eighth of the image's.
        width: width of the latent, an eighth of the image's.
        batch: rows of the UNet's inputs: 2, or 1, with which apps call the UNet twice per step; for
            ComfyUI, any number.
        tokens: length of a prompt.
        clip_skip: 2 leaves out the text encoder's last block, 3 the last two.
        target: the oldest system that can run the programs.
        states_own_size: SDXL's UNet is told the size that it was built for, not the app's value.
        controlled: also make a UNet that takes a ControlNet's residuals.
        safety_checker: also make the safety checker.
        refiner: also make the UNet of SDXL's refiner.
        chunk: write every UNet in two halves.
        recipe: fields of the `Recipe` that compresses the programs in `COMPRESSED`.
        precision: maps a program, or a component for all its programs, to a precision; the key
            "all" is for the rest. By default the model decides: float16, or float32 for a VAE that
            overflows float16.
        prediction: what the UNet predicts; `None` trusts the model's scheduler.
        pad_id: the token id that pads prompts; `None` trusts the model's tokenizers.
        latent_scale: the factor that the app applies to latents; `None` is the family's constant.
        accept_schedule: convert a model even if its noise schedule is not the apps'.
        runtime: what calls the UNet. For ComfyUI, only a UNet is made (`convert.jobs.for_comfyui`).
    """

    attention: Attention
    height: int
    width: int
    batch: int = 2
    tokens: int = DEFAULT_TOKENS
    clip_skip: int = 1
    target: Target = Target.MACOS13
    states_own_size: bool = False
    controlled: bool = False
    safety_checker: bool = False
    refiner: bool = False
    chunk: bool = False
    recipe: Mapping[str, object] | None = None
    precision: Mapping[str, Precision] = field(default_factory=dict)
    prediction: Prediction | None = None
    pad_id: int | None = None
    latent_scale: float | None = None
    accept_schedule: bool = False
    runtime: Runtime = Runtime.SWIFT

    @property
    def is_for_comfyui(self) -> bool:
        """Whether the result is for ComfyUI's nodes."""
        return self.runtime is Runtime.COMFYUI

    @property
    def wanted(self) -> tuple[str, ...]:
        """The optional programs that were requested: keys of `convert.bundle.families.OPTIONAL`."""
        asked = {
            "controlled_unet": self.controlled,
            "safety_checker": self.safety_checker,
            "unet_refiner": self.refiner,
        }
        return tuple(program for program, is_wanted in asked.items() if is_wanted)

    def for_program(self, spec: ProgramSpec) -> ProgramOptions:
        """Return the options of one program.

        What the user chose for a program overrides what the model needs, and both override the
        options that all programs share.

        Raises:
            UnsupportedError: the model needs an option that no builder supports.
        """
        shared = {name: getattr(self, name) for name in SHARED}
        own_size = self.states_own_size and spec.program in ("unet", "unet_refiner")
        sized = {"states_own_size": own_size}
        return parse_options({**shared, **sized, **spec.options, **self._overrides(spec)})

    def _overrides(self, spec: ProgramSpec) -> Mapping[str, object]:
        asked = self.precision
        precision = asked.get(spec.program, asked.get(spec.source, asked.get("all")))
        chosen: dict[str, object] = {"precision": precision}
        match spec.source:
            case "unet":
                chosen["prediction"] = self.prediction
            case "text_encoder" | "text_encoder_2":
                chosen["pad_id"] = self.pad_id
            case "vae":
                chosen["runtime_scale"] = self.latent_scale
        return {name: value for name, value in chosen.items() if value is not None}

    def recipe_for(self, spec: ProgramSpec) -> Mapping[str, object] | None:
        """Return the recipe for a program's weights, or `None` if they stay uncompressed."""
        return self.recipe if spec.program in COMPRESSED else None


def what_apps_leave_out(options: Options) -> tuple[str, ...]:
    """Return sentences that say what an app will not offer for a folder with these options."""
    no_nets = (
        "Mochi Diffusion cannot use ControlNets with a ControlledUnet in halves, Apple's package"
        " can; leave --chunk out for Mochi"
    )
    return (no_nets,) if options.chunk and options.controlled else ()
