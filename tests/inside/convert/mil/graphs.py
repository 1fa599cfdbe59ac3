"""Helpers with which tests write programs, as values of `convert.spec.model`.

Only those that run one need torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from sdcoreml.convert.spec.model import (
    Binding,
    Blob,
    Block,
    DataType,
    Elements,
    Function,
    NamedType,
    Operation,
    TensorType,
    Value,
)
from sdcoreml.ground.errors import BadInputError

if TYPE_CHECKING:
    import torch

    from sdcoreml.convert.mil.kinds import Mode

F16, F32, I32, BOOL = DataType.FLOAT16, DataType.FLOAT32, DataType.INT32, DataType.BOOL
KINDS = {"e": F16, "f": F32, "i": I32, "?": BOOL, "B": DataType.UINT8, "b": DataType.INT8}
RAW = frozenset({DataType.FLOAT16, DataType.UINT8, DataType.INT8})


@dataclass
class Memory:
    """A storage of blobs in memory: each has a type and bytes, by its path and offset."""

    records: dict[Blob, tuple[DataType, bytes]] = field(default_factory=dict)

    def read(self, blob: Blob, dtype: DataType) -> bytes:
        if blob not in self.records or self.records[blob][0] != dtype:
            raise BadInputError(f"no {dtype.name} at {blob.offset}")
        return self.records[blob][1]


@dataclass
class Graph:
    """A function being built; `op` appends an operation and returns its first output's name."""

    inputs: Mapping[str, tuple[DataType, tuple[int, ...]]]
    storage: Memory = field(default_factory=Memory)
    operations: list[Operation] = field(default_factory=list)

    def op(
        self,
        kind: str,
        arguments: Mapping[str, object],
        *outputs: tuple[DataType, tuple[int, ...]],
        name: str = "",
    ) -> str:
        name = name or f"v{len(self.operations)}"
        names = [name, *(f"{name}_{place}" for place in range(1, len(outputs)))]
        self.operations.append(
            Operation(
                type=kind,
                inputs={key: bindings(value) for key, value in arguments.items()},
                outputs=tuple(
                    NamedType(name=name, type=TensorType(dtype=dtype, shape=shape))
                    for name, (dtype, shape) in zip(names, outputs, strict=True)
                ),
            )
        )
        return name

    def weight(self, name: str, content: np.ndarray) -> str:
        """Append a `const` whose value is a blob in the storage; return its name."""
        kind = KINDS[content.dtype.char]
        blob = Blob(path="@model_path/weights/weight.bin", offset=64 * len(self.storage.records))
        self.storage.records[blob] = (kind, content.tobytes())
        declared = TensorType(dtype=kind, shape=content.shape)
        self.operations.append(
            Operation(
                type="const",
                inputs={},
                outputs=(NamedType(name=name, type=declared),),
                attributes={"val": Value(type=declared, data=blob)},
            )
        )
        return name

    def function(self, *outputs: str) -> Function:
        return Function(
            inputs=tuple(
                NamedType(name=name, type=TensorType(dtype=dtype, shape=shape))
                for name, (dtype, shape) in self.inputs.items()
            ),
            opset="CoreML6",
            blocks={"CoreML6": Block(operations=tuple(self.operations), outputs=outputs)},
        )

    def run(
        self, output: str, feeds: Mapping[str, torch.Tensor], mode: Mode | None = None
    ) -> torch.Tensor:
        from sdcoreml.convert.mil.interpreter import Executable
        from sdcoreml.convert.mil.kinds import Mode

        executable = Executable(function=self.function(output), storage=self.storage)
        return executable.run(feeds, mode or Mode.FP32)[output]


def immediate(content: object) -> Value:
    """Return a constant to use as an argument; arrays keep their dtype."""
    if isinstance(content, str):
        return Value(type=TensorType(dtype=DataType.STRING), data=Elements(values=(content,)))
    array = np.asarray(content)
    if array.dtype == np.int64:
        array = array.astype(np.int32)
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    kind = KINDS[array.dtype.char]
    flat = array.tobytes() if kind in RAW else tuple(array.reshape(-1).tolist())
    return Value(type=TensorType(dtype=kind, shape=array.shape), data=Elements(values=flat))


def single(
    kind: str,
    feeds: Mapping[str, torch.Tensor],
    parameters: Mapping[str, object],
    *like: torch.Tensor,
) -> list[torch.Tensor]:
    """Run a program of one operation; return its outputs.

    `feeds` are the operation's tensors by argument, `parameters` its constant arguments. Its
    outputs are declared with the types and shapes of the tensors `like`.
    """
    from sdcoreml.convert.mil.interpreter import Executable

    graph = Graph(
        inputs={name: (_kind(value), tuple(value.shape)) for name, value in feeds.items()}
    )
    arguments = {**{name: Ref(name) for name in feeds}, **parameters}
    declared = [(_kind(tensor), tuple(tensor.shape)) for tensor in like]
    first = graph.op(kind, arguments, *declared)
    names = [first, *(f"{first}_{place}" for place in range(1, len(like)))]
    executable = Executable(function=graph.function(*names), storage=graph.storage)
    results = executable.run(feeds)
    return [results[name] for name in names]


def _kind(tensor: torch.Tensor) -> DataType:
    import torch

    return {torch.float32: F32, torch.float16: F16, torch.int32: I32, torch.bool: BOOL}[
        tensor.dtype
    ]


def bindings(value: object) -> tuple[Binding, ...]:
    """Return an argument as bindings: of a `Ref` to an earlier value, a tuple, or a constant."""
    match value:
        case tuple():
            return tuple(binding for item in value for binding in bindings(item))
        case Ref(name=name):
            return (name,)
        case Value():
            return (value,)
    return (immediate(value),)


@dataclass(frozen=True)
class Ref:
    """A reference to a value of the program, by its name."""

    name: str
