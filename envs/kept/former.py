"""Reads environments that an earlier version sealed, so that they stay usable until sealed anew.

Their manifest is named otherwise and has no modes and no folders; their seal covers bytecode, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from sdcoreml.envs.kept.manifest import MACHINE, SEALED, EntryKind, Row
from sdcoreml.envs.kept.owners import PATCHED
from sdcoreml.ground.errors import BadInputError, BrokenError
from sdcoreml.ground.files import Document, read_bytes

FILE = "manifest.tsv"
UNKNOWN = -1
"""The mode of an entry that does not say one."""


def read_rows(folder: Path) -> list[Row]:
    """Read such a manifest, as rows of today's with an unknown mode.

    Raises:
        BrokenError: it is missing or not readable as one.
    """
    path = folder / SEALED / FILE
    try:
        text = read_bytes(path, Document.MANIFEST).decode("utf-8", "surrogateescape")
        return [_row(line) for line in text.split("\n")[:-1]]
    except (BadInputError, ValueError) as error:
        why = error.what if isinstance(error, BadInputError) else error
        raise BrokenError(
            f"not a manifest ({why})",
            where=path,
            remedy="`sdcoreml env build --fresh` makes the environment again",
        ) from None


def seal_of(rows: Iterable[Row], facts: Mapping[str, str]) -> str:
    """The seal in that format."""
    lines = [f"{key}\t{facts[key]}\n" for key in sorted(facts)]
    lines += [
        f"{kind}\t{digest}\t{size}\t{owner}\t{path}\n"
        for kind, _, digest, size, _, owner, path in rows
        if owner != MACHINE and not owner.endswith(PATCHED)
    ]
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _row(line: str) -> Row:
    kind, digest, size, mtime, owner, path = line.split("\t", 5)
    EntryKind(kind), int(size), int(mtime)
    return [kind, str(UNKNOWN), digest, size, mtime, owner, path]
