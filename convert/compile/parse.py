"""Parses the text of `model.mil` into a program, so that any compiled model can be checked."""

from __future__ import annotations

from dataclasses import dataclass

from sdcoreml.convert.compile.constants import Constants
from sdcoreml.convert.compile.names import BARE_SCALARS, BY_OPSET
from sdcoreml.convert.spec.model import Binding, Block, Function, NamedType, Operation, Program

VERSIONS = ("1.0", BARE_SCALARS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A parsed text: its version (`1.0` or `1.3`) and its program."""

    version: str
    program: Program


def parse(text: str) -> Text:
    """Parse the program in `text`.

    Raises:
        TextError: `text` is not a program; the message names the line.
    """
    return _Parser(text=text).file()


@dataclass(slots=True, kw_only=True)
class _Parser(Constants):
    def file(self) -> Text:
        self.expect("program", "(")
        version = self.next
        if version not in VERSIONS:
            self.fail(f"text version {version[:10]!r} is not {' or '.join(VERSIONS)}")
        self.at += 1
        self.bare = version == BARE_SCALARS
        self.expect(")")
        attributes = self.attributes()
        self.expect("{")
        functions: dict[str, Function] = {}
        while self.skip("func"):
            name = self.name()
            if name in functions:
                self.fail(f"duplicate function {name!r}")
            functions[name] = self.function()
        self.expect("}", "")
        return Text(
            version=version, program=Program(version=1, functions=functions, attributes=attributes)
        )

    def function(self) -> Function:
        self.expect("<")
        opset = BY_OPSET.get(self.next)
        if opset is None:
            self.fail(f"unknown opset {self.next[:20]!r}")
        self.at += 1
        self.expect(">", "(")
        inputs = [] if self.skip(")") else self.parse_named(")")
        attributes = self.attributes()
        return Function(
            inputs=tuple(inputs), opset=opset, blocks={opset: self.block()}, attributes=attributes
        )

    def block(self) -> Block:
        self.expect("{")
        operations = []
        while not self.skip("}"):
            operations.append(self.operation())
            self.expect(";")
        self.expect("->", "(")
        outputs: list[str] = []
        while not self.skip(")"):
            if outputs:
                self.expect(",")
            outputs.append(self.name())
        self.expect(";")
        return Block(operations=tuple(operations), outputs=tuple(outputs))

    def operation(self) -> Operation:
        outputs = [] if self.second == "(" else self.parse_named("=")
        kind = self.name()
        self.expect("(")
        inputs: dict[str, tuple[Binding, ...]] = {}
        while not self.skip(")"):
            if inputs:
                self.expect(",")
            name = self.name()
            if name in inputs:
                self.fail(f"duplicate argument {name!r}")
            self.expect("=")
            inputs[name] = self.argument()
        return Operation(
            type=kind, inputs=inputs, outputs=tuple(outputs), attributes=self.attributes()
        )

    def argument(self) -> tuple[Binding, ...]:
        if not self.skip("("):
            return (self.binding(),)
        bindings: list[Binding] = []
        while not self.skip(")"):
            if bindings:
                self.expect(",")
            bindings.append(self.binding())
        return tuple(bindings)

    def binding(self) -> Binding:
        """Read an argument: a name, or a constant, which begins with its type."""
        if self.next[:7] == "tensor<" or self.second in ("<", "("):
            return self.value()
        return self.name()

    def parse_named(self, end: str) -> list[NamedType]:
        """Read types and names, separated by commas, up to `end`."""
        items = []
        while True:
            kind = self.type()
            items.append(NamedType(name=self.name(), type=kind))
            if self.skip(end):
                return items
            self.expect(",")
