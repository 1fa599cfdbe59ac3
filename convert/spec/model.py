"""Values of the Core ML model specification that ML Programs use.

Names and numbers follow Apple's published `Model.proto`, `FeatureTypes.proto`, `MIL.proto`. These
are plain values; `convert.spec.reader` reads them from bytes.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TypeAlias

from sdcoreml.ground.errors import UnsupportedError


class DataType(IntEnum):
    """The element types, numbered as in `MILSpec.DataType`."""

    BOOL = 1
    STRING = 2
    FLOAT16 = 10
    FLOAT32 = 11
    FLOAT64 = 12
    BFLOAT16 = 13
    INT8 = 21
    INT16 = 22
    INT32 = 23
    INT64 = 24
    INT4 = 25
    UINT8 = 31
    UINT16 = 32
    UINT32 = 33
    UINT64 = 34
    UINT4 = 35
    UINT2 = 36
    UINT1 = 37
    UINT6 = 38
    UINT3 = 39
    FLOAT8E4M3FN = 40
    FLOAT8E5M2 = 41


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorType:
    """Element type and shape; a dimension of `None` is unknown, rank 0 is a scalar."""

    dtype: DataType
    shape: tuple[int | None, ...] = ()

    @property
    def count(self) -> int:
        """The number of elements; 0 if a dimension is unknown."""
        return math.prod(size or 0 for size in self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListType:
    """A list of `length` values (`None`: unknown) of one type."""

    element: ValueType
    length: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TupleType:
    """A fixed sequence of values."""

    elements: tuple[ValueType, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DictionaryType:
    """A map from one type to another."""

    key: ValueType
    value: ValueType


@dataclass(frozen=True, slots=True, kw_only=True)
class StateType:
    """A tensor that is kept from one prediction to the next (specification 9)."""

    wrapped: ValueType


ValueType: TypeAlias = TensorType | ListType | TupleType | DictionaryType | StateType


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A value in a weight file: `path` as the program states it, `offset` of its record."""

    path: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Elements:
    """The immediate elements of a tensor, row-major.

    They are raw little-endian bytes for FLOAT16, UINT32 and integers of 8 bits or fewer, and a
    tuple of Python scalars for other types.
    """

    values: bytes | tuple[float, ...] | tuple[int, ...] | tuple[bool, ...] | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """The immediate items of a list or a tuple."""

    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """The immediate entries of a dictionary, in file order."""

    items: tuple[tuple[Value, Value], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A constant: its type, and its data or the location of its data."""

    type: ValueType
    data: Elements | Sequence | Pairs | Blob


Binding: TypeAlias = "str | Value"
"""An operation's argument: the name of an earlier value, or a constant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedType:
    """A name and its type: a function's input or an operation's output."""

    name: str
    type: ValueType

    @property
    def tensor(self) -> TensorType:
        """The type of a tensor.

        Raises:
            UnsupportedError: the value is not a tensor.
        """
        if not isinstance(self.type, TensorType):
            raise UnsupportedError(f"{self.name} is not a tensor")
        return self.type


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation. For `const`, the value is `attributes["val"]`."""

    type: str
    inputs: Mapping[str, tuple[Binding, ...]]
    outputs: tuple[NamedType, ...]
    attributes: Mapping[str, Value] = field(default_factory=dict)
    blocks: tuple[Block, ...] = ()

    @property
    def is_compressed(self) -> bool:
        """Whether the operation decompresses a constant."""
        return self.type.startswith("constexpr_")

    @property
    def is_constant(self) -> bool:
        """Whether the operation is a constant, plain or compressed."""
        return self.type == "const" or self.is_compressed

    @property
    def reads(self) -> Iterator[str]:
        """The names of the values that the operation takes as arguments."""
        return (item for bound in self.inputs.values() for item in bound if isinstance(item, str))

    @property
    def constants(self) -> Iterator[Value]:
        """The constants among the operation's attributes and arguments."""
        yield from self.attributes.values()
        for bound in self.inputs.values():
            yield from (item for item in bound if isinstance(item, Value))

    @property
    def arguments(self) -> dict[str, tuple[Binding, ...]]:
        """The arguments by name; iOS 16's compressed constants have them as attributes."""
        attributes = {name: (item,) for name, item in self.attributes.items() if name != "name"}
        return {**attributes, **self.inputs}


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Operations in program order, and the names of the values that the block returns."""

    operations: tuple[Operation, ...]
    outputs: tuple[str, ...]
    inputs: tuple[NamedType, ...] = ()
    attributes: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function; `opset` (such as `CoreML6`) names the block in use."""

    inputs: tuple[NamedType, ...]
    opset: str
    blocks: Mapping[str, Block]
    attributes: Mapping[str, Value] = field(default_factory=dict)

    @property
    def block(self) -> Block:
        """The block that the function has for its own opset."""
        return self.blocks[self.opset]

    @property
    def types(self) -> dict[str, ValueType]:
        """The type of every value, inputs first."""
        results = (result for item in self.block.operations for result in item.outputs)
        return {item.name: item.type for item in (*self.inputs, *results)}

    @property
    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor that the function takes; 1 stands for any size."""
        return {
            item.name: tuple(size or 1 for size in item.type.shape)
            for item in self.inputs
            if isinstance(item.type, TensorType)
        }

    def with_operations(self, operations: Iterable[Operation]) -> Function:
        """Return the function with other operations, and only the block of its own opset."""
        block = replace(self.block, operations=tuple(operations))
        return replace(self, blocks={self.opset: block})


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program: its functions and attributes, as in `MILSpec.Program`."""

    version: int
    functions: Mapping[str, Function]
    attributes: Mapping[str, Value] = field(default_factory=dict)

    @property
    def main(self) -> Function:
        """The only function of a program that this project builds."""
        return self.functions["main"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """An input, output or state of the model description.

    `kind` names the kind of feature, and `dtype` is the element type of a multi-array, `None` for
    other kinds. `shape` is the default shape. If `flexible`, other shapes are allowed: `ranges` has
    a lower and an upper bound for each dimension (-1 for no upper bound), and `enumerated` is the
    number of listed shapes.
    """

    name: str
    dtype: DataType | None
    shape: tuple[int, ...] = ()
    kind: str = "multiArray"
    optional: bool = False
    flexible: bool = False
    description: str = ""
    ranges: tuple[tuple[int, int], ...] = ()
    enumerated: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The metadata of a model description."""

    description: str = ""
    version: str = ""
    author: str = ""
    licence: str = ""
    user_defined: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionDescription:
    """The description of one function in a model with several (specification 9)."""

    name: str
    inputs: tuple[Feature, ...]
    outputs: tuple[Feature, ...]
    states: tuple[Feature, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """The model description; `raw` is its serialised form as found in the file."""

    inputs: tuple[Feature, ...]
    outputs: tuple[Feature, ...]
    states: tuple[Feature, ...] = ()
    functions: tuple[FunctionDescription, ...] = ()
    default_function: str = ""
    metadata: Metadata = field(default_factory=Metadata)
    raw: bytes = b""


def free_name(name: str, taken: Container[str]) -> str:
    """Append underscores to `name` until it differs from all taken names."""
    while name in taken:
        name += "_"
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A whole `.mlmodel` file that holds an ML Program."""

    specification_version: int
    description: Description
    program: Program
    is_updatable: bool = False
