"""Holds the values of one run of an ML Program, and computes operations from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import torch

from sdcoreml.convert.mil.arguments import CPU, Argument, Arguments
from sdcoreml.convert.mil.attention import Attention
from sdcoreml.convert.mil.kinds import Mode, choose_dtype, result_kind
from sdcoreml.convert.mil.operations import EXACT, OPERATIONS, UNBOUNDED
from sdcoreml.convert.spec.model import (
    Binding,
    Blob,
    DataType,
    Function,
    NamedType,
    Operation,
    TensorType,
    Value,
)
from sdcoreml.convert.storage.elements import BlobStorage, array, is_text, text
from sdcoreml.ground.errors import ParityError, UnsupportedError

Values: TypeAlias = Mapping[str, tuple[torch.Tensor, DataType]]
"""Maps names to tensors and their declared types."""

Observer: TypeAlias = Callable[[Operation, str, torch.Tensor], None]
"""Called with each operation, the name of its output and the result."""


def observe_nothing(operation: Operation, name: str, result: torch.Tensor) -> None:
    """Do nothing: the `Observer` for callers who need only the outputs."""


class Frame:
    """The values of one run: computed tensors, and constants to read on demand."""

    def __init__(
        self, function: Function, storage: BlobStorage, mode: Mode, device: str = CPU
    ) -> None:
        self._function = function
        self._storage = storage
        self._mode = mode
        self._device = device
        self._constants: dict[str, Operation] = {}
        self._small: dict[str, Argument] = {}
        self._tensors: dict[str, torch.Tensor] = {}
        self._kinds: dict[str, DataType] = {}

    def feed(self, feeds: Mapping[str, torch.Tensor]) -> None:
        """Store the function's inputs."""
        declared = {item.name: item.tensor for item in self._function.inputs}
        if feeds.keys() != declared.keys():
            raise ParityError(
                f"got the inputs {sorted(feeds)}, but the program takes {sorted(declared)}"
            )
        for name, wanted in declared.items():
            _demand_shape(f"input {name}", feeds[name], wanted)
            self._keep(name, feeds[name].to(choose_dtype(wanted.dtype, self._mode)), wanted.dtype)

    def step(self, operation: Operation, observe: Observer) -> None:
        """Compute one operation. A constant is only registered, and read on demand."""
        if operation.is_constant:
            self._constants[operation.outputs[0].name] = operation
            self._kinds[operation.outputs[0].name] = _kind_of(operation.outputs[0])
            return
        for output, result in self._compute_outputs(operation):
            observe(operation, output.name, result)
            self._keep(output.name, result, output.tensor.dtype)

    def attend(self, attention: Attention) -> None:
        """Compute three operations for some queries at a time; only the last result is kept."""
        queries = self.tensor(attention.queries)
        found = []
        try:
            for part in queries.split(attention.piece, -1):
                self._tensors[attention.queries] = part
                for operation in attention.for_width(part.shape[-1]):
                    self.step(operation, observe_nothing)
                found.append(self._tensors.pop(operation.outputs[0].name))
        finally:
            self._tensors[attention.queries] = queries
            self.release(operation.outputs[0].name for operation in attention.operations)
        self._tensors[operation.outputs[0].name] = torch.cat(found, -1)

    def compute_with(self, operation: Operation, name: str, value: torch.Tensor) -> torch.Tensor:
        """Compute the operation as if the constant `name` had this value; nothing is stored."""
        self._tensors[name] = value
        try:
            ((_, result),) = self._compute_outputs(operation)
        finally:
            del self._tensors[name]
        return result

    def values(self) -> Values:
        """Return all stored tensors, including inputs, and the type of each."""
        return {name: (tensor, self._kinds[name]) for name, tensor in self._tensors.items()}

    def resume(self, values: Values) -> None:
        """Store `values`, which another run computed, to continue from there."""
        for name, (tensor, kind) in values.items():
            self._keep(name, tensor, kind)

    def release(self, names: Iterable[str]) -> None:
        """Release values that no later operation uses."""
        for name in names:
            self._tensors.pop(name, None)

    def tensor(self, name: str) -> torch.Tensor:
        """Return the tensor of this name."""
        value = self._value(name)
        if not isinstance(value, torch.Tensor):
            raise ParityError(f"{name} is a {type(value).__name__}, not a tensor")
        return value

    def _compute_outputs(self, operation: Operation) -> list[tuple[NamedType, torch.Tensor]]:
        """Compute all outputs of an operation, checked and rounded to the declared type."""
        kernel = OPERATIONS.get(operation.type)
        if kernel is None or operation.blocks:
            raise UnsupportedError("this operation is not implemented in the interpreter")
        args = self._arguments(operation)
        kind = result_kind(operation.type, args)
        results = kernel(args)
        tensors = [results] if isinstance(results, torch.Tensor) else list(results)
        if len(tensors) != len(operation.outputs):
            raise ParityError(
                f"it computes {len(tensors)} results, but declares {len(operation.outputs)} outputs"
            )
        pairs = list(zip(operation.outputs, tensors, strict=True))
        if operation.type in UNBOUNDED:  # the others only move or shrink finite values
            for output, tensor in pairs:
                _demand_finite(tensor, choose_dtype(output.tensor.dtype, self._mode))
        return [(output, self._round_output(output, tensor, kind)) for output, tensor in pairs]

    def _round_output(
        self, output: NamedType, tensor: torch.Tensor, kind: DataType | None
    ) -> torch.Tensor:
        wanted = output.tensor
        if kind is not None and kind != wanted.dtype:
            raise ParityError(f"computes {kind.name}, but declares {wanted.dtype.name}")
        _demand_shape("the result", tensor, wanted)
        return tensor.to(choose_dtype(wanted.dtype, self._mode))

    def _keep(self, name: str, tensor: torch.Tensor, kind: DataType) -> None:
        self._tensors[name] = tensor
        self._kinds[name] = kind

    def _arguments(self, operation: Operation) -> Arguments:
        """Return the arguments by name; iOS 16's compressed constants have them as attributes."""
        values: dict[str, Argument] = {}
        kinds: dict[str, DataType] = {}
        widen = operation.type not in EXACT
        for name, bindings in operation.arguments.items():
            resolved = [self._resolve_binding(binding, widen=widen) for binding in bindings]
            kinds_here = {self._kind(binding) for binding in bindings}
            if len(kinds_here) != 1:
                raise ParityError(f"the items of argument {name} are of different types")
            kinds[name] = kinds_here.pop()
            values[name] = resolved[0] if len(resolved) == 1 else _all_tensors(resolved)
        return Arguments(
            values=values, kinds=kinds, device=CPU if operation.is_compressed else self._device
        )

    def _resolve_binding(self, binding: Binding, *, widen: bool) -> Argument:
        """Return the value of an argument; half-precision tensors are widened for computing."""
        value = self._value(binding) if isinstance(binding, str) else self._literal(binding)
        if widen and isinstance(value, torch.Tensor) and value.dtype in _HALF:
            return value.float()
        return value

    def _kind(self, binding: Binding) -> DataType:
        if isinstance(binding, str):
            return self._kinds[binding]
        return binding.type.dtype if isinstance(binding.type, TensorType) else DataType.STRING

    def _value(self, name: str) -> Argument:
        """Return a computed tensor, or read a constant, which is kept only if it is small."""
        if name in self._tensors:
            return self._tensors[name]
        if name in self._small:
            return self._small[name]
        if name not in self._constants:
            raise ParityError(f"{name} is used before any operation computes it")
        operation = self._constants[name]
        if operation.type != "const":
            return self._decompress(operation)
        constant = operation.attributes["val"]
        value = self._literal(constant)
        if isinstance(value, torch.Tensor):
            _demand_shape("the constant", value, operation.outputs[0].tensor)
        if not isinstance(constant.data, Blob):
            self._small[name] = value
        return value

    def _decompress(self, operation: Operation) -> torch.Tensor:
        """Decompress a constant, and round it to its declared type whatever the mode."""
        with torch.device(CPU):  # numpy unpacks the codes
            ((output, result),) = self._compute_outputs(operation)
        return result.to(choose_dtype(output.tensor.dtype, Mode.FP16)).to(result.dtype)

    def _literal(self, value: Value) -> Argument:
        if is_text(value):
            return text(value)
        content = array(value, self._storage)
        kind = self._kind(value)
        if kind in _WIDER:
            content = content.astype(_WIDER[kind])
        return torch.from_numpy(content if content.flags.writeable else content.copy()).to(
            choose_dtype(kind, self._mode)
        )


