"""What may be asked of `sdcoreml convert`, and how it is spelled."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from convert.options import ATTENTIONS

METHODS = ("kmeans", "uniform", "linear")
TARGETS = ("macOS13", "macOS14", "macOS15")


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", nargs="?", type=Path, help="a diffusers folder")
    parser.add_argument(
        "--sample", action="store_true", help="make a small model of random weights and convert it"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER", help="default: models/NAME_ATTENTION_WxH"
    )
    parser.add_argument(
        "--attention",
        choices=[name.lower().replace("_", "-") for name in ATTENTIONS],
        default="split-einsum",
        help="split-einsum for the Neural Engine (default), original for the GPU",
    )
    parser.add_argument(
        "--toolchain", default=os.environ.get("TOOLCHAIN") or "tested", help="default: tested"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    _add_choices(parser)


def _add_choices(parser: argparse.ArgumentParser) -> None:
    """Declare what may be chosen about the programs themselves."""
    parser.add_argument(
        "--size",
        action="append",
        default=[],
        type=pixels,
        metavar="WxH",
        help="image size in pixels, a folder for each; repeat it for more (default: the model's)",
    )
    parser.add_argument(
        "--controlled",
        action="store_true",
        help="also a ControlledUnet, which takes a ControlNet's residuals",
    )
    parser.add_argument(
        "--clip-skip",
        type=int,
        default=1,
        metavar="N",
        help="2 leaves out the text encoder's last block, 3 the last two",
    )
    parser.add_argument(
        "--bits",
        type=int,
        choices=(1, 2, 4, 6, 8),
        help="compress text encoders and UNets to palettes of so many bits",
    )
    parser.add_argument(
        "--method",
        choices=METHODS,
        default=METHODS[0],
        help="with --bits: cluster the weights (kmeans, default), equal steps, or 8-bit integers",
    )
    parser.add_argument(
        "--recipe",
        type=Path,
        metavar="JSON",
        help="compress as this file says: method, bits, and bits of single layers",
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="run every program, also those whose graph is certified",
    )
    parser.add_argument(
        "--target",
        choices=TARGETS,
        default=TARGETS[0],
        help=f"oldest system to run on (default: {TARGETS[0]})",
    )


def pixels(text: str) -> tuple[int, int]:
    """Width and height of an image from `WxH`.

    Raises:
        argparse.ArgumentTypeError: it is something else, or no multiple of 8.
    """
    width, _, height = text.lower().partition("x")
    if width.isdecimal() and height.isdecimal() and not int(width) % 8 and not int(height) % 8:
        return int(width), int(height)
    raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxHEIGHT in multiples of 8, as 512x768")
