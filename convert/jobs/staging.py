"""Builds a result in a temporary folder, under a lock, and puts it in place with one rename.

`ground.aside` does this for any folder. For results, three things are added: a second run for the
same folder fails at once, errors name the folder by its final path, and the new result keeps
foreign files of an older one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sdcoreml.convert.jobs.foreign import carry_over, foreign_names, require_room_for, rescue
from sdcoreml.convert.jobs.manifest import MARKER, Manifest
from sdcoreml.ground.aside import find_folder, folder_aside, older_path, sole_maker
from sdcoreml.ground.errors import SdcoremlError
from sdcoreml.ground.outputs import find_place
from sdcoreml.ground.refusals import translate_os_errors


@contextmanager
def stage_result(target: Path, held: ExitStack | None = None) -> Iterator[Path]:
    """Yield an empty folder to fill; if no error is raised, it becomes `target`.

    Until then nobody else makes it, or until `held` is closed, if that is given.

    Raises:
        BadInputError: `target` exists and is not a result of this tool, or holds foreign files that
            cannot be kept.
        SdcoremlError: another process is making the same folder, or the disk is not writable.
        NoSpaceError: the disk is full; no partial result is left.
    """
    with ExitStack() as own:
        (held or own).enter_context(sole_maker(target))
        with _replacing(target) as folder:
            try:
                yield folder
            except SdcoremlError as error:  # errors must not name a file by its temporary path
                error.move(folder, target)
                raise


def require_output(target: Path) -> None:
    """Refuse an output that `stage_result` would refuse, without touching the disk.

    Raises:
        BadInputError: as `stage_result`.
    """
    current = find_folder(target, MARKER)
    if (current / MARKER).is_file():
        require_room_for(foreign_names(current), target)


def drop_packages(folder: Path, manifest: Manifest) -> None:
    """Remove the packages from a folder, since apps load only the compiled models.

    A package and its compiled model share one weight file on this disk, but a copy of the folder on
    another disk would hold the weights twice. The manifest still describes the packages, and
    `verify` reports them as deliberately absent.
    """
    for name, program in manifest.programs.items():
        written = program.find_packages(folder, name)
        for package in (written,) if isinstance(written, Path) else written:
            shutil.rmtree(package, ignore_errors=True)


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary folder that replaces `target` when the block ends without an error.

    Before that, check that no foreign file of an older result would be lost.
    """
    left = older_path(find_place(target))
    current = target if (target / MARKER).is_file() else left
    if current == target and (left / MARKER).is_file():
        with translate_os_errors(target):
            rescue(left, target)
    if (current / MARKER).is_file():
        require_room_for(foreign_names(current), target)
    with folder_aside(target, MARKER, carry_over) as folder:
        yield folder


@contextmanager
def scratch_in(folder: Path) -> Iterator[Path]:
    """Yield a folder for temporary files; remove it before the result takes its final place."""
    scratch = folder / ".scratch"
    scratch.mkdir()
    yield scratch
    shutil.rmtree(scratch)
