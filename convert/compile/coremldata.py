"""Reads and writes `coremldata.bin` and `analytics/coremldata.bin`.

The layout was read off models from Apple's own compiler; numbers are little-endian.
"""

from __future__ import annotations

import base64
import hashlib
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from sdcoreml.convert.spec.description import description
from sdcoreml.convert.spec.model import Description, Model
from sdcoreml.convert.spec.wire import DELIMITED, WireError, join, split
from sdcoreml.ground.errors import BadInputError

ML_PROGRAM = 502
"""The field number of `mlProgram` in the protobuf message `Model`."""

FORMATS: Mapping[int, int] = {6: 5, 7: 5, 8: 8, 9: 9}
"""Maps a model's specification version to the format version of `coremldata.bin`."""

_HEAD = struct.Struct("<II20xQ7sI28xQ")
_KIND = b"generic"
_TAIL = struct.pack("<I12x", ML_PROGRAM)

METADATA = 100
_EMPTY_METADATA = join(METADATA, DELIMITED, b"")

_SORTED_WITHIN: Mapping[str, Mapping[int, str]] = {
    "ModelDescription": {METADATA: "Metadata"},
    "Metadata": {},
}
"""Maps a message to the numbers and types of those fields whose own content is sorted, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreMLData:
    """The content of `coremldata.bin`."""

    specification_version: int
    description: Description


def write_coremldata(model: Model) -> bytes:
    """Return the bytes of `coremldata.bin` for a model."""
    version, raw = model.specification_version, order_fields(model.description.raw)
    head = _HEAD.pack(ML_PROGRAM, FORMATS[version], len(_KIND), _KIND, version, len(raw))
    return head + raw + _TAIL * max(1, len(model.description.functions))


def order_fields(raw: bytes, message: str = "ModelDescription") -> bytes:
    """Sort the fields of a serialised description by their numbers.

    The entries of the user-defined metadata are sorted, too: Apple's compiler writes them in the
    random order of a hash table. A description without metadata gets an empty one.
    """
    fields = [
        (
            number,
            wire,
            order_fields(payload, within) if within and isinstance(payload, bytes) else payload,
        )
        for number, wire, payload in split(raw)
        for within in [_SORTED_WITHIN[message].get(number)]
    ]
    if message == "Metadata":
        fields.sort(key=lambda field: (field[0], field[2]))
    else:
        fields.sort(key=lambda field: field[0])
    joined = b"".join(join(*field) for field in fields)
    if message == "ModelDescription" and METADATA not in {number for number, _, _ in fields}:
        joined += _EMPTY_METADATA
    return joined


def read_coremldata(data: bytes, where: str | os.PathLike[str]) -> CoreMLData:
    """Parse the `coremldata.bin` of an ML Program.

    Raises:
        BadInputError: the bytes are not a `coremldata.bin`.
    """
    try:
        return _read(data)
    except (WireError, struct.error) as error:
        raise BadInputError(f"{error}", where=where, remedy="compile the package again") from error


def _read(data: bytes) -> CoreMLData:
    kind, _, size, name, version, length = _HEAD.unpack_from(data)
    raw, tail = data[_HEAD.size : _HEAD.size + length], data[_HEAD.size + length :]
    sound = (kind, size, name, len(raw)) == (ML_PROGRAM, len(_KIND), _KIND, length)
    if not sound or not tail or tail.replace(_TAIL, b""):
        raise WireError(
            "the file does not have the structure of a compiled ML Program's coremldata.bin"
        )
    return CoreMLData(specification_version=version, description=description(raw))


def write_analytics(model_file: bytes, stem: str) -> bytes:
    """Serialise `analytics/coremldata.bin` for the file `<stem>.mlmodel`."""
    return describe_analytics(hashlib.sha256(model_file).digest(), stem)


def describe_analytics(sha256: bytes, stem: str) -> bytes:
    """Serialise `analytics/coremldata.bin` for the file `<stem>.mlmodel` with this SHA-256."""
    digest = base64.b64encode(sha256).decode()
    return b"".join(
        _section(name, entries)
        for name, entries in (
            ("NeuralNetworkModelDetails", {"containsCustomLayer": "0", "modelDimension": "0"}),
            ("SpecificationDetails", {"modelHash": digest, "modelName": stem}),
        )
    )


def _section(name: str, entries: Mapping[str, str]) -> bytes:
    words = (word for entry in entries.items() for word in entry)
    return _prefix_size(name) + struct.pack("<Q", len(entries)) + b"".join(map(_prefix_size, words))


def _prefix_size(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()
