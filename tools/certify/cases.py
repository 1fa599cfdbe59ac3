"""The programs that are certified: what most people convert, the most common first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sdcoreml.convert.bundle.families import PROGRAMS, ProgramSpec
from sdcoreml.convert.models.family import PIXELS_PER_LATENT, Family
from sdcoreml.convert.programs.options import ProgramOptions, parse_options
from tools.certify.models import MODELS, Config

ATTENTIONS = ("SPLIT_EINSUM", "ORIGINAL", "SPLIT_EINSUM_V2")
TARGETS = ("macOS13", "macOS14")

_SHORT: Mapping[Family, str] = {
    Family.SD1: "sd1",
    Family.SD2_BASE: "sd2-base",
    Family.SD2_V: "sd2-v",
    Family.SDXL: "sdxl",
    Family.SDXL_REFINER: "sdxl-refiner",
}
_CONTROLLED = ProgramSpec(program="controlled_unet", source="unet")
_PROGRAMS: Mapping[Family, tuple[str, ...]] = {
    Family.SD1: ("text_encoder", "unet", "controlled_unet", "vae_decoder", "vae_encoder"),
    Family.SD2_BASE: ("text_encoder", "unet"),
    Family.SD2_V: ("unet", "vae_decoder", "vae_encoder"),
    Family.SDXL: ("text_encoder", "text_encoder_2", "unet", "vae_decoder", "vae_encoder"),
    Family.SDXL_REFINER: ("unet",),
}
"""Those of each family that no family before it has in the same form and size."""

_PARTICULAR: Mapping[tuple[Family, str], Mapping[str, Any]] = {
    (Family.SD2_BASE, "text_encoder"): {"pad_id": 0},
    (Family.SD2_V, "unet"): {"prediction": "v_prediction"},
    (Family.SDXL, "vae"): {"precision": "fp32"},
}
"""What `convert.bundle.families.programs_of` asks of the published models' programs."""

_SIZES: Mapping[Family, tuple[tuple[int, int], ...]] = {
    Family.SD1: ((512, 512), (512, 768), (768, 512)),
    Family.SD2_BASE: ((512, 512),),
    Family.SD2_V: ((768, 768),),
    Family.SDXL: ((1024, 1024), (768, 768)),
    Family.SDXL_REFINER: ((1024, 1024),),
}
"""Image width and height in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One program of one family. `width` and `height` are the image's, in pixels.

    A text encoder has neither size nor attention.
    """

    family: Family
    part: ProgramSpec
    attention: str = ""
    width: int = 0
    height: int = 0
    particular: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Such as `sd1-unet-split-einsum-512x512`."""
        words = [_SHORT[self.family], self.part.program, self.attention]
        if self.width:
            words.append(f"{self.width}x{self.height}")
        return "-".join(word.lower().replace("_", "-") for word in words if word)

    @property
    def title(self) -> str:
        """For people."""
        size = f"{self.width}x{self.height}" if self.width else ""
        return ", ".join(word for word in (self.family.value, self.attention, size) if word)

    @property
    def config(self) -> Config:
        """The component's config.json."""
        return MODELS[self.family][self.part.source]

    def options(self, target: str) -> ProgramOptions:
        """What `sdcoreml convert` asks of the program."""
        size = (
            {"height": self.height // PIXELS_PER_LATENT, "width": self.width // PIXELS_PER_LATENT}
            if self.width
            else {}
        )
        attention = {"attention": self.attention} if self.attention else {}
        particular = {**self.part.options, **self.particular}
        return parse_options({**attention, **size, **particular, "target": target})


def _cases(family: Family) -> Iterator[Case]:
    for part in (*PROGRAMS[family], _CONTROLLED):
        if part.program not in _PROGRAMS[family]:
            continue
        particular = _PARTICULAR.get((family, part.source), {})
        plain = Case(family=family, part=part, particular=particular)
        if part.source.startswith("text"):
            yield plain
            continue
        for width, height in _SIZES[family]:
            for attention in ATTENTIONS if part.source == "unet" else ("",):
                yield replace(plain, width=width, height=height, attention=attention)


CASES: Mapping[str, Case] = {case.name: case for family in MODELS for case in _cases(family)}
"""By name, in the order in which they are certified."""
