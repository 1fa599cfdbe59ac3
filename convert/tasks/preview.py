"""Rewrites a folder's programs for a small picture: the same graphs and weights, far less work."""

from __future__ import annotations

from dataclasses import dataclass

from sdcoreml.convert.certificates.extents import Extents
from sdcoreml.convert.certificates.resize import resize
from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.convert.storage.package import OpenProgram
from sdcoreml.ground.errors import UnsupportedError, UsageError

_SIZED = {"sample": 1, "z": 1, "x": PIXELS_PER_LATENT}
"""The inputs that give a program its size, with how many of their elements a latent's side has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Height and width of latents."""

    height: int
    width: int


def smallest_size(unet: OpenProgram) -> Size:
    """Return the smallest size of about the same shape that a UNet's graph can be drawn for.

    The smallest level of its maps is then two positions high or wide. Nothing else of a graph
    depends on the size, except where attention takes its queries in pieces.
    """
    own = _extents(unet)
    if own is None:
        raise UnsupportedError("has no latents", where=unet.path)
    halvings = sum(
        item.type == "upsample_nearest_neighbor" for item in unet.function.block.operations
    )
    unit = 2 ** (halvings + 1)
    short = min(own.height, own.width)
    if short <= unit:
        return Size(height=own.height, width=own.width)
    height, width = (unit * round(side / short) for side in (own.height, own.width))
    return Size(height=height, width=width)


def shrink_program(program: OpenProgram, size: Size) -> OpenProgram:
    """Return a program for this size of latents; one that has no size is returned as it is.

    Raises:
        UsageError: its graph depends on the size.
    """
    own = _extents(program)
    if own is None or (own.height, own.width) == (size.height, size.width):
        return program
    after = Extents(height=size.height, width=size.width, batch=own.batch)
    try:
        return resize(program, own, after)
    except UnsupportedError as error:
        raise UsageError(
            f"has a graph for its own size alone ({error.what})",
            where=program.path,
            remedy="leave --preview out; the attention SPLIT_EINSUM has previews",
        ) from None


def _extents(program: OpenProgram) -> Extents | None:
    shapes = program.function.input_shapes
    for name, scale in _SIZED.items():
        if name in shapes:
            batch, _, height, width = shapes[name]
            return Extents(height=height // scale, width=width // scale, batch=batch)
    return None
