"""Predicts from headers and sizes which parts of a model a certificate will prove.

Only a built graph can be compared with the certified ones. Before that, a component counts as
certified if it has as many parameters as the same component of a published model, and the attention
and size were certified for that model.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sdcoreml.doctor.core.subjects import ComponentState, ModelFolder

CLOSE = 0.001
"""The relative tolerance of a parameter count: some libraries also save buffers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A published model with certificates: its parameter counts, and the certificates' titles.

    `vae` are the titles under which its VAE is certified, `titles` those of all other components.
    """

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
"""The published models; a test recounts the parameters from their configs.

All VAEs have the same architecture and differ only in their scaling factor.
"""


def is_certified(
    part: ComponentState,
    model: ModelFolder,
    certified: Collection[str],
    *,
    attention: str,
    size: tuple[int, int],
    caller: str = "",
) -> bool:
    """Return True if a component's programs are certified.

    `certified` has the certificates, as `<component>: <title>` without the target. `size` is width
    and height of the image in pixels. `caller` is what a UNet's titles say of what calls it.
    """
    known = next((one for one in PUBLISHED if _is_one(model, one)), None)
    if known is None or not _is_near(part, known):
        return False
    picture = f"{size[0]}x{size[1]}"
    if part.name == "unet":
        titles = (f"unet: {title}{caller}, {attention}, {picture}" for title in known.titles)
        return any(title in certified for title in titles)
    if part.name == "vae":
        return all(
            any(f"{program}: {title}, {picture}" in certified for title in known.vae)
            for program in ("vae_decoder", "vae_encoder")
        )
    return any(f"{part.name}: {title}" in certified for title in known.titles)


def is_certified_at_another_size(
    part: ComponentState,
    model: ModelFolder,
    certified: Collection[str],
    *,
    attention: str,
    caller: str = "",
) -> bool:
    """Return True if a component's programs are certified at any size.

    Those of another size differ only in shapes, unless attention is laid out in pieces, whose
    number follows from the size.
    """
    known = next((one for one in PUBLISHED if _is_one(model, one)), None)
    if known is None or not _is_near(part, known):
        return False
    if part.name == "vae":
        starts = tuple(f"vae_decoder: {title}, " for title in known.vae)
        return any(name.startswith(starts) for name in certified)
    starts = tuple(f"{part.name}: {title}{caller}, {attention}, " for title in known.titles)
    return attention != "SPLIT_EINSUM_V2" and any(name.startswith(starts) for name in certified)


def _is_one(model: ModelFolder, known: Published) -> bool:
    return any(part.name == "unet" and _is_near(part, known) for part in model.components)


def _is_near(part: ComponentState, known: Published) -> bool:
    count = known.parameters.get(part.name, 0)
    return abs(part.parameters - count) < CLOSE * count
