"""Packages for tests: literal programs, descriptions and weight files, written byte by byte."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.convert.spec.model import Program
from sdcoreml.convert.spec.wire import (
    DELIMITED,
    VARINT,
    join,
    to_varint,
)
from sdcoreml.convert.spec.writer import serialise_program

F16, F32, I32 = 65552, 65568, 131104


def text(number: int, words: str) -> bytes:
    return join(number, DELIMITED, words.encode())


def message(number: int, *parts: bytes) -> bytes:
    return join(number, DELIMITED, b"".join(parts))


def array(shape: Iterable[int], dtype: int = F16, ranges: Iterable[tuple[int, int]] = ()) -> bytes:
    """Return a serialised `ArrayFeatureType`."""
    bounds = [
        message(1, join(1, VARINT, lower), join(2, VARINT, upper % (1 << 64)))
        for lower, upper in ranges
    ]
    sizes = b"".join(map(to_varint, shape))
    return b"".join(
        (
            join(1, DELIMITED, sizes) if sizes else b"",
            join(2, VARINT, dtype),
            message(31, *bounds) if bounds else b"",
        )
    )


def feature(name: str, content: bytes, number: int = 5, about: str = "") -> bytes:
    """Return a serialised `FeatureDescription`; its type is the field `number` of `FeatureType`."""
    return text(1, name) + (text(2, about) if about else b"") + message(3, message(number, content))


def metadata(
    about: Mapping[int, str] = {},
    user: Mapping[str, str] = {},
) -> bytes:
    fields = [text(number, words) for number, words in about.items()]
    return b"".join(fields) + b"".join(
        message(100, text(1, key), text(2, words)) for key, words in user.items()
    )


def model(program: Program, description: bytes, version: int = 7) -> bytes:
    """Return the content of a `.mlmodel` file."""
    return b"".join(
        (
            join(1, VARINT, version),
            message(2, description),
            message(502, serialise_program(program)),
        )
    )


@dataclass(frozen=True)
class Raw:
    """One record of a weight file: the code of its type, its data, and its count of unused bits."""

    code: int
    data: bytes
    padding: int = 0


def weight_file(*records: Raw) -> bytes:
    """Return the content of a weight file; its first descriptor is at offset 64."""
    content = bytearray(struct.pack("<II56x", len(records), 2))
    for record in records:
        at = len(content) + 64
        fields = (0xDEADBEEF, record.code, len(record.data), at, record.padding)
        content += struct.pack("<IIQQQ32x", *fields) + record.data
        content += bytes(-len(content) % 64)
    return bytes(content)


def write_package(
    path: Path,
    content: bytes,
    weights: bytes | None = None,
    manifest: Mapping[str, object] | None = None,
) -> Path:
    folder = path / "Data" / "com.apple.CoreML"
    folder.mkdir(parents=True)
    (folder / "model.mlmodel").write_bytes(content)
    if weights is not None:
        (folder / "weights").mkdir()
        (folder / "weights" / "weight.bin").write_bytes(weights)
    item = {"path": "com.apple.CoreML/model.mlmodel", "name": "model.mlmodel"}
    entries = {"fileFormatVersion": "1.0.0", "itemInfoEntries": {"A": item}}
    (path / "Manifest.json").write_text(
        json.dumps({**entries, "rootModelIdentifier": "A", **(manifest or {})}), encoding="utf-8"
    )
    return path
