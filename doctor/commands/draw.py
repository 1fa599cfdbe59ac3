"""`sdcoreml draw`: draws a picture with a finished folder, on any system, as the apps do."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from sdcoreml.convert.drawing.choices import Method
from sdcoreml.convert.drawing.wish import Drawn, Likeness, Reading
from sdcoreml.convert.jobs.draw import Drawing, draw
from sdcoreml.convert.jobs.manifest import MARKER
from sdcoreml.convert.jobs.sheet import Sheet, draw_sheet
from sdcoreml.convert.proof.decibels import format_db
from sdcoreml.convert.worker import Runner
from sdcoreml.doctor.commands import draw_options
from sdcoreml.doctor.commands.convert_environment import require_torch
from sdcoreml.doctor.commands.draw_options import MODEL, read_request
from sdcoreml.doctor.commands.pages import require_page, write_page
from sdcoreml.doctor.commands.verify import EnvironmentOnDemand
from sdcoreml.doctor.commands.verify_coreml import FindMac, find_mac, require_mac
from sdcoreml.doctor.report.drawn_page import page_of_picture, page_of_sheet
from sdcoreml.doctor.report.terminal import draw as draw_progress
from sdcoreml.ground.aside import file_aside, scratch_beside
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.outputs import require_beginning
from sdcoreml.ground.quantity import amount
from sdcoreml.lockfiles.toolchain import load_toolchain

SCHEMA = 1
"""The version of the format that `--json` prints."""

PNG = b"\x89PNG\r\n\x1a\n"
"""The first bytes of every PNG file."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    draw_options.configure(parser)


def run(args: argparse.Namespace, runner: Runner | None = None, mac: FindMac = find_mac) -> int:
    """Draw a picture or a contact sheet; return 0. Tests pass their own `runner` and `mac`."""
    request = read_request(args)
    if args.through:
        require_mac(mac, "the programs are run here by an interpreter")
    require_torch(load_toolchain(args.toolchain), "drawing", args)
    require_beginning(args.output, PNG, "PNG file")
    _require_outside(args.output)
    if args.html:
        require_page(args.html)
        if args.html.resolve() == args.output.resolve():
            raise UsageError(
                "is the picture's own file", where="--html", remedy="name another file"
            )
    worker = runner or EnvironmentOnDemand(toolchain=args.toolchain, args=args)
    # Check that the file can be written before drawing for minutes.
    with file_aside(args.output) as descriptor, scratch_beside(args.output) as scratch:
        with draw_progress() as emit:
            scratch.mkdir(exist_ok=True)
            made = (scratch / "picture.png").resolve()
            if args.compare or len(args.prompt) > 1:
                sheet = draw_sheet(request, args.prompt, args.compare, made, worker, emit)
                said = sheet_as_json(sheet, args.output), summarize_sheet(sheet, args)
                page = partial(page_of_sheet, sheet)
            else:
                found = draw(request, made, worker, emit)
                said = as_json(found, args.output), summary(found, args)
                about = said[1].splitlines()[1:]
                page = partial(page_of_picture, args.prompt[0], found, made.read_bytes(), about)
        with open(descriptor, "wb", closefd=False) as file:
            file.write(made.read_bytes())
    if args.html:
        write_page(page().encode(), args.html)
    print(json.dumps(said[0]) if args.json else said[1])
    return 0


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


def sheet_as_json(sheet: Sheet, output: Path) -> dict[str, object]:
    """Convert a contact sheet to plain values: its first picture, as if alone, and the others.

    `compared` has the columns, with the figures of the first row; `rows` has those of all.
    """
    first = sheet.rows[0]
    columns = zip(sheet.columns, first.near, strict=True)
    return {
        **as_json(first.drawings[0], output),
        "compared": [
            {"folder": str(one.path), "bytes": one.nbytes, "near": near and to_plain(near)}
            for one, near in columns
        ],
        "rows": [
            {
                "prompt": row.prompt,
                "pictures": [to_plain(one.drawn) for one in row.drawings],
                "near": [near and to_plain(near) for near in row.near],
            }
            for row in sheet.rows
        ],
    }


def summarize_sheet(sheet: Sheet, args: argparse.Namespace) -> str:
    """Return what a contact sheet shows as text."""
    first = sheet.rows[0].drawings[0]
    lines = [_headline(first, args.output)]
    for number, row in enumerate(sheet.rows, 1):
        name = "prompt" if len(sheet.rows) == 1 else f"prompt {number}"
        drawn = row.drawings[0].drawn
        lines += [f"  {line}" for line in _describe_reading(name, drawn.prompt)]
    lines += [f"  {line}" for line in _describe_reading("negative prompt", first.drawn.negative)]
    lines += _describe_columns(sheet)
    for number, row in enumerate(sheet.rows, 1):
        drawings = zip(_folders(sheet), row.drawings, strict=True)
        for folder in (one for one, drawing in drawings if drawing.drawn.unsafe):
            lines.append(f"  row {number}, {folder}: {_UNSAFE}")
    lines += [f"  note: {note}" for note in first.notes]
    return "\n".join(lines)


def _folders(sheet: Sheet) -> list[Path]:
    return [one.path for one in sheet.columns if not one.is_model]


def _describe_columns(sheet: Sheet) -> Iterator[str]:
    yield "  from left to right:"
    for place, column in enumerate(sheet.columns):
        found = [near for row in sheet.rows if (near := row.near[place])]
        noise = _span([format_db(one) for one in sorted(near.psnr for near in found)])
        likeness = _span([f"{one:.4f}" for one in sorted(near.ssim for near in found)])
        how = f"{noise} of the first, SSIM {likeness}" if found else "the first"
        of = " (the model itself)" if column.is_model else ""
        yield f"    {column.path}{of}: {amount(column.nbytes)}, {how}"


def _span(words: Sequence[str]) -> str:
    """Return the least and the most of ordered figures."""
    return " to ".join(dict.fromkeys((*words[:1], *words[-1:])))


def summary(found: Drawing, args: argparse.Namespace) -> str:
    """Return the result as text."""
    drawn = found.drawn
    lines = [_headline(found, args.output)]
    for name, reading in (("prompt", drawn.prompt), ("negative prompt", drawn.negative)):
        lines += [f"  {line}" for line in _describe_reading(name, reading)]
    lines += [f"  {line}" for line in _describe_likeness(drawn, args.ids)]
    if drawn.unsafe:
        lines.append(f"  {_UNSAFE}")
    lines += [f"  note: {note}" for note in found.notes]
    return "\n".join(lines)


def _headline(found: Drawing, output: Path) -> str:
    drawn, chosen = found.drawn, found.settings
    spacing = "" if chosen.method is Method.PNDM else f" {chosen.spacing.value}"
    how = (
        f"{chosen.method.value}{spacing}, {chosen.steps} steps, guidance {chosen.guidance:g},"
        f" seed {chosen.seed} ({chosen.rng.value})"
    )
    return f"{output}: {drawn.width}x{drawn.height}, {how}"


_UNSAFE = "the safety checker objects: Apple's package would hide this picture"


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


def _describe_likeness(drawn: Drawn, ids: str) -> Iterator[str]:
    if drawn.likeness:
        yield "left: the folder's picture; right: that of the model's own modules"
        if ids == MODEL:
            yield "the model read the prompts with its own tokenizer"
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
