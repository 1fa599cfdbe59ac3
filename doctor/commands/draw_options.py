"""The options of `sdcoreml draw`, and what they ask for."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from sdcoreml.convert.drawing.choices import SEEDS, Method, Rng, Spacing
from sdcoreml.convert.jobs.draw import GUIDANCE, STEPS, STRENGTH, Request
from sdcoreml.convert.jobs.manifest import Manifest
from sdcoreml.convert.loading.record import COREML as COREML_UNITS
from sdcoreml.doctor.commands.verify_coreml import COREML, UNTRIED
from sdcoreml.doctor.core.backend import add_toolchain
from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.places import as_path

DEVICES = ("cpu", "cuda", "mps")
"""torch's names for devices."""

APP, MODEL = "app", "model"
"""Whose ids the model's own modules get, by the names that `--ids` has for them."""

_COREML_ALONE = "Core ML decides on size, device and precision: leave those options out"
_MOST_STEPS = 1000
_FEWEST_OF_PNDM = 2


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("folder", type=as_path, help="a folder that sdcoreml convert made")
    add("prompt", nargs="+", help="what to draw; of several, each is a row of a contact sheet")
    add("--negative", default="", metavar="TEXT", help="what not to draw")
    add("--steps", type=int, metavar="N", help=f"default: {STEPS}, or what the model advises")
    add("--guidance", type=float, metavar="X", help=f"default: {GUIDANCE:g}, or as advised")
    add("--seed", type=int, default=0, metavar="N", help="the picture's number (default: 0)")
    _configure_noise(parser)
    add("--image", type=as_path, metavar="PICTURE", help="start from this picture")
    add(
        "--strength",
        type=float,
        default=argparse.SUPPRESS,
        metavar="X",
        help=f"how much of --image is replaced, from 0 to 1 (default: {STRENGTH:g})",
    )
    _configure_nets(parser)
    add(
        "--precision",
        choices=("fp16", "fp32"),
        default=argparse.SUPPRESS,
        help="default: fp16, as on a Mac",
    )
    _configure_comparison(parser)
    add(
        "--preview",
        action="store_true",
        help="draw a much smaller picture in seconds, to see that everything works",
    )
    _configure_place(parser)
    add("--size", type=_size, metavar="WxH", help=argparse.SUPPRESS)
    add("-o", "--output", type=as_path, default=Path("picture.png"), metavar="PNG")
    add("--html", type=as_path, metavar="FILE", help="also write a page with all pictures")
    add_toolchain(parser)
    add("--json", action="store_true", help="print what was done as JSON on stdout")


def _configure_noise(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--scheduler",
        choices=[one.value for one in Method],
        default=Method.DPM.value,
        help="default: dpmpp, DPM-Solver++, as in Mochi",
    )
    add(
        "--spacing",
        choices=[one.value for one in Spacing],
        help="the steps of dpmpp (default: linspace, for SDXL karras)",
    )
    add(
        "--rng",
        choices=[one.value for one in Rng],
        default=Rng.NUMPY.value,
        help="where the noise comes from (default: numpy, as in Mochi)",
    )


def _configure_comparison(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--against",
        type=as_path,
        metavar="MODEL",
        help="draw the same with the model that the folder was made from, side by side, and say"
        " how near the two are, step by step",
    )
    add(
        "--compare",
        type=as_path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="draw the same with this folder, beside the first: what do 6 bits cost? repeatable",
    )
    add(
        "--ids",
        choices=(APP, MODEL),
        default=APP,
        help="with --against: the tokenizer that reads the prompt for the model (default: the"
        " app's, as for the folder)",
    )
    add("--refiner", type=as_path, metavar="MODEL", help="with --against: SDXL's refiner")


def _configure_nets(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--controlnet",
        type=as_path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="a ControlNet's finished folder; may be repeated, each with its --control-image",
    )
    add(
        "--control-image",
        type=as_path,
        action="append",
        default=[],
        metavar="PICTURE",
        help="the picture that the ControlNet follows",
    )
    add(
        "--mask",
        type=as_path,
        metavar="PICTURE",
        help="white where a ControlNet for inpainting fills a hole in its picture",
    )


def _configure_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default=DEVICES[0],
        help="where torch computes (default: cpu)",
    )
    parser.add_argument(
        "--with",
        dest="through",
        choices=(COREML,),
        help=f"on a Mac, run the programs through Core ML itself ({UNTRIED})",
    )


def read_request(args: argparse.Namespace) -> Request:
    """Return what the command line asks for.

    Raises:
        UsageError: an option is out of its range, or lacks the one that it belongs to.
    """
    for fault, message, place in _faults(args):
        if fault:
            raise UsageError(message, where=place)
    return Request(
        folder=args.folder,
        prompt=args.prompt[0],
        negative=args.negative,
        steps=args.steps,
        guidance=args.guidance,
        method=Method(args.scheduler),
        spacing=Spacing(args.spacing) if args.spacing else None,
        rng=Rng(args.rng),
        seed=args.seed,
        start=args.image,
        strength=getattr(args, "strength", STRENGTH),
        nets=dict(zip(args.controlnet, args.control_image, strict=True)),
        mask=args.mask,
        size=args.size,
        precision=getattr(args, "precision", "fp16"),
        against=args.against,
        refiner=args.refiner,
        own_ids=args.ids == MODEL,
        preview=args.preview,
        device=args.device,
        units=_units_of_apps if args.through else None,
    )


def _units_of_apps(manifest: Manifest, component: str) -> str:
    from sdcoreml.convert.loading.measure import units_of_apps

    return COREML_UNITS[units_of_apps(manifest, component)]


def _faults(args: argparse.Namespace) -> Iterator[tuple[bool, str, str]]:
    """Yield for each rule whether it is broken, what to say then, and of which option."""
    is_pndm = args.scheduler == Method.PNDM.value
    fewest = _FEWEST_OF_PNDM if is_pndm else 1
    steps = fewest if args.steps is None else args.steps
    yield not fewest <= steps <= _MOST_STEPS, f"from {fewest} to {_MOST_STEPS}", "--steps"
    yield not 0 <= args.seed < SEEDS, f"from 0 to {SEEDS - 1}", "--seed"
    guidance = 0 if args.guidance is None else args.guidance
    yield not 0 <= guidance < _MOST_STEPS, f"from 0 to {_MOST_STEPS - 1}", "--guidance"
    yield not 0 < getattr(args, "strength", 1) <= 1, "above 0, and at most 1", "--strength"
    yield "strength" in args and not args.image, "needs --image", "--strength"
    yield bool(args.spacing and is_pndm), "is for --scheduler dpmpp", "--spacing"
    nets, pictures = len(args.controlnet), len(args.control_image)
    yield nets != pictures, "needs as many of --controlnet as of --control-image", "--control-image"
    yield len({*args.controlnet}) != nets, "the same folder twice", "--controlnet"
    yield bool(args.ids != APP and not args.against), "needs --against", "--ids"
    yield bool(args.refiner and not args.against), "needs --against", "--refiner"
    yield bool(args.mask and not nets), "needs a --controlnet for inpainting", "--mask"
    own = args.preview or args.device != DEVICES[0] or "precision" in args
    yield bool(args.through and own), _COREML_ALONE, "--with coreml"


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    try:
        return int(width), int(height or width)
    except ValueError:
        raise argparse.ArgumentTypeError(f"not a size such as 512x768: {text}") from None
