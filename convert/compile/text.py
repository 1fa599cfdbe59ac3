"""Writes a program as the text of `model.mil`.

Each operation is one line. Arguments, attributes, functions and their inputs are sorted by name;
everything else keeps its order. These rules were observed in models from Apple's own compiler.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sdcoreml.convert.compile.literals import LiteralError, bracket, quote, spell
from sdcoreml.convert.compile.names import BARE_SCALARS, DTYPES, OPSETS
from sdcoreml.convert.spec.model import (
    Binding,
    Blob,
    DataType,
    DictionaryType,
    Elements,
    Function,
    ListType,
    NamedType,
    Operation,
    Pairs,
    Program,
    Sequence,
    StateType,
    TensorType,
    TupleType,
    Value,
    ValueType,
)

STRING = TensorType(dtype=DataType.STRING)
OFFSET = TensorType(dtype=DataType.UINT64)


def write(program: Program, version: str) -> str:
    """Return the text of a program in text version 1.0 or 1.3, without a final newline.

    Raises:
        LiteralError: the spelling of a constant, a type or an opset is unknown.
    """
    return "".join(_Writer(version=version).program(program))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Writer:
    version: str
    types: dict[ValueType, str] = field(default_factory=dict)
    """A cache of the texts of types, since a program repeats a few types thousands of times."""

    def program(self, program: Program) -> Iterable[str]:
        yield f"program({self.version})\n{self.attributes(program.attributes)}\n{{\n"
        for name in sorted(program.functions):
            yield from self.function(name, program.functions[name])
        yield "}"

    def function(self, name: str, function: Function) -> Iterable[str]:
        opset = OPSETS.get(function.opset)
        if opset is None:
            raise LiteralError(f"the opset {function.opset!r} has no known name")
        inputs = self.spell_named(sorted(function.inputs, key=lambda named: named.name))
        attributes = self.attributes(function.attributes)
        yield f"    func {name}<{opset}>({inputs}){' ' if attributes else ''}{attributes} {{\n"
        for operation in function.block.operations:
            yield f"            {self.operation(operation)};\n"
        yield f"        }} -> ({', '.join(function.block.outputs)});\n"

    def operation(self, operation: Operation) -> str:
        arguments = ", ".join(
            [
                f"{name} = {self.argument(bindings)}"
                for name, bindings in sorted(operation.inputs.items())
            ]
        )
        call = f"{operation.type}({arguments}){self.attributes(operation.attributes)}"
        return f"{self.spell_named(operation.outputs)} = {call}" if operation.outputs else call

    def spell_named(self, spell_named: Iterable[NamedType]) -> str:
        return ", ".join([f"{self.type(item.type)} {item.name}" for item in spell_named])

    def attributes(self, attributes: Mapping[str, Value]) -> str:
        if not attributes:
            return ""
        spelt = [f"{name} = {self.value(value)}" for name, value in sorted(attributes.items())]
        return f"[{', '.join(spelt)}]"

    def argument(self, bindings: tuple[Binding, ...]) -> str:
        spelt = [item if isinstance(item, str) else self.value(item) for item in bindings]
        return spelt[0] if len(spelt) == 1 else f"({', '.join(spelt)})"

    def value(self, value: Value) -> str:
        return f"{self.type(value.type)}({self.literal(value)})"

    def literal(self, value: Value) -> str:
        match value.data, value.type:
            case Elements() as elements, TensorType() as kind:
                return bracket(spell(elements, kind.dtype), kind.shape)
            case Blob() as blob, _:
                path, offset = f"{self.type(STRING)}({quote(blob.path)})", blob.offset
                return f"BLOBFILE(path = {path}, offset = {self.type(OFFSET)}({offset}))"
            case Pairs(items=pairs), DictionaryType():
                entries = [f"{{{self.literal(key)}, {self.literal(item)}}}" for key, item in pairs]
                return f"{{{', '.join(entries)}}}"
            case Sequence(items=items), ListType():
                return f"[{', '.join([self.literal(item) for item in items])}]"
            case Sequence(items=items), TupleType():
                return f"({', '.join([self.literal(item) for item in items])})"
        raise LiteralError("a constant's data does not match its type")

    def type(self, kind: ValueType) -> str:
        if kind not in self.types:
            self.types[kind] = self.spelt(kind)
        return self.types[kind]

    def spelt(self, kind: ValueType) -> str:
        match kind:
            case TensorType(dtype=dtype) if dtype not in DTYPES:
                raise LiteralError(f"the element type {dtype.name} has no known name")
            case TensorType(dtype=dtype, shape=()) if self.version == BARE_SCALARS:
                return DTYPES[dtype]
            case TensorType(dtype=dtype, shape=shape):
                return f"tensor<{DTYPES[dtype]}, [{', '.join(map(_dimension, shape))}]>"
            case ListType(element=element, length=length):
                return f"list<{self.type(element)}, {_dimension(length)}>"
            case TupleType(elements=elements):
                return f"tuple<{', '.join(map(self.type, elements))}>"
            case DictionaryType(key=key, value=value):
                return f"dict<{self.type(key)}, {self.type(value)}>"
            case StateType(wrapped=wrapped):
                return f"state<{self.type(wrapped)}>"


def _dimension(size: int | None) -> str:
    return "?" if size is None else str(size)
