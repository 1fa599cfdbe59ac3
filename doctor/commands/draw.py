"""`sdcoreml draw`: draws a picture with a finished folder, on any system, as the apps do."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from sdcoreml.convert.drawing.choices import SEEDS, Method, Rng, Spacing
from sdcoreml.convert.drawing.wish import Drawn, Likeness, Reading
from sdcoreml.convert.jobs.draw import (
    GUIDANCE,
    STEPS,
    STRENGTH,
    Column,
    Drawing,
    Request,
    draw,
    draw_sheet,
)
from sdcoreml.convert.jobs.manifest import MARKER, Manifest
from sdcoreml.convert.loading.record import COREML as COREML_UNITS
from sdcoreml.convert.proof.decibels import format_db
from sdcoreml.convert.worker import Runner
from sdcoreml.doctor.commands import verify_coreml
from sdcoreml.doctor.commands.convert_environment import require_torch
from sdcoreml.doctor.commands.verify import EnvironmentOnDemand
from sdcoreml.doctor.commands.verify_coreml import FindMac, find_mac
from sdcoreml.doctor.core.backend import add_toolchain
from sdcoreml.doctor.report.terminal import draw as draw_progress
from sdcoreml.ground.aside import file_aside, scratch_beside
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.outputs import require_beginning
from sdcoreml.ground.places import as_path
from sdcoreml.ground.quantity import amount
from sdcoreml.lockfiles.toolchain import load_toolchain

SCHEMA = 1
"""The version of the format that `--json` prints."""

PNG = b"\x89PNG\r\n\x1a\n"
"""The first bytes of every PNG file."""

DEVICES = ("cpu", "cuda", "mps")
"""torch's names for devices."""

_COREML_ALONE = "Core ML decides on size, device and precision: leave those options out"
_MOST_STEPS = 1000
_FEWEST_OF_PNDM = 2


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("folder", type=as_path, help="a folder that sdcoreml convert made")
    add("prompt", help="what to draw")
    add("--negative", default="", metavar="TEXT", help="what not to draw")
    add("--steps", type=int, metavar="N", help=f"default: {STEPS}, or what the model advises")
    add("--guidance", type=float, metavar="X", help=f"default: {GUIDANCE:g}, or as advised")
    add("--seed", type=int, default=0, metavar="N", help="the picture's number (default: 0)")
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
    add("--refiner", type=as_path, metavar="MODEL", help="with --against: SDXL's refiner")
    add(
        "--preview",
        action="store_true",
        help="draw a much smaller picture in seconds, to see that everything works",
    )
    _configure_place(parser)
    add("--size", type=_size, metavar="WxH", help=argparse.SUPPRESS)
    add("-o", "--output", type=as_path, default=Path("picture.png"), metavar="PNG")
    add_toolchain(parser)
    add("--json", action="store_true", help="print what was done as JSON on stdout")


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
        choices=(verify_coreml.COREML,),
        help=f"on a Mac, run the programs through Core ML itself ({verify_coreml.UNTRIED})",
    )


def run(args: argparse.Namespace, runner: Runner | None = None, mac: FindMac = find_mac) -> int:
    """Draw one picture; return 0. Tests pass their own `runner` and `mac`."""
    request = read_request(args)
    if args.through:
        verify_coreml.require_mac(mac, "the programs are run here by an interpreter")
    require_torch(load_toolchain(args.toolchain), "drawing", args)
    require_beginning(args.output, PNG, "PNG file")
    _require_outside(args.output)
    worker = runner or EnvironmentOnDemand(toolchain=args.toolchain, args=args)
    # Check that the file can be written before drawing for minutes.
    with file_aside(args.output) as descriptor, scratch_beside(args.output) as scratch:
        with draw_progress() as emit:
            scratch.mkdir(exist_ok=True)
            made = (scratch / "picture.png").resolve()
            if args.compare:
                columns = draw_sheet(request, args.compare, made, worker, emit)
            else:
                found = draw(request, made, worker, emit)
                columns = (Column(folder=args.folder, drawing=found),)
        with open(descriptor, "wb", closefd=False) as file:
            file.write(made.read_bytes())
    found = columns[0].drawing
    said = {**as_json(found, args.output), **sheet_as_json(columns)}
    text = "\n".join((summary(found, args.output), *_describe_columns(columns)))
    print(json.dumps(said) if args.json else text)
    return 0


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
        prompt=args.prompt,
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
    yield bool(args.compare and args.against), "give either this or --against", "--compare"
    yield bool(args.refiner and not args.against), "needs --against", "--refiner"
    yield bool(args.mask and not nets), "needs a --controlnet for inpainting", "--mask"
    own = args.preview or args.device != DEVICES[0] or "precision" in args
    yield bool(args.through and own), _COREML_ALONE, "--with coreml"


