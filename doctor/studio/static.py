"""The page's own files: what is asked is compared with their names, never made into a path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sdcoreml.doctor.studio.refusals import AbsentError
from sdcoreml.doctor.studio.way import Media
from sdcoreml.ground.files import Document, read_bytes

PAGE = Path(__file__).with_name("page")
INDEX = "index.html"
FOLDER = "/page/"
"""Where index.html says that the page's files are."""

TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
"""The media type of each kind of file that a page is made of; no others are sent."""


def find_index(files: str, folder: Path = PAGE) -> Media:
    """Return index.html, whose files are at the address `files`."""
    index = find_static(INDEX, folder)
    content = index.content.replace(f'"{FOLDER}'.encode(), f'"{files}'.encode())
    return replace(index, content=content)


def find_static(name: str, folder: Path = PAGE) -> Media:
    """Return the file of the page that has this name; what is asked is compared, never opened.

    Raises:
        AbsentError: the page has no such file.
    """
    for path in folder.iterdir():
        if path.name == name and path.suffix in TYPES:
            content = read_bytes(path, Document.TEXT)
            return Media(content=content, media_type=TYPES[path.suffix])
    raise AbsentError("the page has no such file", where=name)
