"""Compiles a `.mlpackage` to a `.mlmodelc` folder, checked before it gets its final name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sdcoreml.convert.compile.check import differences, faults, weight_faults
from sdcoreml.convert.compile.compiled import (
    ANALYTICS,
    COREMLDATA,
    METADATA,
    TEXT,
    WEIGHTS,
    CompiledModel,
    blobs,
    read_compiled,
)
from sdcoreml.convert.compile.coremldata import write_analytics, write_coremldata
from sdcoreml.convert.compile.literals import LiteralError
from sdcoreml.convert.compile.lower import lower
from sdcoreml.convert.compile.metadata import write_metadata
from sdcoreml.convert.compile.names import TEXT_VERSIONS
from sdcoreml.convert.compile.refusals import WITH_XCODE, refusals
from sdcoreml.convert.compile.text import write
from sdcoreml.convert.spec.reader import Package, read_package
from sdcoreml.convert.weights.clone import place
from sdcoreml.ground.aside import folder_aside, sole_maker
from sdcoreml.ground.errors import UnsupportedError, raise_first
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.files import Document, read_bytes
from sdcoreml.ground.labour import Labour, compiling, tell

OURS = "compiled without Xcode"
"""The first words of the verdict on every model that this compiler wrote."""

COMPARED = f"{OURS}, equal to Apple's compiler on the reference pairs"
"""The part of the verdict that is true wherever the compiled model was made."""

UNTRIED = f"{COMPARED}, not yet loaded on a Mac"
"""The verdict on a compiled model that has not been loaded on a Mac yet."""


def compile_package(
    package: Path, target: Path, emit: Emit = silent, read: Package | None = None
) -> CompiledModel:
    """Compile the package to the folder `target` (`….mlmodelc`); `read` is it, if it was read.

    An older compiled model of that name is replaced once the new one has passed every check. The
    weight file is cloned or hard-linked if the file system allows it.

    Raises:
        BadInputError: the package is damaged, or `target` is there but is no compiled model.
        UnsupportedError: the model has parts that cannot be compiled without Xcode.
        NoSpaceError: the disk is full; no partial result is left.
    """
    emit(Event(kind="step", text=f"compile {package.name}"))
    source = read or read_package(package)
    raise_first(
        refusals(source.model, source.model_path)
        + weight_faults(source.model.program, source.weights, source.model_path)
    )
    with sole_maker(target), folder_aside(target, COREMLDATA) as part:
        placed = _write(source, part)
        compiled = read_compiled(part)
        raise_first(faults(compiled) + differences(compiled, source.model, package.stem))
    if placed:
        emit(Event(kind="note", text=placed))
    tell(emit, Labour.COMPILE, compiling(sum(1 for _ in blobs(compiled.program))))
    return replace(
        compiled, path=target, weights=target / WEIGHTS if compiled.weights is not None else None
    )


def _write(source: Package, folder: Path) -> str:
    """Write all files of the compiled model; return how the weight file was put in place."""
    model = source.model
    try:
        text = write(lower(model), TEXT_VERSIONS[model.specification_version])
    except LiteralError as error:
        raise UnsupportedError(f"{error}", where=source.model_path, remedy=WITH_XCODE) from error
    files = {
        TEXT: text.encode(),
        COREMLDATA: write_coremldata(model),
        ANALYTICS: write_analytics(
            read_bytes(source.model_path, Document.PROGRAM), source.model_path.stem
        ),
        METADATA: write_metadata(model, source.path.stem).encode(),
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    if source.weights is None:
        return ""
    (folder / WEIGHTS).parent.mkdir()
    return f"weights {place(source.weights, folder / WEIGHTS).value}"
