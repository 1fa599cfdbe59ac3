"""A program under construction: constants are stored once, and weights are only declared.

In the graph, a declared weight is an array of its shape that takes no memory (all strides are 0).
`account` compares all declarations with the checkpoint at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.programs.payload import (
    SMALLEST_RECORD,
    ComputedConstant,
    RecordSource,
    Weight,
)
from sdcoreml.convert.programs.toolkit import MilOp, Plain, Var, toolkit
from sdcoreml.convert.spec.model import DataType, Feature

if TYPE_CHECKING:
    import numpy as np
    from typing_extensions import Self

_NUMPY = {DataType.FLOAT16: "float16", DataType.FLOAT32: "float32"}


class Graph:
    """The function `main` of a program under construction.

    Operations are added while it is used as a context manager. A result has the name that the
    caller gives, or else the name of its operation with a number. So the same calls give the same
    program in any process.
    """

    def __init__(self, inputs: Iterable[Feature], options: ProgramOptions) -> None:
        kit = toolkit()
        self.features = tuple(inputs)
        self.dtype = options.precision.dtype
        self.options = options
        self._kit = kit
        self._names = {feature.name: 1 for feature in self.features}
        self._constants: dict[tuple[object, ...], Var] = {}
        self.sources: dict[str, RecordSource] = {}
        self.declared: dict[str, tuple[int, ...]] = {}
        placeholders = {
            feature.name: kit.builder.placeholder(
                shape=feature.shape, dtype=kit.dtypes[feature.dtype or self.dtype]
            )
            for feature in self.features
        }
        self.function = kit.function(placeholders, kit.opset(options.target))
        self.inputs: Mapping[str, Var] = self.function.inputs
        self.outputs: dict[str, Var] = {}

    def __enter__(self) -> Self:
        self.function.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.function.set_outputs(list(self.outputs.values()))
        self.function.__exit__(kind, error, trace)

    def input(self, name: str) -> Var:
        """Return the input `name`, cast to the program's own type."""
        return self.cast(self.inputs[name], self.dtype)

    def emit(self, operation: str, /, *, name: str | None = None, **arguments: Plain) -> MilOp:
        """Add an operation; plain values become constants. Returns its result or results."""
        bound = {key: self._bind(value) for key, value in arguments.items()}
        add = getattr(self._kit.builder, operation)
        result: MilOp = add(name=self._unique(name or operation), **bound)
        first: MilOp = result if isinstance(result, self._kit.var) else result[0]
        self._rename_defaults(first.op, bound)
        return result

    def _rename_defaults(self, op: MilOp, bound: Mapping[str, Plain]) -> None:
        """Rename the default arguments of `op`, which coremltools numbers for a whole process."""
        for parameter in op.inputs.keys() - bound.keys():
            var = op.inputs[parameter]
            var.name = var.op.name = self._unique(f"{op.name}_{parameter}")

    def output(self, name: str, x: Var) -> None:
        """Declare `x`, cast to float32, as the output `name`."""
        self.outputs[name] = self.cast(x, DataType.FLOAT32, name=name)

    def cast(self, x: Var, dtype: DataType, *, name: str | None = None) -> Var:
        """Cast `x` to `dtype`; without a `name`, nothing is added if it has that type already."""
        if name is None and x.dtype == self._kit.dtypes[dtype]:
            return x
        words = {DataType.FLOAT16: "fp16", DataType.FLOAT32: "fp32", DataType.INT32: "int32"}
        result: Var = self.emit("cast", name=name, x=x, dtype=words[dtype])
        return result

    def number(self, value: float) -> np.generic:
        """Return a scalar of the program's own floating-point type."""
        import numpy as np

        scalar: np.generic = np.dtype(_NUMPY[self.dtype]).type(value)
        return scalar

    def table(self, array: np.ndarray, name: str) -> Var:
        """Add a constant computed here, in its own dtype; equal ones are stored once."""
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self._constant(array, self._unique(name))
            if array.size >= SMALLEST_RECORD and array.dtype.kind == "f":
                self.sources[self._constants[key].name] = ComputedConstant(array)
        return self._constants[key]

    def weight(self, tensor: str, shape: tuple[int, ...]) -> Var:
        """Declare a checkpoint tensor, viewed as `shape`; repeated calls share one constant."""
        import numpy as np

        key = ("weight", tensor, shape)
        if key not in self._constants:
            empty = np.broadcast_to(np.zeros((), _NUMPY[self.dtype]), shape)
            var = self._constant(empty, self._unique(tensor))
            self._constants[key] = var
            self.sources[var.name] = Weight(tensor=tensor)
            self.declared[tensor] = shape
        return self._constants[key]

    def _bind(self, value: Plain) -> MilOp:
        if isinstance(value, self._kit.var):
            return value
        if isinstance(value, (list, tuple)) and any(isinstance(v, self._kit.var) for v in value):
            return list(value)
        key = (type(value), repr(value))
        if key not in self._constants:
            self._constants[key] = self._constant(value, self._unique("constant"))
        return self._constants[key]

    def _constant(self, value: Plain, name: str) -> MilOp:
        return self._kit.builder.const(val=value, name=name)

    def _unique(self, name: str) -> str:
        """Make the name a MIL identifier, with a number from its second use on."""
        word = re.sub(r"\W", "_", name, flags=re.ASCII)
        count = self._names.get(word, 0)
        self._names[word] = count + 1
        return self._unique(f"{word}_{count}") if count else word


def port(name: str, dtype: DataType, shape: tuple[int, ...], description: str) -> Feature:
    """Describe an input. Apps pass float32, which Core ML converts if float16 is declared."""
    return Feature(name=name, dtype=dtype, shape=shape, description=description)
