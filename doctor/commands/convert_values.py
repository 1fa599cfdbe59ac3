"""Parses the values of `sdcoreml convert`'s options: each function is an argparse `type`."""

from __future__ import annotations

import argparse

from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.convert.models.lora import LoraSource, parse_lora
from sdcoreml.convert.programs.options import Precision, Target
from sdcoreml.envs.building.base import BACKENDS

LARGEST = 2048
"""The largest side of an image in pixels, twice what SDXL is trained for.

Attention's memory grows with the fourth power of the side: no app could run a larger program.
"""


OURS, UPSTREAM = "sdcoreml", "upstream"
CONVERTERS = (OURS, UPSTREAM)


def converter(text: str) -> str:
    """Parse the name of a converter.

    Raises:
        argparse.ArgumentTypeError: no converter has that name; for the backend of an environment
            ("venv", "conda"), the message names the right option.
    """
    if text in CONVERTERS:
        return text
    known = " or ".join(CONVERTERS)
    if text in BACKENDS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a converter ({known}); for an environment built on it"
            f" set BACKEND={text}"
        )
    raise argparse.ArgumentTypeError(f"{text!r} is not a converter; choose {known}")


def lora(text: str) -> LoraSource:
    """Parse `FILE[:SCALE]`; raise `argparse.ArgumentTypeError` if the scale is not a number."""
    try:
        return parse_lora(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def attention_name(text: str) -> str:
    """Convert an attention layout's name to our spelling; Apple's is `SPLIT_EINSUM`."""
    return text.lower().replace("_", "-")


def positive_int(text: str) -> int:
    """Parse an integer of at least 1; raise `argparse.ArgumentTypeError` for anything else."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def whole_number(text: str) -> int:
    """Parse an integer of at least 0; raise `argparse.ArgumentTypeError` for anything else."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def image_size(text: str) -> tuple[int, int]:
    """Parse width and height of an image from `WxH`.

    Raises:
        argparse.ArgumentTypeError: the text is malformed, or a side is not a multiple of 8 or is
            larger than `LARGEST`.
    """
    width, _, height = text.lower().partition("x")
    if (
        width.isdecimal()
        and height.isdecimal()
        and int(width)
        and int(height)
        and not int(width) % PIXELS_PER_LATENT
        and not int(height) % PIXELS_PER_LATENT
    ):
        return _drawable(int(width), int(height))
    raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxHEIGHT in multiples of 8, as 512x768")


def _drawable(width: int, height: int) -> tuple[int, int]:
    if max(width, height) > LARGEST:
        raise argparse.ArgumentTypeError(
            f"{width}x{height} is too large for any app; choose at most {LARGEST} pixels a side"
        )
    return width, height


def name_set(text: str) -> frozenset[str]:
    """Parse names of programs or components, separated by commas."""
    return frozenset(filter(None, (word.strip() for word in text.split(","))))


def folder_name(text: str) -> str:
    """Check that a text can be the name of a folder.

    Raises:
        argparse.ArgumentTypeError: the text cannot be the name of a folder.
    """
    if not text.strip() or text.startswith(".") or {*text} & {"/", "\\", ":", "\0"}:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a name for a folder; choose one without / and :, as cat"
        )
    return text


def precision(text: str) -> tuple[str, Precision]:
    """Parse `[COMPONENT=]PRECISION`; the component is "all" if none is given.

    Raises:
        argparse.ArgumentTypeError: the precision is not fp16 or fp32.
    """
    name, _, word = text.rpartition("=")
    try:
        return name or "all", Precision(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not fp16 or fp32, nor NAME=fp32") from None


def positive_number(text: str) -> float:
    """Parse a number above 0.

    Raises:
        argparse.ArgumentTypeError: the text is not a number above 0.
    """
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if 0 < number < float("inf"):
        return number
    raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")


def target(text: str) -> Target:
    """Parse a deployment target by either name: iOS16 is macOS13.

    Raises:
        argparse.ArgumentTypeError: that system is not supported.
    """
    try:
        return Target.named(text)
    except ValueError:
        known = ", ".join(Target.names())
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {known}") from None
