"""Writes pages where a user wants them, but over no other file and into no finished folder."""

from __future__ import annotations

from pathlib import Path

from sdcoreml.convert.jobs.manifest import MARKER
from sdcoreml.ground.aside import file_aside
from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.outputs import require_beginning
from sdcoreml.ground.page import HEAD


def require_page(output: Path) -> None:
    """Refuse an output that is no page of ours, or in a finished folder, before anything else.

    Raises:
        BadInputError: the file exists and is no page.
        UsageError: the file is in a finished folder, which nothing but a conversion changes.
    """
    require_beginning(output, HEAD, "page of sdcoreml")
    for parent in output.resolve().parents:
        if (parent / MARKER).is_file():
            raise UsageError(
                "is in a finished folder, which only a conversion changes",
                where=output,
                remedy="choose another place",
            )


def write_page(content: bytes, output: Path) -> None:
    """Write a page's bytes aside, and put them in place."""
    with file_aside(output) as descriptor, open(descriptor, "wb", closefd=False) as file:
        file.write(content)
