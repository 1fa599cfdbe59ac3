"""The key of an artefact: a digest of everything that it is made from, and of nothing else.

A key holds no path, no name of a model and no time: equal keys mean equal bytes, wherever and
whenever they were made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from sdcoreml.ground.digest import sha256
from sdcoreml.ground.places import PACKAGE

ELSEWHERE = frozenset({"cache", "drawing", "hub", "loading", "sources"})
"""Rooms of `convert` on which neither the bytes of a program nor its proof depend."""

_SUFFIXES = frozenset({".py", ".json"})


def key_of(document: Mapping[str, object]) -> str:
    """Return the key of a document of JSON values; the order of its fields does not matter."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def builder_version() -> str:
    """Return a digest of the code that makes and proves programs, certificates included.

    It is worked out anew in each process, in some 20 ms: a number that people must raise would be
    forgotten once, and then an edited checkout would take what older code has made.
    """
    rooms = [path for path in (PACKAGE / "convert").iterdir() if path.name not in ELSEWHERE]
    digest = hashlib.sha256()
    for path in sorted(file for room in rooms for file in _sources(room)):
        digest.update(f"{path.relative_to(PACKAGE).as_posix()} {sha256(path)}\n".encode())
    return digest.hexdigest()


def _sources(room: Path) -> list[Path]:
    if not room.is_dir():
        return [room] if room.suffix in _SUFFIXES else []
    return [path for path in room.iterdir() if path.suffix in _SUFFIXES]
