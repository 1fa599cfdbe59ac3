"""What a caller may choose about a whole folder, and what each program hears of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from convert.families import Part

ATTENTIONS = ("SPLIT_EINSUM", "ORIGINAL", "SPLIT_EINSUM_V2")

COMPRESSED = frozenset({"text_encoder", "text_encoder_2", "unet", "controlled_unet"})
"""Programs that a recipe is for; a VAE is small, and shows every bit it loses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to convert; recorded in the manifest. All but the last two are `ProgramOptions`'.

    `attention` is one of `ATTENTIONS`. `height` and `width` are the latent's, an eighth of the
    image's. `controlled` asks for a UNet that takes a ControlNet's residuals, too. `recipe`
    compresses the weights of `COMPRESSED`; its fields are `convert.compress.Recipe`'s.
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
    recipe: Mapping[str, Any] | None = None


def program_options(options: Options, part: Part) -> Mapping[str, Any]:
    """What was asked for, and what the model itself asks for: fields of `ProgramOptions`."""
    others = ("controlled", "recipe")
    fields = {key: value for key, value in asdict(options).items() if key not in others}
    return {**fields, **part.options}
