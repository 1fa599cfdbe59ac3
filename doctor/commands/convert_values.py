"""The values of `sdcoreml convert`'s options: each function is a `type` of argparse."""

from __future__ import annotations

import argparse

from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.convert.models.lora import LoraSource, parse_lora
from sdcoreml.convert.programs.options import Precision, Target
from sdcoreml.envs.building.base import BACKENDS

LARGEST = 2048
"""Pixels a side: twice what SDXL is trained for. Attention's memory grows with the fourth power of
it, so that no app draws more, and building such programs takes minutes for nothing."""


OURS, UPSTREAM = "sdcoreml", "upstream"
CONVERTERS = (OURS, UPSTREAM)


def converter(text: str) -> str:
    """The name of a converter.

    Raises:
        argparse.ArgumentTypeError: there is none of that name; what an environment is built on is
            another question.
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
    """A LoRA from `FILE[:SCALE]`. Raises `argparse.ArgumentTypeError` for an odd scale."""
    try:
        return parse_lora(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def attention_name(text: str) -> str:
    """A name of an attention layout in the spelling of this command; Apple's is `SPLIT_EINSUM`."""
    return text.lower().replace("_", "-")


def positive_int(text: str) -> int:
    """A count of at least one. Raises `argparse.ArgumentTypeError` for anything else."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def whole_number(text: str) -> int:
    """A number counted from 0. Raises `argparse.ArgumentTypeError` for anything else."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def image_size(text: str) -> tuple[int, int]:
    """Width and height of an image from `WxH`.

    Raises:
        argparse.ArgumentTypeError: it is something else, no multiple of 8, or beyond `LARGEST`.
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
            f"{width}x{height} is larger than any app draws; choose at most {LARGEST} pixels a side"
        )
    return width, height


def name_set(text: str) -> frozenset[str]:
    """Names of programs or components, separated by commas."""
    return frozenset(filter(None, (word.strip() for word in text.split(","))))


def folder_name(text: str) -> str:
    """A name that a folder can have.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    if not text.strip() or text.startswith(".") or {*text} & {"/", "\\", ":", "\0"}:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a name for a folder; choose one without / and :, as cat"
        )
    return text


def precision(text: str) -> tuple[str, Precision]:
    """A component, "all" if none is named, and its precision.

    Raises:
        argparse.ArgumentTypeError: it is not a precision.
    """
    name, _, word = text.rpartition("=")
    try:
        return name or "all", Precision(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not fp16 or fp32, nor NAME=fp32") from None


def positive_number(text: str) -> float:
    """A number above 0.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if 0 < number < float("inf"):
        return number
    raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")


def target(text: str) -> Target:
    """A deployment target by either name: iOS16 is macOS13.

    Raises:
        argparse.ArgumentTypeError: nothing is written for that system.
    """
    try:
        return Target.named(text)
    except ValueError:
        known = ", ".join(Target.names())
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {known}") from None
