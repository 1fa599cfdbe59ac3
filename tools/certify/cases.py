"""The programs that are certified: those of the sample and of the most converted models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from sdcoreml.convert.bundle.families import PROGRAMS, ProgramSpec
from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.convert.programs.options import ProgramOptions, Runtime, parse_options
from tools.certify.models import MODELS, Config

ATTENTIONS = ("SPLIT_EINSUM", "ORIGINAL", "SPLIT_EINSUM_V2")
TARGETS = ("macOS13", "macOS14")

_CONTROLLED = ProgramSpec(program="controlled_unet", source="unet")
_PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "sample": ("text_encoder", "unet", "vae_decoder", "vae_encoder"),
    "miniature": ("text_encoder", "unet", "vae_decoder", "vae_encoder"),
    "sd1": ("text_encoder", "unet", "controlled_unet", "vae_decoder", "vae_encoder"),
    "sd2-base": ("text_encoder", "unet"),
    "sd2-v": ("unet", "vae_decoder", "vae_encoder"),
    "sdxl": ("text_encoder", "text_encoder_2", "unet", "vae_decoder", "vae_encoder"),
    "sdxl-refiner": ("unet",),
    "lcm": (),
}
"""For each model, the programs to certify, except those that equal an earlier model's."""

_FOR_COMFYUI: Mapping[str, tuple[str, ...]] = {
    "sample": ("unet",),
    "miniature": ("unet", "controlled_unet"),
    "sd1": ("unet", "controlled_unet"),
    "sd2-base": ("unet", "controlled_unet"),
    "sd2-v": ("unet", "controlled_unet"),
    "sdxl": ("unet", "controlled_unet"),
    "sdxl-refiner": ("unet",),
    "lcm": ("unet", "controlled_unet"),
}
"""For each model, the programs that are certified for ComfyUI, in a batch of 1.

Those of other sizes and batches differ in shapes only, if every level halves the size evenly.
"""

_SIZES_FOR_COMFYUI: Mapping[str, tuple[tuple[int, int], ...]] = {
    "sample": ((128, 128),),
    "miniature": ((256, 256),),
    "sd1": ((512, 512), (256, 256)),
    "sd2-base": ((256, 256),),
    "sd2-v": ((256, 256),),
    "sdxl": ((256, 256),),
    "sdxl-refiner": ((256, 256),),
    "lcm": ((256, 256),),
}
"""The image sizes that are certified for ComfyUI: small ones, except for what most people use.

The pieces of SPLIT_EINSUM_V2 follow the size, so that layout is certified for sizes in use only.
"""

_PARTICULAR: Mapping[tuple[str, str], Mapping[str, object]] = {
    ("sd2-base", "text_encoder"): {"pad_id": 0},
    ("sd2-v", "unet"): {"prediction": "v_prediction"},
    ("sdxl", "vae"): {"precision": "fp32"},
}
"""The options that `convert.bundle.families.programs_of` sets for programs of published models."""

_SIZES: Mapping[str, tuple[tuple[int, int], ...]] = {
    "sample": ((128, 128),),
    "miniature": ((256, 256),),
    "sd1": ((512, 512), (512, 768), (768, 512)),
    "sd2-base": ((512, 512),),
    "sd2-v": ((768, 768),),
    "sdxl": ((1024, 1024), (768, 768)),
    "sdxl-refiner": ((1024, 1024),),
    "lcm": ((512, 512),),
}
"""The certified image sizes of each model: width and height in pixels."""

_ATTENTIONS_OF: Mapping[str, tuple[str, ...]] = {"sample": ("SPLIT_EINSUM", "ORIGINAL")}
"""Models without SPLIT_EINSUM_V2: 256 queries are one chunk, so its graph is SPLIT_EINSUM's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One program to certify; `model` is a key of `MODELS`, `width` and `height` are in pixels.

    A text encoder has neither size nor attention.
    """

    model: str
    part: ProgramSpec
    attention: str = ""
    width: int = 0
    height: int = 0
    particular: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The case's name, such as `sd1-unet-split-einsum-512x512`."""
        runtime = [Runtime.COMFYUI.value] if self.is_for_comfyui else []
        words = [*runtime, self.model, self.part.program, self.attention]
        if self.width:
            words.append(f"{self.width}x{self.height}")
        return "-".join(word.lower().replace("_", "-") for word in words if word)

    @property
    def title(self) -> str:
        """The case's title, as shown to users."""
        size = f"{self.width}x{self.height}" if self.width else ""
        what = MODELS[self.model].title + (" for ComfyUI" if self.is_for_comfyui else "")
        return ", ".join(word for word in (what, self.attention, size) if word)

    @property
    def is_for_comfyui(self) -> bool:
        """Whether ComfyUI's nodes call the program."""
        return self.particular.get("runtime") == Runtime.COMFYUI.value

    @property
    def config(self) -> Config:
        """The component's config.json."""
        return MODELS[self.model].configs[self.part.source]

    def options(self, target: str) -> ProgramOptions:
        """Return the program's options, the same as `sdcoreml convert` would use."""
        size = (
            {"height": self.height // PIXELS_PER_LATENT, "width": self.width // PIXELS_PER_LATENT}
            if self.width
            else {}
        )
        attention = {"attention": self.attention} if self.attention else {}
        particular = {**self.part.options, **self.particular}
        return parse_options({**attention, **size, **particular, "target": target})


def _cases(model: str) -> Iterator[Case]:
    yield from _for_apps(model)
    yield from _for_comfyui(model)


def _for_comfyui(model: str) -> Iterator[Case]:
    own = _PARTICULAR.get((model, "unet"), {})
    for program in _FOR_COMFYUI[model]:
        plain = Case(
            model=model,
            part=ProgramSpec(program=program, source="unet"),
            particular={**own, "batch": 1, "runtime": Runtime.COMFYUI.value},
        )
        for width, height in _SIZES_FOR_COMFYUI[model]:
            for attention in _ATTENTIONS_OF.get(model, ATTENTIONS):
                if attention != "SPLIT_EINSUM_V2" or (width, height) in _SIZES[model]:
                    yield replace(plain, attention=attention, width=width, height=height)


def _for_apps(model: str) -> Iterator[Case]:
    for part in (*PROGRAMS[MODELS[model].family], _CONTROLLED):
        if part.program not in _PROGRAMS[model]:
            continue
        particular = _PARTICULAR.get((model, part.source), {})
        plain = Case(model=model, part=part, particular=particular)
        if part.source.startswith("text"):
            yield plain
            continue
        for width, height in _SIZES[model]:
            for attention in (
                _ATTENTIONS_OF.get(model, ATTENTIONS) if part.source == "unet" else ("",)
            ):
                yield replace(plain, width=width, height=height, attention=attention)


CASES: Mapping[str, Case] = {case.name: case for model in MODELS for case in _cases(model)}
"""All cases by name, in the order in which they are certified."""
