"""Texts of programs, and packages that compile to them.

The texts are in the folder `golden` beside this file. `operations` has every operation and element
type of the project's own programs. `compressed` has every form of compressed weights of
specification 7, and `blockwise` those of specification 9. `grouped` has the latter in arguments,
as the project's own programs do; since no reference pair has that, its text is inferred.
`stateful` has what text version 1.3 adds, and `flexible` has an input of flexible shape.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sdcoreml.convert.compile.compiled import blobs
from sdcoreml.convert.compile.parse import parse
from sdcoreml.convert.spec.blobs import BITS, DTYPES
from sdcoreml.convert.spec.model import (
    DataType,
    NamedType,
    Program,
    StateType,
    TensorType,
)
from tests.convert.spec.packages import (
    F16,
    F32,
    I32,
    Raw,
    array,
    feature,
    message,
    metadata,
    model,
    weight_file,
    write_package,
)

GOLDEN = Path(__file__).parent / "golden"
ALL: Mapping[str, str] = {
    path.stem: path.read_text(encoding="utf-8") for path in sorted(GOLDEN.glob("*.mil"))
}
OPERATIONS, COMPRESSED = ALL["operations"], ALL["compressed"]
STATEFUL, FLEXIBLE = ALL["stateful"], ALL["flexible"]
BLOCKWISE, GROUPED = ALL["blockwise"], ALL["grouped"]


def source(text: str) -> Program:
    """Return the program of a text, without the attributes that the compiler adds."""
    program = parse(text).program
    functions = {name: replace(item, attributes={}) for name, item in program.functions.items()}
    return replace(program, functions=functions, attributes={})


def weights(program: Program) -> bytes:
    """Return a weight file with a zero-filled record of at most 64 bytes for each constant."""
    codes = {dtype: code for code, dtype in DTYPES.items()}
    records = {}
    for value, place in blobs(program):
        assert isinstance(value.type, TensorType)
        bits = math.prod(size or 0 for size in value.type.shape) * BITS[value.type.dtype]
        records[place.offset] = Raw(codes[value.type.dtype], bytes(bits // 8))
    assert sorted(records) == [64 + 128 * number for number in range(len(records))]
    return weight_file(*(records[offset] for offset in sorted(records)))


ARRAYS = {DataType.FLOAT16: F16, DataType.FLOAT32: F32, DataType.INT32: I32}


def ports(number: int, named: Iterable[NamedType]) -> bytes:
    """Return serialised `FeatureDescription`s of fixed shape, each as the field `number`."""
    parts = []
    for item in named:
        kind = item.type
        if isinstance(kind, StateType):
            continue
        assert isinstance(kind, TensorType)
        shape = [size for size in kind.shape if size is not None]
        parts.append(message(number, feature(item.name, array(shape, ARRAYS[kind.dtype]))))
    return b"".join(parts)


def outputs(program: Program, name: str = "main") -> Sequence[NamedType]:
    """Return the outputs of the function `name`, with their types."""
    block = program.functions[name].block
    found = {item.name: item for op in block.operations for item in op.outputs}
    return [found[output] for output in block.outputs]


def described(program: Program) -> bytes:
    """Return the serialised description of a program of one function, with some metadata."""
    return b"".join(
        (
            ports(1, reversed(program.functions["main"].inputs)),
            ports(10, outputs(program)),
            message(100, metadata({1: "what", 3: "who"}, {"b": "2", "a": "1"})),
        )
    )


def package(path: Path, text: str = OPERATIONS, version: int = 7) -> Path:
    """Write a package of one function, which compiles to `text`; return its path."""
    program = source(text)
    content = model(program, described(program), version)
    return write_package(path, content, weights(program) if "BLOBFILE" in text else None)
