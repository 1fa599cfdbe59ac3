"""Reads a `.mlmodel` file or a `.mlpackage` folder without protobuf or coremltools."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sdcoreml.convert.spec.description import description
from sdcoreml.convert.spec.fields import KINDS, MEMBERS, MODEL
from sdcoreml.convert.spec.model import Model
from sdcoreml.convert.spec.program import program
from sdcoreml.convert.spec.wire import WireError, decoder, split
from sdcoreml.ground.codec import shown
from sdcoreml.ground.documents import read_json
from sdcoreml.ground.errors import BadInputError, UnsupportedError
from sdcoreml.ground.files import Document, read_bytes, refuse_pointer

_decode = decoder(MODEL)

AGAIN = "make or download the package again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A `.mlpackage`: its folder, its model, the model's file and the weight file, if any.

    `weights` is the file that programs refer to as `@model_path/weights/weight.bin`, where
    `@model_path` is the folder of the model's file.
    """

    path: Path
    model: Model
    model_path: Path
    weights: Path | None


def parse_model(data: bytes, where: Path | str = "model.mlmodel") -> Model:
    """Parse the content of a `.mlmodel` file; `where` names the file in errors.

    Raises:
        BadInputError: the bytes are not a well-formed model.
        UnsupportedError: the model is not an ML Program.
    """
    try:
        whole = memoryview(data)  # a slice of bytes would be a copy, at each level of messages
        kinds = [number for number, _, _ in split(whole) if number in MEMBERS]
        if kinds != [502]:
            _refuse_kind(kinds, where)
        fields = _decode(whole, "Model")
        return Model(
            specification_version=fields.get("specificationVersion", 0),
            description=description(fields.get("description", b"")),
            program=program(fields["mlProgram"]),
            is_updatable=fields.get("isUpdatable", False),
        )
    except WireError as error:
        raise BadInputError(f"not a Core ML model: {error}", where=where, remedy=AGAIN) from error


def _refuse_kind(kinds: list[int], where: Path | str) -> None:
    if not kinds:
        raise BadInputError("the file contains no model", where=where, remedy=AGAIN)
    names = " and ".join(KINDS.get(kind, f"model type {kind}") for kind in dict.fromkeys(kinds))
    raise UnsupportedError(
        f"contains {names}, not an ML Program",
        where=where,
        remedy="convert it again with a minimum deployment target of macOS 12 or "
        "newer, as convert_to='mlprogram'",
    )


def read_package(path: Path) -> Package:
    """Read the package at `path`.

    Raises:
        BadInputError: it is not a package, or damaged.
        UnsupportedError: its model is not an ML Program.
    """
    model_path = _model_path(path)
    data = read_bytes(model_path, Document.PROGRAM, remedy=AGAIN)
    refuse_pointer(data, model_path)
    weights = model_path.parent / "weights" / "weight.bin"
    return Package(
        path=path,
        model=parse_model(data, model_path),
        model_path=model_path,
        weights=weights if weights.is_file() else None,
    )


def _model_path(package: Path) -> Path:
    """Return the path of the model's file, from the package's manifest."""
    manifest = package / "Manifest.json"
    remedy = AGAIN if os.path.lexists(manifest) else "give a .mlpackage"
    match read_json(manifest, Document.MANIFEST, remedy=remedy):
        case {
            "rootModelIdentifier": str() as root,
            "itemInfoEntries": dict() as entries,
        } if isinstance(entries.get(root), dict) and isinstance(entries[root].get("path"), str):
            return package / "Data" / _inside(entries[root]["path"], manifest)
    raise BadInputError("does not name a root model", where=manifest, remedy=AGAIN)


def _inside(path: str, manifest: Path) -> PurePosixPath:
    """Check that a path from the manifest does not lead out of the package, and return it."""
    relative = PurePosixPath(path)
    if relative.is_absolute() or ".." in relative.parts or not relative.parts:
        raise BadInputError(
            f"the model's path {shown(path)} leads out of the package", where=manifest, remedy=AGAIN
        )
    return relative