def _require_outside(output: Path) -> None:
    """Refuse to write into a finished folder: drawing never changes one."""
    for parent in output.resolve().parents:
        if (parent / MARKER).is_file():
            raise UsageError(
                "is in a finished folder, which drawing never changes",
                where=output,
                remedy="choose another place with -o",
            )


def as_json(found: Drawing, output: Path) -> dict[str, object]:
    """Convert the result to plain values for JSON."""
    return {
        "schema": SCHEMA,
        "picture": str(output),
        **to_plain(found.drawn),
        "settings": to_plain(found.settings),
        "notes": list(found.notes),
    }


def sheet_as_json(columns: Sequence[Column]) -> dict[str, object]:
    """Convert the columns of a contact sheet to plain values; none for a single picture."""
    if len(columns) == 1:
        return {}
    return {
        "compared": [
            {
                "folder": str(column.folder),
                "bytes": column.nbytes,
                "near": to_plain(column.near) if column.near else None,
            }
            for column in columns
        ]
    }


def _describe_columns(columns: Sequence[Column]) -> Iterator[str]:
    if len(columns) == 1:
        return
    yield "  from left to right:"
    for column in columns:
        near = "the first"
        if column.near:
            near = f"{format_db(column.near.psnr)} of the first, SSIM {column.near.ssim:.4f}"
        yield f"    {column.folder}: {amount(column.nbytes)}, {near}"


def summary(found: Drawing, output: Path) -> str:
    """Return the result as text."""
    drawn, chosen = found.drawn, found.settings
    spacing = "" if chosen.method is Method.PNDM else f" {chosen.spacing.value}"
    how = (
        f"{chosen.method.value}{spacing}, {chosen.steps} steps, guidance {chosen.guidance:g},"
        f" seed {chosen.seed} ({chosen.rng.value})"
    )
    lines = [f"{output}: {drawn.width}x{drawn.height}, {how}"]
    for name, reading in (("prompt", drawn.prompt), ("negative prompt", drawn.negative)):
        lines += [f"  {line}" for line in _describe_reading(name, reading)]
    lines += [f"  {line}" for line in _describe_likeness(drawn)]
    if drawn.unsafe:
        lines.append("  the safety checker objects: Apple's package would hide this picture")
    lines += [f"  note: {note}" for note in found.notes]
    return "\n".join(lines)


def _describe_reading(name: str, reading: Reading) -> Iterator[str]:
    """Yield lines on how the app reads a prompt otherwise than it was meant."""
    for loss in reading.unknown:
        yield f"{name}: the app loses {loss.part} of {loss.word}: its vocabulary has no such token"
    if reading.beyond:
        room = len(reading.ids) - 2
        yield f"{name}: longer than {room} tokens; the app ignores: {' '.join(reading.beyond)}"
    if reading.otherwise:
        words = " ".join(dict.fromkeys(reading.otherwise))
        yield (
            f"{name}: the app splits into other tokens than the model was trained on: {words}"
            " (a space before punctuation helps)"
        )


def _describe_likeness(drawn: Drawn) -> Iterator[str]:
    if drawn.likeness:
        yield "left: the folder's picture; right: that of the model's own modules"
        yield f"alike: {_figures(drawn.likeness)}"
    if drawn.half:
        yield f"the modules themselves, in half precision: {_figures(drawn.half)}"


def _figures(found: Likeness) -> str:
    worst = min(found.steps)
    place = found.steps.index(worst) + 1
    return (
        f"picture {format_db(found.psnr)}, SSIM {found.ssim:.4f}; latents"
        f" {format_db(found.steps[0])} after the first step, {format_db(found.steps[-1])} after the"
        f" last, at worst {format_db(worst)} after step {place}"
    )


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    try:
        return int(width), int(height or width)
    except ValueError:
        raise argparse.ArgumentTypeError(f"not a size such as 512x768: {text}") from None
