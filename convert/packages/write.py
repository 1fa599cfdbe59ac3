"""Writes a built program as a `.mlpackage`; the same program and weights give the same bytes.

Data is copied once, from the checkpoint's mapped pages to the weight file.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from sdcoreml.convert.programs.payload import RELEASE_AFTER
from sdcoreml.convert.spec.blobs import descriptor, header
from sdcoreml.convert.spec.writer import serialise_model
from sdcoreml.convert.weights.clone import fits, link, share
from sdcoreml.ground.aside import folder_aside
from sdcoreml.ground.errors import BadInputError, SdcoremlError

if TYPE_CHECKING:
    import numpy as np

    from sdcoreml.convert.programs.payload import DrawnProgram, Payload, Tensors

MANIFEST = "Manifest.json"
AUTHOR = "com.apple.CoreML"
"""The folder name under which Core ML looks for its files."""

WEIGHTS = f"Data/{AUTHOR}/weights/weight.bin"
"""The path of the weight file in a package."""


Pour: TypeAlias = "Callable[[BinaryIO, tuple[Payload, ...], Tensors], None]"
"""Writes the records of a weight file, as `write_weights` does."""


def write_package(built: DrawnProgram, tensors: Tensors, path: Path) -> None:
    """Write a package to disk; it gets its name only when it is complete.

    Args:
        built: the result of `convert.programs.build_program`.
        tensors: the checkpoint that the program was built for.
        path: ends in `.mlpackage`; an older package there is replaced.

    Raises:
        BadInputError: a weight does not fit its type, or `path` holds something else.
        NoSpaceError: the disk is full; `path` is unchanged.
    """
    write_packages({path: built}, tensors)


class Shelf:
    """The weight files written from one checkpoint so far, and those of before, by their layout.

    All variants of a UNet have the same weights in the same order, so they can share one file.
    Contents are not compared, because equal layouts from one checkpoint have equal content.
    `before` are files that were made from this checkpoint before, by `layout_of`.
    """

    def __init__(self, before: Mapping[str, Path] | None = None) -> None:
        self._before = dict(before or {})
        self._files: dict[str, Path] = {}

    def place(self, layout: str, file: Path) -> Path | None:
        """Put an equal file at `file`, without copying; return it, `None` if that fails.

        One that was made before is cloned where the file system can, so that it stays by itself.
        """
        if layout in self._files:
            return self._files[layout] if fits(link, self._files[layout], file) else None
        known = self._before.get(layout)
        try:
            return known if known is not None and share(known, file) else None
        except (BadInputError, FileNotFoundError):  # it was removed meanwhile
            return None

    def keep(self, layout: str, file: Path) -> None:
        """Remember a finished file for later packages."""
        self._files.setdefault(layout, file)


def layout_of(payloads: tuple[Payload, ...]) -> str:
    """Return a digest that is equal for weight files of equal content, from one checkpoint."""
    records = ((payload.offset, payload.type, payload.source.identity()) for payload in payloads)
    return sha256(repr(tuple(records)).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A weight file of a package that was written: its layout, and the equal file, if any.

    `source` is the file that it is a clone of, or the same file as; empty if it was written.
    """

    layout: str
    source: str = ""


def write_packages(
    programs: Mapping[Path, DrawnProgram],
    tensors: Tensors,
    shelf: Shelf | None = None,
    pour: Pour | None = None,
) -> Mapping[Path, Placed]:
    """Write several packages of one checkpoint, see `write_package`; return their weight files.

    Packages get their names only after all are written, the first one last: a run that is killed in
    between never leaves the first half of a pair without the second. Weight files on the `shelf`
    are not written again. `pour` writes a weight file; by default, it is `write_weights`.
    """
    shelf = shelf or Shelf()
    pour = pour or write_weights
    with ExitStack() as stack:
        placed = {
            path: _fill(
                stack.enter_context(folder_aside(path, MANIFEST)), (built, tensors), shelf, pour
            )
            for path, built in programs.items()
        }
    for path, made in placed.items():
        shelf.keep(made.layout, path / WEIGHTS)
    return placed


def _fill(folder: Path, content: tuple[DrawnProgram, Tensors], shelf: Shelf, pour: Pour) -> Placed:
    built, tensors = content
    model = serialise_model(built.model)
    weights = folder / WEIGHTS
    weights.parent.mkdir(parents=True)
    (weights.parent.parent / "model.mlmodel").write_bytes(model)
    layout = layout_of(built.payloads)
    source = shelf.place(layout, weights)
    if source is None:
        with weights.open("wb") as file:
            pour(file, built.payloads, tensors)
    (folder / MANIFEST).write_text(manifest(sha256(model).hexdigest()), encoding="utf-8")
    return Placed(layout=layout, source=str(source or ""))


def write_weights(file: BinaryIO, payloads: tuple[Payload, ...], tensors: Tensors) -> None:
    """Write every record at the offset that the program expects."""
    written = file.write(header(len(payloads)))
    held = 0
    for payload in payloads:
        written += file.write(bytes(payload.offset - written))
        written += file.write(descriptor(payload.type, payload.offset))
        written += write_record(file, payload, tensors)
        held += payload.nbytes
        if held > RELEASE_AFTER:
            tensors.release()
            held = 0


def write_record(file: BinaryIO | FileIO, payload: Payload, tensors: Tensors) -> int:
    """Write the data of one record at the file's position; return the number of its bytes."""
    written = 0
    for block in payload.source.blocks(tensors, payload.type.dtype):
        data = _bytes(block)
        while data:  # a file without a buffer may take less than all
            taken = file.write(data) or 0
            written += taken
            data = data[taken:]
    if written != payload.nbytes:
        raise SdcoremlError(
            f"{payload.nbytes:,} bytes expected, but {written:,} read",
            where=payload.name,
            remedy="the checkpoint changed during the conversion: convert again",
        )
    return written


def _bytes(block: np.ndarray) -> memoryview:
    return block.view("u1").data


def manifest(digest: str) -> str:
    """Return the content of `Manifest.json`, with ids derived from the model's digest."""
    items = {"model.mlmodel": "CoreML Model Specification", "weights": "CoreML Model Weights"}
    ids = {name: str(uuid.uuid5(uuid.NAMESPACE_OID, f"{digest}/{name}")).upper() for name in items}
    content = {
        "fileFormatVersion": "1.0.0",
        "itemInfoEntries": {
            ids[name]: {
                "author": AUTHOR,
                "description": description,
                "name": name,
                "path": f"{AUTHOR}/{name}",
            }
            for name, description in items.items()
        },
        "rootModelIdentifier": ids["model.mlmodel"],
    }
    return json.dumps(content, indent=4, sort_keys=True) + "\n"
