"""Writes a literal graph as a `.mlpackage`, laid out as by Core ML's own tools."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sdcoreml.convert.mil.interpreter import Executable
from sdcoreml.convert.spec.model import (
    Blob,
    DataType,
    Description,
    Function,
    Model,
    Operation,
    Program,
)
from sdcoreml.convert.spec.writer import serialise_model
from sdcoreml.convert.storage.package import open_program
from tests.inside.convert.mil.graphs import Graph

CODES = {DataType.FLOAT16: 1, DataType.FLOAT32: 2, DataType.UINT8: 3, DataType.INT8: 4}


def model(function: Function, name: str = "main", default: str = "") -> Model:
    return Model(
        specification_version=7,
        description=Description(inputs=(), outputs=(), default_function=default),
        program=Program(version=1, functions={name: function}),
    )


def write_package(graph: Graph, output: str, package: Path) -> Path:
    data = package / "Data" / "com.apple.CoreML"
    (data / "weights").mkdir(parents=True)
    content, moved = weight_file(graph)
    (data / "weights" / "weight.bin").write_bytes(content)
    function = replace(graph, operations=[_moved(item, moved) for item in graph.operations])
    (data / "model.mlmodel").write_bytes(serialise_model(model(function.function(output))))
    manifest = {
        "fileFormatVersion": "1.0.0",
        "rootModelIdentifier": "A",
        "itemInfoEntries": {"A": {"path": "com.apple.CoreML/model.mlmodel"}},
    }
    (package / "Manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return package


@contextmanager
def open_package(path: Path) -> Iterator[Executable]:
    """Open the main function of a package, ready to run."""
    with open_program(path) as program:
        yield Executable.of(program)


def weight_file(graph: Graph) -> tuple[bytes, dict[Blob, Blob]]:
    """Return a weight file's bytes, and a map from the graph's blobs to those in the file."""
    content = struct.pack("<II", len(graph.storage.records), 2).ljust(64, b"\0")
    moved = {}
    for blob, (kind, raw) in graph.storage.records.items():
        moved[blob] = replace(blob, offset=len(content))
        record = struct.pack("<IIQQ", 0xDEADBEEF, CODES[kind], len(raw), len(content) + 64)
        content += record.ljust(64, b"\0") + raw + bytes(-len(raw) % 64)
    return content, moved


def _moved(operation: Operation, moved: dict[Blob, Blob]) -> Operation:
    """Return the operation with each blob replaced by its place in the weight file."""
    attributes = {
        name: replace(value, data=moved[value.data]) if isinstance(value.data, Blob) else value
        for name, value in operation.attributes.items()
    }
    return replace(operation, attributes=attributes)
