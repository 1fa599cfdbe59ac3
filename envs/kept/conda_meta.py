"""Reads a conda prefix's own records, one JSON file per package in `conda-meta`.

conda, mamba, micromamba and py-rattler all write them; reading them takes none of these.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.ground.errors import BrokenError

FOLDER = "conda-meta"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledFile:
    """One file that a package installed, by its path in the prefix.

    `sha256` is of the file as installed, "" if the record does not say; `patched` is whether the
    prefix's own path was written into it.
    """

    package: str
    path: str
    sha256: str
    patched: bool


def records(prefix: Path) -> Iterator[tuple[Path, dict[str, object]]]:
    """Every package record of a prefix, sorted by file name.

    Raises:
        BrokenError: one is damaged.
    """
    for path in sorted((prefix / FOLDER).glob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            stated = [record[key] for key in ("name", "version", "build")]
        except (OSError, ValueError, KeyError, TypeError) as error:
            stated = [error]
        if not all(isinstance(value, str) for value in stated):
            raise BrokenError(
                "not the record of a conda package", where=path, remedy="make the environment again"
            )
        yield path, record


def list_files(prefix: Path) -> Iterator[InstalledFile]:
    """Every path that the packages of a prefix installed; none without conda."""
    for _, record in records(prefix):
        match record:
            case {"paths_data": {"paths": list(entries)}}:
                for entry in entries:
                    yield _read_installed(str(record["name"]), entry)


def _read_installed(package: str, entry: Mapping[str, object]) -> InstalledFile:
    digest = entry.get("sha256_in_prefix") or entry.get("sha256") or ""
    linked = entry.get("path_type") == "softlink"
    return InstalledFile(
        package=package,
        path=str(entry["_path"]),
        sha256="" if linked else str(digest),
        patched=bool(entry.get("prefix_placeholder")),
    )