_HALF_LIMIT = 65520.0
"""From this magnitude on, values round to infinity instead of the largest float16, 65504."""

_HALF = frozenset({torch.float16, torch.bfloat16})
_WIDER = {DataType.UINT16: "i4", DataType.UINT32: "i8"}


def _kind_of(item: NamedType) -> DataType:
    return item.type.dtype if isinstance(item.type, TensorType) else DataType.STRING


def _all_tensors(values: list[Argument]) -> list[torch.Tensor]:
    return [value for value in values if isinstance(value, torch.Tensor)]


def _demand_shape(what: str, tensor: torch.Tensor, declared: TensorType) -> None:
    actual = tuple(tensor.shape)
    if len(actual) != len(declared.shape) or any(
        wanted not in {None, size} for wanted, size in zip(declared.shape, actual, strict=True)
    ):
        raise ParityError(f"{what} has shape {actual}, but {declared.shape} is declared")


def _demand_finite(tensor: torch.Tensor, target: torch.dtype) -> None:
    """Raise `ParityError` if a result is NaN or infinite, or becomes so in its type `target`.

    Comparing minimum and maximum takes one pass and no temporary tensor, and catches NaN too.
    """
    if not tensor.is_floating_point() or not target.is_floating_point or not tensor.numel():
        return
    limit = _HALF_LIMIT if target is torch.float16 else math.inf
    # In the order of memory, as attention's scores are not, this is ten times faster.
    order = sorted(range(tensor.dim()), key=tensor.stride, reverse=True)
    lowest, highest = (float(extreme) for extreme in tensor.permute(order).aminmax())
    if not -limit < lowest <= highest < limit:
        bad = int((~(tensor.abs() < limit)).sum())
        raise ParityError(f"first operation with non-finite results ({bad} of {tensor.numel()})")
