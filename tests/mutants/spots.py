"""Finds the places of a module that a mutant may change, and gives the text of each.

Not among them: docstrings, annotations, imports, decorators, `TYPE_CHECKING` and type variables,
which no run can notice; the sentences of messages, unless a test has their text; limits of time,
which only a test that waits would notice; how much is read at a time; `strict` of a `zip`, since
the lengths are equal wherever the code is right; and what is the same without being said.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_TYPES_ONLY = frozenset({"TypeVar", "ParamSpec", "NewType", "TypedDict", "NamedTuple"})
_SIZES = ("SECONDS", "CHUNK", "PIECE")
"""How the constants end that say how long something may take, or how much is read at a time."""

_GENERIC = frozenset({"dict", "list", "tuple", "type"})
MESSAGE = frozenset(
    {
        *("what", "where", "why", "remedy", "reason", "text", "title"),
        *("help", "description", "metavar", "prog"),
    }
)
"""Arguments whose texts only people read."""


@dataclass(frozen=True, slots=True)
class Spots:
    """The source of a module, and the offsets of its lines in bytes."""

    source: bytes
    lines: tuple[int, ...]

    def start(self, node: ast.expr | ast.stmt | ast.keyword) -> int:
        """Return the offset of a node's first byte."""
        return self.lines[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt | ast.keyword) -> int:
        """Return the offset after a node's last byte."""
        return self.lines[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)

    def text(self, node: ast.expr | ast.stmt | ast.keyword) -> str:
        """Return a node's source."""
        return self.source[self.start(node) : self.end(node)].decode()


def spots_of(source: bytes) -> Spots:
    """Split a module's source into lines, as `ast` counts them."""
    lines = [0]
    for line in source.split(b"\n"):
        lines.append(lines[-1] + len(line) + 1)
    return Spots(source=source, lines=tuple(lines))


def is_on_one_line(node: ast.expr | ast.stmt | ast.keyword) -> bool:
    """Whether the whole node stands on one line."""
    return node.lineno == node.end_lineno


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below `node` that run and that a test could notice, depth first."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases", "format_spec"):
            continue
        if name == "keywords" and is_zip(node):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_unnoticeable(child):
                yield child
                yield from walk(child)


def is_zip(node: ast.AST) -> bool:
    """Whether this is a call of `zip`, whose only option says that lengths are equal."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "zip"


def is_needless(keyword: ast.keyword) -> bool:
    """Whether a call is the same without this argument, wherever a test can run.

    UTF-8 is what Python assumes on macOS and in every current locale of Linux.
    """
    said = keyword.arg, getattr(keyword.value, "value", None)
    return keyword.arg == "timeout" or said in {("encoding", "utf-8"), ("check", False)}


def _is_unnoticeable(node: ast.AST) -> bool:
    match node:
        case (
            ast.Import()
            | ast.ImportFrom()
            | ast.Expr(value=ast.Constant())  # a docstring, or `...`
            | ast.If(test=ast.Name(id="TYPE_CHECKING"))
            | ast.If(test=ast.Compare(left=ast.Name(id="__name__")))
            | ast.AnnAssign(annotation=ast.Name(id="TypeAlias"))
            | ast.Call(func=ast.Name(id="cast"))
            | ast.keyword(arg="timeout")
            | ast.JoinedStr()  # before Python 3.12, its parts have no place
        ):
            return True
        case ast.ClassDef(bases=bases):
            return any(isinstance(base, ast.Name) and base.id == "Protocol" for base in bases)
        case ast.Assign(targets=[ast.Name(id=name)]) if name.endswith(_SIZES):
            return True
        case ast.Assign(value=ast.Call(func=ast.Name(id=name))):
            return name in _TYPES_ONLY
        case ast.Assign(value=ast.Subscript(value=ast.Name(id=name))):  # a type's other name
            return name[:1].isupper() or name in _GENERIC
    return False
