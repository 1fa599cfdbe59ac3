"""A program under construction: constants are stored once, and weights are only declared.

The operations are those of the specification from the start. A declared weight is a constant
without content. `account` compares all declarations with the checkpoint at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdcoreml.convert.programs.inference import CAST, Plain, Var, defaults_of, infer
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.programs.payload import (
    SMALLEST_RECORD,
    ComputedConstant,
    RecordSource,
    Weight,
)
from sdcoreml.convert.spec.model import DataType, Feature

if TYPE_CHECKING:
    import numpy as np

_NUMPY = {DataType.FLOAT16: "float16", DataType.FLOAT32: "float32"}
_DTYPES: Mapping[str, DataType] = {
    "bool": DataType.BOOL,
    "float16": DataType.FLOAT16,
    "float32": DataType.FLOAT32,
    "int": DataType.INT32,
    "int32": DataType.INT32,
    "str": DataType.STRING,
}
"""The types of constants by those of plain values. A `float` has none: it does not say which."""

_WORDS: Mapping[DataType, str] = {dtype: word for word, dtype in CAST.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An operation of the graph; a constant is of type `const`, and has one result."""

    type: str
    name: str
    arguments: Mapping[str, Any]
    results: tuple[Var, ...]


class Graph:
    """The function `main` of a program under construction.

    A result has the name that the caller gives, or else the name of its operation with a number. So
    the same calls give the same program in any process.
    """

    def __init__(self, inputs: Iterable[Feature], options: ProgramOptions) -> None:
        self.features = tuple(inputs)
        self.dtype = options.precision.dtype
        self.options = options
        self._names = {feature.name: 1 for feature in self.features}
        self._constants: dict[tuple[object, ...], Var] = {}
        self.sources: dict[str, RecordSource] = {}
        self.declared: dict[str, tuple[int, ...]] = {}
        self.steps: list[Step] = []
        self.inputs: Mapping[str, Var] = {
            feature.name: Var(feature.name, feature.dtype or self.dtype, feature.shape)
            for feature in self.features
        }
        self.outputs: dict[str, Var] = {}

    def input(self, name: str) -> Var:
        """Return the input `name`, cast to the program's own type."""
        return self.cast(self.inputs[name], self.dtype)

    def emit(self, operation: str, /, *, name: str | None = None, **arguments: Plain) -> Any:  # noqa: ANN401  a result, or several
        """Add an operation; plain values become constants. Returns its result or results."""
        bound = {key: self._bind(value) for key, value in arguments.items()}
        own = self._unique(name or operation)
        for key, value in defaults_of(operation, self.options.target).items():
            bound.setdefault(key, self._constant(value, self._unique(f"{own}_{key}")))
        found = infer(operation, bound)
        names = [own] if len(found) == 1 else [f"{own}_{place}" for place in range(len(found))]
        results = tuple(Var(one, *kind) for one, kind in zip(names, found, strict=True))
        self.steps.append(Step(type=operation, name=own, arguments=bound, results=results))
        return results[0] if len(results) == 1 else results

    def output(self, name: str, x: Var) -> None:
        """Declare `x`, cast to float32, as the output `name`."""
        self.outputs[name] = self.cast(x, DataType.FLOAT32, name=name)

    def cast(self, x: Var, dtype: DataType, *, name: str | None = None) -> Var:
        """Cast `x` to `dtype`; without a `name`, nothing is added if it has that type already."""
        if name is None and x.dtype is dtype:
            return x
        result: Var = self.emit("cast", name=name, x=x, dtype=_WORDS[dtype])
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
        key = ("weight", tensor, shape)
        if key not in self._constants:
            var = self._place(Var(self._unique(tensor), self.dtype, shape))
            self._constants[key] = var
            self.sources[var.name] = Weight(tensor=tensor)
            self.declared[tensor] = shape
        return self._constants[key]

    def _bind(self, value: Plain) -> Var | list[Var]:
        if isinstance(value, Var):
            return value
        if isinstance(value, list) and isinstance(value[0], Var):
            return list(value)
        if getattr(value, "shape", ()):
            raise ValueError("an array becomes a constant by `table`, which tells it by its bytes")
        key = (type(value), repr(value))
        if key not in self._constants:
            self._constants[key] = self._constant(value, self._unique("constant"))
        return self._constants[key]

    def _constant(self, value: Plain, name: str) -> Var:
        return self._place(Var(name, *_kind_of(value), value))

    def _place(self, constant: Var) -> Var:
        name = constant.name
        self.steps.append(Step(type="const", name=name, arguments={}, results=(constant,)))
        return constant

    def _unique(self, name: str) -> str:
        """Make the name a MIL identifier, with a number from its second use on."""
        word = re.sub(r"\W", "_", name, flags=re.ASCII)
        count = self._names.get(word, 0)
        self._names[word] = count + 1
        return self._unique(f"{word}_{count}") if count else word


def _kind_of(value: Plain) -> tuple[DataType, tuple[int, ...]]:
    """Return type and shape of a plain value; the items of a list are of one type."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        (kind,) = {type(one) for one in value}
        return _DTYPES[kind.__name__], (len(value),)
    shape: tuple[int, ...] = getattr(value, "shape", ())
    return _DTYPES[value.dtype.name if hasattr(value, "dtype") else type(value).__name__], shape


def port(name: str, dtype: DataType, shape: tuple[int, ...], description: str) -> Feature:
    """Describe an input. Apps pass float32, which Core ML converts if float16 is declared."""
    return Feature(name=name, dtype=dtype, shape=shape, description=description)
