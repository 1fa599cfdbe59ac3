"""Parses types and constants in a compiled program's text (`model.mil`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from sdcoreml.convert.compile.literals import LiteralError, bracket, elements
from sdcoreml.convert.compile.names import BY_NAME
from sdcoreml.convert.compile.text import OFFSET, STRING
from sdcoreml.convert.compile.words import Cursor, split
from sdcoreml.convert.spec.model import (
    Blob,
    DictionaryType,
    Elements,
    ListType,
    Pairs,
    Sequence,
    StateType,
    TensorType,
    TupleType,
    Value,
    ValueType,
)

MAX_DEPTH = 32
"""The maximum nesting depth of types; real programs nest at most five deep."""

_SIZE = r"(?:[0-9]{1,19}|\?)"
_TENSOR = re.compile(rf"tensor<([a-z0-9]+), \[({_SIZE}(?:, {_SIZE})*)?\]>")
_COMPOUND = ("state", "list", "dict", "tuple")


@lru_cache(maxsize=4096)
def tensor_type(word: str) -> TensorType | None:
    """Parse the word `tensor<…>`; return `None` for any other word."""
    found = _TENSOR.fullmatch(word)
    if found is None or found[1] not in BY_NAME:
        return None
    sizes = found[2].split(", ") if found[2] else []
    shape = tuple([None if size == "?" else int(size) for size in sizes])
    return TensorType(dtype=BY_NAME[found[1]], shape=shape)


@dataclass(slots=True, kw_only=True)
class Constants(Cursor):
    """A cursor that reads types and constants.

    If `bare` is true, scalar types are bare names (`fp16`), as in text version 1.3.
    """

    bare: bool = False

    def type(self, depth: int = 0) -> ValueType:
        """Read a type."""
        word = self.next
        if word[:7] == "tensor<":
            kind = tensor_type(word)
            if kind is None:
                self.fail(f"not a tensor type: {word[:60]!r}")
            self.at += 1
            return kind
        if self.bare and word in BY_NAME:
            self.at += 1
            return TensorType(dtype=BY_NAME[word])
        if depth > MAX_DEPTH or word not in _COMPOUND:
            self.fail(f"expected a type, found {word[:40]!r}")
        self.at += 1
        self.expect("<")
        compound = self._compound(word, depth + 1)
        self.expect(">")
        return compound

    def _compound(self, word: str, depth: int) -> ValueType:
        first = self.type(depth)
        if word == "state":
            return StateType(wrapped=first)
        if word == "tuple":
            members = [first]
            while self.skip(","):
                members.append(self.type(depth))
            return TupleType(elements=tuple(members))
        self.expect(",")
        if word == "dict":
            return DictionaryType(key=first, value=self.type(depth))
        return ListType(element=first, length=None if self.skip("?") else self.number())

    def value(self) -> Value:
        """Read a constant: its type, then its data in parentheses."""
        kind = self.type()
        self.expect("(")
        value = self._literal(kind)
        self.expect(")")
        return value

    def attributes(self) -> Mapping[str, Value]:
        """Read named constants in brackets, if there are any."""
        found: dict[str, Value] = {}
        if not self.skip("["):
            return found
        while not found or not self.skip("]"):
            if found:
                self.expect(",")
            name = self.name()
            if name in found:
                self.fail(f"duplicate attribute {name!r}")
            self.expect("=")
            found[name] = self.value()
        return found

    def _literal(self, kind: ValueType) -> Value:
        data: Elements | Sequence | Pairs | Blob
        if self.next == "BLOBFILE":
            return Value(type=kind, data=self._blob())
        match kind:
            case TensorType():
                data = self._tensor(kind)
            case DictionaryType():
                data = self._pairs(kind)
            case ListType():
                data = self._list(kind)
            case TupleType():
                data = self._tuple(kind)
            case StateType():
                self.fail("a constant cannot be a state")
        return Value(type=kind, data=data)

    def _blob(self) -> Blob:
        self.expect("BLOBFILE", "(", "path", "=")
        path = self._one(STRING)
        self.expect(",", "offset", "=")
        offset = self._one(OFFSET)
        self.expect(")")
        return Blob(path=str(path), offset=int(offset))

    def _one(self, kind: TensorType) -> str | int | float:
        """Read the single element of a constant, which must have the scalar type `kind`."""
        start = self.at
        value = self.value()
        if value.type != kind or not isinstance(value.data, Elements):
            self.at = start
            self.fail(f"expected a {kind.dtype.name.lower()}")
        return value.data.values[0]

    def _tensor(self, kind: TensorType) -> Elements:
        start, depth = self.at, 0
        while True:
            word = self.take()
            depth += (word == "[") - (word == "]")
            if depth <= 0:
                break
        taken = self.words[start : self.at]
        spelt = [word for word in taken if word not in ("[", "]", ",")]
        try:
            read = elements(spelt, kind.dtype)
            fits = split(bracket(spelt, kind.shape)) == taken
        except LiteralError as error:
            self.at = start
            self.fail(str(error))
        if not fits:
            self.at = start
            self.fail(f"the brackets do not match the shape {list(kind.shape)}")
        return read

    def _pairs(self, kind: DictionaryType) -> Pairs:
        self.expect("{")
        pairs: list[tuple[Value, Value]] = []
        while not self.skip("}"):
            if pairs:
                self.expect(",")
            self.expect("{")
            key = self._literal(kind.key)
            self.expect(",")
            pairs.append((key, self._literal(kind.value)))
            self.expect("}")
        return Pairs(items=tuple(pairs))

    def _list(self, kind: ListType) -> Sequence:
        self.expect("[")
        items: list[Value] = []
        while not self.skip("]"):
            if items:
                self.expect(",")
            items.append(self._literal(kind.element))
        return Sequence(items=tuple(items))

    def _tuple(self, kind: TupleType) -> Sequence:
        self.expect("(")
        items = [self._literal(kind.elements[0])]
        for element in kind.elements[1:]:
            self.expect(",")
            items.append(self._literal(element))
        self.expect(")")
        return Sequence(items=tuple(items))
