"""Reads environments sealed by an earlier version, which stay usable until they are resealed.

Their manifest has another name, and neither modes nor folders; their seal also covers bytecode.
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
"""The mode that stands for an unknown one: manifests of the former format have no modes."""


def read_rows(folder: Path) -> list[Row]:
    """Read a manifest of the former format as rows of today's, with unknown modes.

    Raises:
        BrokenError: the manifest is missing or cannot be read.
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
    """Compute the seal in the former format."""
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
