"""Checks that a program's files have, byte for byte, the form that this converter writes.

Readers also accept other forms, with spaces in a text, unknown fields or bytes between two records.
Such content shows that a file was changed, or written by another converter.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sdcoreml.convert.compile.check import AT_ONCE
from sdcoreml.convert.compile.compiled import (
    ANALYTICS,
    COREMLDATA,
    METADATA,
    TEXT,
    WEIGHTS,
    CompiledModel,
    blobs,
)
from sdcoreml.convert.compile.coremldata import (
    describe_analytics,
    read_coremldata,
    write_coremldata,
)
from sdcoreml.convert.compile.lower import COMPILER, build_info, lower
from sdcoreml.convert.compile.metadata import MAIN, write_metadata
from sdcoreml.convert.compile.names import TEXT_VERSIONS
from sdcoreml.convert.compile.text import write
from sdcoreml.convert.packages.write import manifest
from sdcoreml.convert.spec.blobs import BITS, align, descriptor, header, open_weights
from sdcoreml.convert.spec.model import Model, Program, TensorType
from sdcoreml.convert.spec.reader import Package
from sdcoreml.convert.spec.writer import serialise_model
from sdcoreml.ground.documents import read_json
from sdcoreml.ground.errors import SdcoremlError
from sdcoreml.ground.files import Document, read_bytes

FORM = "holds more or other bytes than this converter writes"


def compiled_oddities(compiled: CompiledModel, digest: str) -> Iterator[tuple[Path, str]]:
    """Yield a file and its fault where our compiled model differs from the form that we write.

    `digest` is the SHA-256 of the package's model file, hexadecimal.
    """
    model, path = compiled.model, compiled.path
    if not build_info(compiled.program).items() >= COMPILER.items():
        yield path / TEXT, "names another compiler"
    wanted = {
        TEXT: write(compiled.program, compiled.text_version).encode(),
        COREMLDATA: write_coremldata(model),
        METADATA: write_metadata(model, path.stem).encode(),
        ANALYTICS: describe_analytics(bytes.fromhex(digest), "model"),
    }
    for name, content in wanted.items():
        if read_bytes(path / name, Document.PROGRAM) != content:
            yield path / name, FORM


def compile_alike(source: Package, path: Path, digest: str) -> CompiledModel | None:
    """Return the compiled model at `path` if each of its files is what `source` compiles to.

    The bytes are compared; the text need not be parsed then, which would cost as much again.
    `None` means that a file differs or cannot be read: reading the compiled model shows which.
    Weights are not compared.
    """
    model, program = source.model, lower(source.model)
    version = TEXT_VERSIONS.get(model.specification_version, "")
    try:
        described = write_coremldata(model)
        wanted = {
            TEXT: write(program, version).encode(),
            COREMLDATA: described,
            METADATA: write_metadata(model, path.stem).encode(),
            ANALYTICS: describe_analytics(bytes.fromhex(digest), "model"),
        }
        found = {name: read_bytes(path / name, Document.PROGRAM) for name in wanted}
        data = read_coremldata(described, path / COREMLDATA)
        told = read_json(path / METADATA, Document.CONFIG)
    except (ValueError, KeyError, SdcoremlError):
        return None
    if found != wanted or not version:
        return None
    return CompiledModel(
        path=path,
        specification_version=data.specification_version,
        text_version=version,
        program=program,
        description=data.description,
        metadata=told,
        weights=weights if (weights := path / WEIGHTS).is_file() else None,
    )


def package_oddities(package: Package, digest: str) -> Iterator[tuple[Path, str]]:
    """Yield a file and its fault where our package differs from the form that we write.

    `digest` is the SHA-256 of the package's model file, hexadecimal.
    """
    if read_bytes(package.model_path, Document.PROGRAM) != serialise_model(package.model):
        yield package.model_path, FORM
    path = package.path / "Manifest.json"
    if read_bytes(path, Document.MANIFEST) != manifest(digest).encode():
        yield path, FORM


def model_oddities(model: Model) -> Iterator[str]:
    """Yield faults for what our models never have: functions other than `main`, states, updates."""
    described = model.description
    others = sorted(model.program.functions.keys() - {MAIN})
    others += [item.name for item in described.functions]
    if others:
        yield f"has the function {others[0]!r} beside {MAIN!r}"
    if described.states:
        yield f"has a state, {described.states[0].name!r}"
    if model.is_updatable:
        yield "can be updated on the device"


def weight_oddities(program: Program, weights: Path) -> Iterator[str]:
    """Yield faults for content of a weight file other than the records that the program reads.

    The header, the records' descriptors and the padding before each are checked byte by byte; the
    data of the records is not read.
    """
    kinds = {blob.offset: value.type for value, blob in blobs(program)}
    with open_weights(weights) as file:
        if file.view[:64] != header(len(kinds)):
            yield f"its header is not that of {len(kinds)} records"
        end = len(header(0))
        for number, (offset, kind) in enumerate(sorted(kinds.items())):
            if number % AT_ONCE == 0:
                file.release()
            if not isinstance(kind, TensorType) or kind.dtype not in BITS:
                return
            if offset != align(end) or file.view[offset : offset + 64] != descriptor(kind, offset):
                yield f"the record at {offset} is not the next one that the program reads"
                return
            record = file.record(offset)
            if any(file.view[end:offset]):
                yield f"not only zeros are before the record at {offset}"
            end = record.data_offset + record.nbytes
        if end != len(file.view):
            yield f"{len(file.view) - end:,} bytes follow the last record"
