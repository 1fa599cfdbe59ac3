"""Reads pictures that people have, and writes those that are drawn, by Pillow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from sdcoreml.convert.drawing.pixels import Picture
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import open_regular
from sdcoreml.ground.refusals import translate_os_errors

_LEVEL = 6
"""zlib's usual level, stated so that the same picture gives the same bytes."""


def read_picture(path: Path, size: tuple[int, int]) -> tuple[Picture, bool]:
    """Read a picture and fit it to (width, height) as Mochi Diffusion does.

    It is scaled until it fills the size, and what juts out at two sides is cut off. Return the
    picture, with alpha if it has some, and whether it had another size.

    Raises:
        BadInputError: it cannot be read.
    """
    try:
        with open_regular(path, remedy=_GIVE) as stream, Image.open(stream) as image:
            has_alpha = "A" in image.getbands() or "transparency" in image.info
            colours = image.convert("RGBA" if has_alpha else "RGB")
    except UnidentifiedImageError:
        raise BadInputError("not a picture", where=path, remedy=_GIVE) from None
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        reason = str(error).partition("\n")[0]
        raise BadInputError(
            f"not a picture that can be read ({reason})", where=path, remedy=_GIVE
        ) from None
    fits = colours.size == size
    fitted = colours if fits else ImageOps.fit(colours, size, Image.Resampling.LANCZOS)
    return np.asarray(fitted), not fits


def shrink(picture: Picture, side: int) -> Picture:
    """Scale a picture to a square of `side` pixels."""
    image = Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(image)


def write_png(picture: Picture, path: Path) -> None:
    """Write a picture as PNG: the same bytes for the same picture.

    Raises:
        NoSpaceError: the disk is full.
        BadInputError: the file cannot be written.
    """
    with translate_os_errors(path):
        Image.fromarray(picture).save(path, format="PNG", compress_level=_LEVEL)


_GIVE = "give a PNG or JPEG file"
