"""Opens programs that are written as text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.convert.compile.parse import parse
from sdcoreml.convert.spec.model import (
    Blob,
    DataType,
    Description,
    Feature,
    Function,
    Model,
    NamedType,
    Program,
    TensorType,
)
from sdcoreml.convert.storage.package import OpenProgram


@dataclass(frozen=True)
class Zeros:
    """A weight file in which every blob is this many zeros."""

    nbytes: int = 64

    def read(self, blob: Blob, dtype: DataType) -> bytes:  # noqa: ARG002
        return bytes(self.nbytes)


def function_of(signature: str, *lines: str, output: str, opset: str = "ios16") -> Function:
    """Return a function; a line is such as `tensor<fp16, [4]> y = relu(x = x)`."""
    body = []
    for line in lines:
        name = line.partition(" = ")[0].rpartition(" ")[2]
        attributes = "" if "[name" in line else f'[name = string("{name}")]'
        body.append(f"            {line}{attributes};\n")
    text = (
        "program(1.3)\n[buildInfo = dict<string, string>({})]\n{\n"
        f"    func main<{opset}>({signature}) {{\n{''.join(body)}        }} -> ({output});\n}}"
    )
    return parse(text).program.functions["main"]


def constant(kind: str, name: str, value: str) -> str:
    """Return the line of a constant."""
    return f'{kind} {name} = const()[name = string("{name}"), val = {kind}({value})]'


def ports(named: Iterable[NamedType]) -> tuple[Feature, ...]:
    """Declare tensors of known shape."""
    return tuple(
        Feature(
            name=one.name, dtype=one.tensor.dtype, shape=tuple(n or 0 for n in one.tensor.shape)
        )
        for one in named
        if isinstance(one.type, TensorType)
    )


def opened(function: Function, specification: int = 7) -> OpenProgram:
    """Return a program as if it had been opened, whose description declares what it has."""
    results = {one.name: one for item in function.block.operations for one in item.outputs}
    described = Description(
        inputs=ports(function.inputs),
        outputs=ports(results[name] for name in function.block.outputs),
        raw=b"raw",
    )
    program = Program(version=1, functions={"main": function})
    model = Model(specification_version=specification, description=described, program=program)
    return OpenProgram(path=Path("x"), model=model, function=function, storage=Zeros())
