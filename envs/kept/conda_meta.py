"""Reads the package records of a conda prefix: one JSON file per package in `conda-meta`.

conda, mamba, micromamba and py-rattler all write them; none of these is needed to read them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.ground.codec import DecodeError, as_object, read_field
from sdcoreml.ground.documents import read_object
from sdcoreml.ground.errors import BadInputError, BrokenError
from sdcoreml.ground.files import Document

FOLDER = "conda-meta"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledFile:
    """One file that a package installed, by its path in the prefix.

    `sha256` is that of the installed file, "" if not recorded; `patched` is true if the prefix's
    path was written into the file.
    """

    package: str
    path: str
    sha256: str
    patched: bool


def records(prefix: Path) -> Iterator[tuple[Path, dict[str, object]]]:
    """Yield the path and content of every package record of a prefix, sorted by file name.

    Raises:
        BrokenError: a record is damaged.
    """
    for path in sorted((prefix / FOLDER).glob("*.json")):
        try:
            record = read_object(path, Document.RECORD)
            for name in ("name", "version", "build"):
                read_field(record, name, str)
        except (BadInputError, DecodeError):
            raise _broken(path) from None
        yield path, record


def list_files(prefix: Path) -> Iterator[InstalledFile]:
    """Yield every path that the conda packages of a prefix installed; none for a venv."""
    for path, record in records(prefix):
        match record:
            case {"paths_data": {"paths": list(entries)}}:
                try:
                    found = [_read_installed(str(record["name"]), entry) for entry in entries]
                except DecodeError:
                    raise _broken(path) from None
                yield from found


def _broken(record: Path) -> BrokenError:
    return BrokenError(
        "is not the record of a conda package", where=record, remedy="make the environment again"
    )


def _read_installed(package: str, value: object) -> InstalledFile:
    entry = as_object(value, "entry")
    digest = entry.get("sha256_in_prefix") or entry.get("sha256") or ""
    linked = entry.get("path_type") == "softlink"
    return InstalledFile(
        package=package,
        path=read_field(entry, "_path", str),
        sha256="" if linked else str(digest),
        patched=bool(entry.get("prefix_placeholder")),
    )
