"""Predicts from headers and sizes which parts of a model a certificate will prove.

Whether a graph equals a certified one is known only once it is built. Before, a part counts as
certified that has a published model's number of parameters, and whose attention and size have been
certified for that model.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sdcoreml.doctor.core.subjects import ComponentState, ModelFolder

CLOSE = 0.001
"""The tolerance of a parameter count, as a share, because only some libraries save buffers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A model whose graphs were certified: its parameters, and the titles of its certificates."""

    parameters: Mapping[str, int]
    titles: tuple[str, ...]
    vae: tuple[str, ...]


_SD1, _SD2, _XL = "Stable Diffusion 1.x", "Stable Diffusion 2.x", "Stable Diffusion XL base"
_SD2_TITLES = (f"{_SD2} base", f"{_SD2} v-prediction")

PUBLISHED = (
    Published(
        parameters={"unet": 859_520_964, "vae": 83_653_863, "text_encoder": 123_060_480},
        titles=(_SD1,),
        vae=(_SD1,),
    ),
    Published(
        parameters={"unet": 865_910_724, "vae": 83_653_863, "text_encoder": 340_387_840},
        titles=_SD2_TITLES,
        vae=(*_SD2_TITLES, _SD1),
    ),
    Published(
        parameters={
            "unet": 2_567_463_684,
            "vae": 83_653_863,
            "text_encoder": 123_060_480,
            "text_encoder_2": 694_659_840,
        },
        titles=(_XL,),
        vae=(_XL,),
    ),
)
"""Counted from the configs that were certified, as a test does again (`tools.certify.models`); the
VAE of all is one architecture, scaled otherwise."""


def is_certified(
    part: ComponentState,
    model: ModelFolder,
    certified: Collection[str],
    *,
    attention: str,
    size: tuple[int, int],
) -> bool:
    """Whether a part's programs are among the `certified`, `<component>: <title>` without a system.

    `size` is width and height of the image in pixels.
    """
    known = next((one for one in PUBLISHED if _is_one(model, one)), None)
    if known is None or not _is_near(part, known):
        return False
    picture = f"{size[0]}x{size[1]}"
    if part.name == "unet":
        return any(f"unet: {title}, {attention}, {picture}" in certified for title in known.titles)
    if part.name == "vae":
        return all(
            any(f"{program}: {title}, {picture}" in certified for title in known.vae)
            for program in ("vae_decoder", "vae_encoder")
        )
    return any(f"{part.name}: {title}" in certified for title in known.titles)


def _is_one(model: ModelFolder, known: Published) -> bool:
    return any(part.name == "unet" and _is_near(part, known) for part in model.components)


def _is_near(part: ComponentState, known: Published) -> bool:
    count = known.parameters.get(part.name, 0)
    return abs(part.parameters - count) < CLOSE * count
