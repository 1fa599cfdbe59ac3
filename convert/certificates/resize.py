"""Rewrites a program for another image size and batch, by rules of its own.

A program proved at one size says nothing of another size unless nothing but shapes differs. So the
proved program is rewritten: the inputs get the new shapes, each other shape follows by the rules of
MIL's operations, and each constant that states a shape is worked out anew. What a builder wrote for
that size must then be this program, operation by operation. The rules share nothing with the
builders. They are also applied to the size of the proved program, whose shapes they must find.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from sdcoreml.convert.certificates.extents import Extents, input_shape, reshaped
from sdcoreml.convert.certificates.shapes import Arguments, Numbers, Shape, result_shapes
from sdcoreml.convert.spec.model import (
    Binding,
    Elements,
    Feature,
    Function,
    NamedType,
    Operation,
    TensorType,
    Value,
)
from sdcoreml.convert.storage.package import OpenProgram
from sdcoreml.ground.errors import UnsupportedError


def resize(program: OpenProgram, before: Extents, after: Extents) -> OpenProgram:
    """Return the program for `after`, which has the shapes of `before`.

    Raises:
        UnsupportedError: an operation is none of those that are understood, or its shapes are not
            explained by the size and the batch.
    """
    try:
        rewriting = _Rewriting(function=program.function, before=before, after=after)
        function = rewriting.function_after()
    except (IndexError, KeyError, ValueError) as error:
        raise UnsupportedError(f"an operation lacks an argument ({error})") from error
    shapes = {name: _shape(kind) for name, kind in function.types.items()}
    described = program.model.description
    description = replace(
        described,
        inputs=tuple(_feature(item, shapes) for item in described.inputs),
        outputs=tuple(_feature(item, shapes) for item in described.outputs),
        raw=b"",
    )
    content = replace(program.model.program, functions={"main": function})
    model = replace(program.model, description=description, program=content)
    return replace(program, model=model, function=function)


def _feature(item: Feature, shapes: Mapping[str, Shape]) -> Feature:
    return replace(item, shape=shapes[item.name])


def _shape(kind: object) -> Shape:
    """Return the shape of a value, all of whose dimensions must be known."""
    if not isinstance(kind, TensorType):
        raise UnsupportedError("a value is no tensor")
    known = tuple(size for size in kind.shape if size is not None)
    if len(known) != len(kind.shape):
        raise UnsupportedError("a dimension is unknown")
    return known


def _read_names(operations: Iterable[Operation]) -> set[str]:
    return {name for item in operations for name in item.reads}


@dataclass(slots=True, kw_only=True)
class _Rewriting:
    """One pass over a function; `old` and `new` have the shapes of the values so far."""

    function: Function
    before: Extents
    after: Extents
    constants: dict[str, Value] = field(default_factory=dict)
    old: dict[str, Shape] = field(default_factory=dict)
    new: dict[str, Shape] = field(default_factory=dict)

    def function_after(self) -> Function:
        """Return the function with the shapes of `after`, without constants that nothing reads."""
        inputs = tuple(self._input(item) for item in self.function.inputs)
        operations = [self._operation(item) for item in self.function.block.operations]
        before, after = map(_read_names, (self.function.block.operations, operations))
        unread = before - after
        kept = [item for item in operations if item.outputs[0].name not in unread]
        return replace(self.function.with_operations(kept), inputs=inputs)

    def _input(self, item: NamedType) -> NamedType:
        shape = _shape(item.type)
        return self._note(item, shape, input_shape(item.name, shape, self.before, self.after))

    def _note(self, item: NamedType, old: Shape, new: Shape) -> NamedType:
        """Remember a value's shapes; return its declaration for `after`."""
        if _shape(item.type) != old:
            raise UnsupportedError(f"{item.name} has shape {_shape(item.type)}, not {old}")
        self.old[item.name], self.new[item.name] = old, new
        return replace(item, type=TensorType(dtype=item.tensor.dtype, shape=new))

    def _operation(self, item: Operation) -> Operation:
        if item.blocks:
            raise UnsupportedError("nested blocks are not understood")
        if item.is_constant:  # compressed or not
            (output,) = item.outputs
            shape = _shape(output.type)
            if item.type == "const":
                self.constants[output.name] = item.attributes["val"]
            self._note(output, shape, shape)
            return item
        old, new = (self._arguments(item, shapes) for shapes in (self.old, self.new))
        changed = self._restate(item.type, old, new)
        results = zip(
            item.outputs,
            result_shapes(item.type, old),
            result_shapes(item.type, replace(new, numbers={**new.numbers, **changed})),
            strict=True,
        )
        outputs = tuple(self._note(*result) for result in results)
        stated = {name: (self._state(item, name, it),) for name, it in changed.items()}
        return replace(item, inputs={**item.inputs, **stated}, outputs=outputs)

    def _restate(self, kind: str, old: Arguments, new: Arguments) -> dict[str, Numbers]:
        """Work out the constants of an operation that state shapes; return those that change."""
        match kind:
            case "reshape":
                name, source = "shape", old.shape()
                target = old.numbers[name]
                found = reshaped(source, target, new.shape(), self.before, self.after)
            case "slice_by_index":
                name, found = "end", _ends(old, new)
            case _:
                return {}
        return {} if found == old.numbers[name] else {name: found}

    def _state(self, item: Operation, name: str, numbers: Numbers) -> Value:
        """Return the constant of an argument with other numbers."""
        value = self._value(item.inputs[name][0])
        if value is None:
            raise UnsupportedError(f"{name} is no constant")
        return replace(value, data=Elements(values=numbers))

    def _value(self, binding: Binding) -> Value | None:
        return self.constants.get(binding) if isinstance(binding, str) else binding

    def _arguments(self, item: Operation, shapes: Mapping[str, Shape]) -> Arguments:
        found: dict[str, tuple[Shape, ...]] = {}
        numbers: dict[str, Numbers] = {}
        texts: dict[str, str] = {}
        for name, bindings in item.inputs.items():
            found[name] = tuple(
                shapes[one] if isinstance(one, str) else _shape(one.type) for one in bindings
            )
            content = _content(self._value(bindings[0])) if len(bindings) == 1 else ()
            if isinstance(content, str):
                texts[name] = content
            elif content:
                numbers[name] = content
        return Arguments(shapes=found, numbers=numbers, texts=texts)


def _content(value: Value | None) -> str | Numbers:
    """Return a constant that is a word, or whole numbers; empty for any other."""
    if value is None or not isinstance(value.data, Elements):
        return ()
    elements: Iterable[object] = value.data.values
    if isinstance(elements, bytes):
        return ()
    found = tuple(elements)
    if len(found) == 1 and isinstance(found[0], str):
        return found[0]
    numbers = tuple(int(one) for one in found if isinstance(one, int | float) and _is_whole(one))
    return numbers if len(numbers) == len(found) else ()


def _is_whole(number: float) -> bool:
    return float(number).is_integer()


def _ends(old: Arguments, new: Arguments) -> Numbers:
    """Work out the ends that a slice states: of dimensions taken whole, they are their sizes.

    A dimension of which a part is taken must be as large as before.
    """
    ends = list(old.numbers["end"])
    for axis, (was, size) in enumerate(zip(old.shape(), new.shape(), strict=True)):
        is_whole = old.numbers["begin_mask"][axis] and old.numbers["end_mask"][axis]
        if is_whole and ends[axis] == was:
            ends[axis] = size
        elif was != size:
            raise UnsupportedError("a slice takes a part of a dimension that the size changes")
    return tuple(ends)
