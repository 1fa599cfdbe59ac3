"""What a mutant makes of a piece of code: the kinds of mistakes, in one table each."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from tests.mutants.mutant import Mutant
from tests.mutants.spots import (
    MESSAGE,
    Spots,
    is_needless,
    is_on_one_line,
    is_zip,
    spots_of,
    walk,
)

COMPARED: dict[type[ast.cmpop], tuple[str, ...]] = {
    ast.Lt: ("<=", ">"),
    ast.LtE: ("<", ">="),
    ast.Gt: (">=", "<"),
    ast.GtE: (">", "<="),
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
    ast.Is: ("is not",),
    ast.IsNot: ("is",),
    ast.In: ("not in",),
    ast.NotIn: ("in",),
}
COMPUTED: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "+",
    ast.FloorDiv: "*",
    ast.Mod: "*",
    ast.Pow: "*",
    ast.LShift: ">>",
    ast.RShift: "<<",
    ast.BitOr: "&",
    ast.BitAnd: "|",
}
CALLED = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "sorted": "list",
    "startswith": "endswith",
    "endswith": "startswith",
    "removeprefix": "removesuffix",
    "lower": "upper",
}
_CHOSEN = 1_000_000

Sentences = Callable[[str], bool]
"""Whether a text that people read is in a test."""


def mutants_of(path: str, source: bytes, is_tested: Sentences) -> Iterator[Mutant]:
    """Yield the mutants of a module; a few of them are none, as `is_valid` tells."""
    spots, tree = spots_of(source), ast.parse(source)
    messages, hashed = set(_messages(tree)), set(_hashed_names(tree))
    for node in walk(tree):
        if node in hashed or (node in messages and not _is_golden(node, is_tested)):
            continue
        for kind, start, end, new in _changes(node, spots):
            line = source[:start].count(b"\n") + 1
            made = Mutant(path=path, line=line, kind=kind, start=start, end=end, new=new)
            if b"\n" not in source[start:end]:
                yield made


def is_valid(mutant: Mutant, source: bytes) -> bool:
    """Whether Python takes a module with this mutant, and takes it for another one."""
    try:
        changed = ast.parse(mutant.apply(source))
        compile(changed, "mutant", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return ast.dump(changed) != ast.dump(ast.parse(source))


def _messages(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield what belongs to texts that people read: arguments of errors, events and the parser."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(keywords=keywords):
                for keyword in keywords:
                    if keyword.arg in MESSAGE:
                        yield keyword
                        yield from ast.walk(keyword.value)
        match node:
            case ast.Raise(exc=ast.Call(args=[first, *_])):
                yield from ast.walk(first)
            case ast.Constant(value=str() as text) if " " in text.strip():
                yield node


def _hashed_names(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the names in a document that is only hashed: any will do, if each is another.

    A key of the cache also depends on the code itself, so no key is ever expected to stay.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="key_of"), args=[ast.Dict(keys=keys)]):
                yield from filter(None, keys)


def _is_golden(node: ast.AST, is_tested: Sentences) -> bool:
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and " " in node.value.strip()
        and is_tested(node.value)
    )


_Change = tuple[str, int, int, str]


def _changes(node: ast.AST, spots: Spots) -> Iterator[_Change]:
    for kind, change in CHANGES.items():
        if isinstance(node, kind):
            yield from change(node, spots)


def _negation(node: ast.UnaryOp, spots: Spots) -> Iterator[_Change]:
    if isinstance(node.op, ast.Not | ast.USub):
        yield "negation dropped", spots.start(node), spots.start(node.operand), ""


def _conditional(node: ast.IfExp, spots: Spots) -> Iterator[_Change]:
    yield from _negated(node.test, spots)


def _filtered(node: ast.comprehension, spots: Spots) -> Iterator[_Change]:
    for test in node.ifs:
        yield from _negated(test, spots)
        yield "condition", spots.start(test), spots.end(test), "True"


def _caught(node: ast.ExceptHandler, spots: Spots) -> Iterator[_Change]:
    if node.type is not None:
        yield "exception", spots.start(node.type), spots.end(node.type), "StopAsyncIteration"


def _statement(node: ast.stmt, spots: Spots) -> Iterator[_Change]:
    whole = spots.start(node), spots.end(node)
    match node:
        case ast.Expr() | ast.AugAssign() | ast.Raise() | ast.Delete():
            yield "statement", *whole, "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield "statement", *whole, "pass"
        case ast.Break():
            yield "statement", *whole, "continue"
        case ast.Continue():
            yield "statement", *whole, "break"
            yield "statement", *whole, "pass"
        case ast.If(test=test) | ast.While(test=test):
            yield from _negated(test, spots)
        case ast.Return(value=ast.Constant(value=str())):
            pass  # the text is a constant, too, and None in its place is for mypy to find
        case ast.Return(value=ast.expr() as value):
            yield "return value", spots.start(value), spots.end(value), _other_value(value)
    match node:
        case ast.Raise(exc=ast.Call(func=kind)):
            yield "exception", spots.start(kind), spots.end(kind), "StopAsyncIteration"


def _other_value(value: ast.expr) -> str:
    match value:
        case ast.Constant(value=True):
            return "False"
        case ast.Constant(value=None | False):
            return "True"
        case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
            return "True"
    return "None"


def _negated(test: ast.expr, spots: Spots) -> Iterator[_Change]:
    """Negate a condition; a comparison and a negation have changes of their own for that."""
    if not isinstance(test, ast.Compare | ast.UnaryOp | ast.NamedExpr):
        yield "condition", spots.start(test), spots.end(test), f"not ({spots.text(test)})"


def _between(left: ast.expr, right: ast.expr, words: str, spots: Spots) -> tuple[int, int] | None:
    """Return where an operator stands between two operands, None if it cannot be told."""
    start, end = spots.end(left), spots.start(right)
    found = re.fullmatch(rf"[\s)]*({words})[\s(]*", spots.source[start:end].decode())
    return (start + found.start(1), start + found.end(1)) if found else None


def _compared(node: ast.Compare, spots: Spots) -> Iterator[_Change]:
    pairs = zip((node.left, *node.comparators), node.ops, node.comparators, strict=False)
    for left, op, right in pairs:
        place = _between(left, right, r"[<>=!]=?|is not|is|not in|in", spots)
        for new in COMPARED[type(op)] if place else ():
            yield "comparison", *place, new  # type: ignore[misc]


def _joined(node: ast.BoolOp, spots: Spots) -> Iterator[_Change]:
    new = "or" if isinstance(node.op, ast.And) else "and"
    for left, right in zip(node.values, node.values[1:], strict=False):
        if place := _between(left, right, "and|or", spots):
            yield "and, or", *place, new


def _computed(node: ast.BinOp, spots: Spots) -> Iterator[_Change]:
    new = COMPUTED.get(type(node.op))
    place = _between(node.left, node.right, r"[-+*/%|&]|//|\*\*|<<|>>", spots)
    if new and place:
        yield "arithmetic", *place, new


def _constant(node: ast.Constant, spots: Spots) -> Iterator[_Change]:
    place = spots.start(node), spots.end(node)
    match node.value:
        case bool() as truth:
            yield "constant", *place, str(not truth)
        case int() as number:
            for other in _near(number):
                yield "constant", *place, f"({other})" if other < 0 else str(other)
        case float() as number:
            yield "constant", *place, repr(number * 2 if number else 1.0)
        case str() as text:
            quoted = repr(f"mutant{text}")
            yield "constant", *place, quoted if is_on_one_line(node) else ""
        case bytes() as data:
            yield "constant", *place, repr(b"mutant" + data)


def _near(number: int) -> tuple[int, int]:
    """Return two wrong numbers.

    A number of millions that somebody chose, such as a limit of bytes or nanoseconds, is as good
    with one more: no test could say which is right. Twice and half of it can be noticed.
    """
    return (2 * number, number // 2) if abs(number) >= _CHOSEN else (number + 1, number - 1)


def _call(node: ast.Call, spots: Spots) -> Iterator[_Change]:
    func = node.func
    name = func.id if isinstance(func, ast.Name) else getattr(func, "attr", "")
    if name in CALLED and spots.text(func).endswith(name):
        yield "call", spots.end(func) - len(name), spots.end(func), CALLED[name]
    for keyword in () if is_zip(node) else node.keywords:
        if keyword.arg is None or keyword.arg in MESSAGE or is_needless(keyword):
            continue
        start, end = spots.start(keyword), spots.end(keyword)
        if rest := re.match(rb",[ \t]*", spots.source[end:]):
            yield "argument", start, end + rest.end(), ""
        elif rest := re.search(rb",[ \t]*$", spots.source[:start]):
            yield "argument", rest.start(), end, ""
        else:
            yield "argument", start, end, ""


CHANGES: dict[type[ast.AST], Callable[..., Iterator[_Change]]] = {
    ast.Compare: _compared,
    ast.BoolOp: _joined,
    ast.BinOp: _computed,
    ast.UnaryOp: _negation,
    ast.Constant: _constant,
    ast.Call: _call,
    ast.stmt: _statement,
    ast.IfExp: _conditional,
    ast.comprehension: _filtered,
    ast.ExceptHandler: _caught,
}
"""Maps a kind of node to the mistakes that it can hold."""
