"""`sdcoreml report`: writes a page about a folder, with the times of its run and pictures."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from sdcoreml.convert.jobs.manifest import Manifest, read_manifest
from sdcoreml.convert.jobs.report import page as folder_page
from sdcoreml.doctor.commands.pages import require_page, write_page
from sdcoreml.doctor.core import runs
from sdcoreml.doctor.core.runs import RunLog
from sdcoreml.doctor.report.run_page import (
    SELF_CONTAINED,
    Picture,
    picture_section,
    run_page,
    run_section,
)
from sdcoreml.ground.codec import DecodeError
from sdcoreml.ground.documents import read_object
from sdcoreml.ground.errors import BadInputError, UsageError
from sdcoreml.ground.files import Document, open_regular
from sdcoreml.ground.page import Page
from sdcoreml.ground.places import as_path, expand_home
from sdcoreml.ground.quantity import amount, count_programs

PNG = b"\x89PNG\r\n\x1a\n"
"""The first bytes of every PNG file."""

_LARGEST = 64_000_000
"""The size in bytes of the largest picture that is put on a page."""

_REMEDY = (
    "give a finished folder, the log of a run, a PNG file, or a file that has what"
    " `sdcoreml draw FOLDER PROMPT --json` prints"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add(
        "paths",
        nargs="+",
        type=as_path,
        metavar="PATH",
        help="a finished folder or the log of a run; and pictures, as PNG files or as the files to"
        " which draw --json was written",
    )
    add("-o", "--output", type=as_path, default=Path("page.html"), metavar="HTML")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the paths are: at most one folder, at most one run, and pictures."""

    folder: Manifest | None = None
    run: RunLog | None = None
    pictures: tuple[Picture, ...] = field(default=())


def run(args: argparse.Namespace) -> int:
    """Write the page; return 0."""
    require_page(args.output)
    found = Found()
    for path in args.paths:
        found = read(path, found)
    found = _with_run(found)
    content = assemble(found).encode()
    write_page(content, args.output)
    print(f"{args.output}: {amount(len(content))}, {', '.join(_describe(found))}")
    return 0


def read(path: Path, found: Found) -> Found:
    """Add what a path is to what was found.

    Raises:
        BadInputError: it is nothing that belongs on a page.
        UsageError: it is a second folder or a second run.
    """
    if path.is_dir():
        if found.folder:
            raise UsageError("one folder at a time", where=path, remedy="write a page for each")
        return replace(found, folder=read_manifest(path))
    with open_regular(path) as stream:
        is_picture = stream.read(len(PNG)) == PNG
    if is_picture:
        return _with_picture(found, Picture(png=read_png(path), title=path.name))
    content = read_object(path, Document.RECORD, remedy=_REMEDY)
    if "picture" in content:
        return _with_picture(found, read_drawing(content, path))
    if found.run:
        raise UsageError("one run at a time", where=path, remedy="write a page for each")
    try:
        return replace(found, run=runs.parse(content))
    except DecodeError as error:
        raise BadInputError(f"not the log of a run ({error})", where=path, remedy=_REMEDY) from None


def _with_run(found: Found) -> Found:
    """Look the run of a folder up, if none was given.

    Raises:
        UsageError: the run that was given made another folder.
    """
    if found.folder is None:
        return found
    if found.run is None:
        return replace(found, run=runs.find(found.folder.digest))
    if found.run.digest != found.folder.digest:
        raise UsageError(
            "this run made another folder",
            where=found.run.folder,
            remedy="leave its log out: `sdcoreml report FOLDER` finds the folder's own",
        )
    return found


def _with_picture(found: Found, picture: Picture) -> Found:
    return replace(found, pictures=(*found.pictures, picture))


def read_png(path: Path) -> bytes:
    """Read a picture.

    Raises:
        BadInputError: the file cannot be read, is no PNG file, or too large for a page.
    """
    with open_regular(path) as stream:
        content = stream.read(_LARGEST + 1)
    if not content.startswith(PNG):
        raise BadInputError("not a PNG file", where=path, remedy=_REMEDY)
    if len(content) > _LARGEST:
        raise BadInputError(
            f"larger than {amount(_LARGEST)}", where=path, remedy="give a smaller picture"
        )
    return content


def read_drawing(content: dict[str, object], path: Path) -> Picture:
    """Return the picture that `draw --json` told of, with its settings and figures.

    Raises:
        BadInputError: the picture is not there any more.
        UsageError: no picture is named.
    """
    place = expand_home(f"{content['picture']}")
    picture = place if place.is_absolute() else path.parent / place
    settings = content.get("settings")
    likeness = content.get("likeness")
    return Picture(
        png=read_png(picture if _is_there(picture) else place),
        title=place.name,
        lines=tuple(_lines_of(content, settings if isinstance(settings, dict) else {})),
        steps=tuple(_steps_of(likeness)) if isinstance(likeness, dict) else (),
    )


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # its name is too long: reading it says so
        return False


_SHOWN = ("method", "spacing", "steps", "guidance", "seed", "rng")


def _lines_of(content: dict[str, object], settings: dict[str, object]) -> Iterator[str]:
    if said := [f"{name} {settings[name]}" for name in _SHOWN if name in settings]:
        yield ", ".join(said)
    notes = content.get("notes")
    yield from (f"{note}" for note in (notes if isinstance(notes, list) else ()))
    likeness = content.get("likeness")
    if isinstance(likeness, dict):
        psnr, ssim = likeness.get("psnr"), likeness.get("ssim")
        yield f"{psnr} dB, SSIM {ssim} of what the model's own modules draw"


def _steps_of(likeness: dict[str, object]) -> Iterator[float]:
    steps = likeness.get("steps")
    for one in steps if isinstance(steps, list) else ():
        if isinstance(one, int | float):
            yield float(one)


def assemble(found: Found) -> Page:
    """Return the page of what was found."""
    log = found.run
    pictures = picture_section(found.pictures)
    if log and not found.folder:
        page = run_page(log)
        return replace(page, sections=(pictures, *page.sections), foot=(SELF_CONTAINED,))
    if found.folder is None:
        page = Page(kind="Pictures, drawn by sdcoreml", title="Pictures", lead=(), sections=())
        return replace(page, sections=(pictures,), foot=(SELF_CONTAINED,))
    more = (pictures, *([run_section(log)] if log else ()))
    return replace(folder_page(found.folder, more), foot=(SELF_CONTAINED,))


def _describe(found: Found) -> Iterator[str]:
    if found.folder:
        yield count_programs(len(found.folder.programs))
        yield "the times of its run" if found.run else "no times: no log of its run is here"
    elif found.run:
        yield f"{len(found.run.steps)} steps"
    if count := len(found.pictures):
        yield f"{count} picture{'s' * (count > 1)}"
