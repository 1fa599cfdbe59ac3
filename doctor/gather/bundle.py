"""A finished folder: its programs, from `metadata.json` or the package's own specification."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdcoreml.doctor.core.facts import Absent
from sdcoreml.doctor.core.subjects import Bundle, Feature, Program

COMPILED = ("coremldata.bin", "metadata.json", "model.mil", "weights/weight.bin")
PACKAGED = (
    "Manifest.json",
    "Data/com.apple.CoreML/model.mlmodel",
    "Data/com.apple.CoreML/weights/weight.bin",
)
EINSUM = "Ios16.einsum"
"""The key that Mochi looks for in the histogram of operations to tell split attention."""

_POINTER = b"version https://git-lfs"
_SAMPLE = 1 << 20
_TOOLS = "com.github.apple.coremltools."


def bundle(path: str) -> Bundle | Absent:
    """What lies in the folder `path`."""
    if not path:
        return Absent(reason="no finished folder given")
    folder = Path(path)
    names = sorted(entry.name for entry in folder.iterdir())
    compiled = [name for name in names if name.endswith(".mlmodelc")]
    packages = [name for name in names if name.endswith(".mlpackage")]
    # A package beside its compiled folder is not what an app loads.
    spared = [name for name in packages if f"{Path(name).stem}.mlmodelc" not in compiled]
    programs = {name: program(folder / name) for name in (*compiled, *spared)}
    return Bundle(
        path=path,
        programs=tuple(programs.values()),
        damage=_damage(folder, programs),
        vocabulary=_tokenizer(folder),
        manifest="manifest.json" in names,
        controlnet_folder=(folder / "controlnet").is_dir(),
    )


def _damage(folder: Path, programs: Mapping[str, Program]) -> tuple[str, ...]:
    """What is wrong inside programs that have all their files and a readable outside."""
    from sdcoreml.convert.bundle.facts import programs_at

    whole = [
        folder / name
        for name, one in programs.items()
        if not (one.missing or one.pointers or one.fault)
    ]
    return tuple(
        f"{path.name}: {fault.what}"
        for path in whole
        for read in programs_at(path)
        for fault in read.faults
    )


def program(path: Path) -> Program:
    """One program; a fault in it is kept, not raised."""
    files = COMPILED if path.suffix == ".mlmodelc" else PACKAGED
    missing = tuple(name for name in files if not (path / name).is_file())
    pointers = tuple(name for name in files if name not in missing and _is_pointer(path / name))
    blank = Program(
        name=path.stem,
        container=path.suffix,
        weights=_size(path / files[-1]),
        weights_digest=_digest(path / files[-1]),
        missing=missing,
        pointers=pointers,
    )
    if pointers or files[1] in missing:
        return blank
    reader = _compiled if path.suffix == ".mlmodelc" else _packaged
    return reader(path, blank)


def _compiled(path: Path, blank: Program) -> Program:
    """From metadata.json: an array with one object, as Mochi insists."""
    try:
        content = json.loads((path / "metadata.json").read_bytes())
    except ValueError:
        return replace(blank, fault="metadata.json is not JSON")
    if not (isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict)):
        return replace(blank, fault="metadata.json is not an array of one object")
    fields: Mapping[str, Any] = content[0]
    histogram = fields.get("mlProgramOperationTypeHistogram")
    if not isinstance(histogram, dict):
        return replace(blank, fault="metadata.json has no mlProgramOperationTypeHistogram")
    rows = fields.get("inputSchema", [])
    if not all(isinstance(value, str) for row in rows for value in row.values()):
        return replace(blank, fault="inputSchema in metadata.json holds values that are not text")
    return replace(
        blank,
        inputs=tuple(_feature(row) for row in rows),
        outputs=tuple(_feature(row) for row in fields.get("outputSchema", [])),
        attention="split" if EINSUM in histogram else "original",
        specification=int(fields.get("specificationVersion", 0)),
        precision=str(fields.get("computePrecision", "")),
        tools=_tools(fields.get("userDefinedMetadata", {})),
    )


def _feature(row: Mapping[str, str]) -> Feature:
    """From "[2, 4, 64, 64]"; outputs of older compilers have "[]"."""
    numbers = row.get("shape", "").strip("[]").replace(" ", "").split(",")
    shape = tuple(int(number) for number in numbers if number.isdecimal())
    return Feature(name=row.get("name", ""), shape=shape, dtype=row.get("dataType", ""))


def _packaged(path: Path, blank: Program) -> Program:
    """From the specification, read without coremltools."""
    from sdcoreml.convert.spec.reader import read_package
    from sdcoreml.ground.errors import SdcoremlError

    try:
        model = read_package(path).model
    except SdcoremlError as error:
        return replace(blank, fault=error.complaint)
    main = next(iter(model.program.functions.values()))
    kinds = {operation.type for operation in main.block.operations}
    return replace(
        blank,
        inputs=tuple(_described(feature) for feature in model.description.inputs),
        outputs=tuple(_described(feature) for feature in model.description.outputs),
        attention="split" if "einsum" in kinds else "original",
        specification=model.specification_version,
        tools=_tools(model.description.metadata.user_defined),
    )


_DTYPES = {"FLOAT16": "Float16", "FLOAT32": "Float32", "INT32": "Int32", "FLOAT64": "Double"}


def _described(feature: Any) -> Feature:  # noqa: ANN401  sdcoreml.convert.spec.model.Feature, imported lazily
    dtype = _DTYPES.get(feature.dtype.name, feature.dtype.name) if feature.dtype else feature.kind
    return Feature(name=feature.name, shape=tuple(feature.shape), dtype=dtype)


def _tools(metadata: Mapping[str, str]) -> Mapping[str, str]:
    """Versions of what made the program: coremltools, and its source such as torch==2.2.0."""
    tools = {"coremltools": metadata.get(f"{_TOOLS}version", "")}
    name, _, version = metadata.get(f"{_TOOLS}source", "").partition("==")
    tools[name] = version
    return {name: version for name, version in tools.items() if name and version}


def _tokenizer(folder: Path) -> tuple[str, ...]:
    """What the Swift reader would stumble over in vocab.json and merges.txt."""
    from sdcoreml.convert.bundle.tokenizer import (
        MERGES,
        VOCAB,
        Tokenizer,
        check_tokenizer,
    )
    from sdcoreml.ground.errors import SdcoremlError

    missing = [name for name in (VOCAB, MERGES) if not (folder / name).is_file()]
    if missing:
        return tuple(f"{name} is missing" for name in missing)
    read = Tokenizer(vocab=(folder / VOCAB).read_bytes(), merges=(folder / MERGES).read_bytes())
    try:
        return tuple(fault.what for fault in check_tokenizer(read, folder))
    except SdcoremlError as error:
        return (str(error),)


def _is_pointer(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_POINTER)) == _POINTER


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _digest(path: Path) -> str:
    """Of the size, the first and the last megabyte: enough to tell two checkpoints apart."""
    if not path.is_file():
        return ""
    size = path.stat().st_size
    with path.open("rb") as file:
        parts: Iterable[bytes] = (file.read(_SAMPLE), _tail(file, size))
        return hashlib.sha256(b"".join((str(size).encode(), *parts))).hexdigest()


def _tail(file: Any, size: int) -> bytes:  # noqa: ANN401  a binary file
    file.seek(max(0, size - _SAMPLE))
    data: bytes = file.read()
    return data
