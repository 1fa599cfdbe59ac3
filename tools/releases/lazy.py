"""Reads what packages make up only when somebody asks for it: lazy modules, and `__getattr__`.

A lazy module stands in the place of the file that makes it: none of what the file itself imports or
defines is a name of it. Its names are listed (`_import_structure`), or those that the files of a
folder export, found by transformers' own rule (`define_import_structure` of its import_utils).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Lazy:
    """What a file says of names that are found when they are asked for.

    `names` are what it lists. `is_module` is whether it puts a lazy module in its own place; that
    also has what all files in its `folders` export (a folder is "" if it is the file's own), among
    them this file's `exports`. Of its submodules `aliases` are others by their old names.
    `endings` are those of names that lazy modules of this release also have in a shorter form, and
    `converters` the converters of tokenizers: those that share one stand in for each other.
    """

    names: set[str] = field(default_factory=set)
    is_listed: bool = False
    is_module: bool = False
    folders: set[str] = field(default_factory=set)
    exports: set[str] = field(default_factory=set)
    aliases: dict[str, str] = field(default_factory=dict)
    endings: set[str] = field(default_factory=set)
    converters: dict[str, str] = field(default_factory=dict)


def read_lazy(statement: ast.stmt, found: Lazy) -> None:
    """Add what a statement outside of functions says of lazy names."""
    match statement:
        case ast.Assign(targets=targets, value=value):
            _read_assignment(targets, value, found)
        case (
            ast.AnnAssign(target=target, value=ast.expr() as value)
            | ast.AugAssign(target=target, value=value)
        ):
            _read_assignment([target], value, found)
        case ast.Expr(value=ast.Call(func=ast.Name(id="lazy_import"), keywords=given)):
            tables = [one.value for one in given if isinstance(one.value, ast.Dict)]
            found.names |= {name for table in tables for name, _ in _pairs(table)}
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=target), args=arguments)):
            if _is_structure(target):
                _list(arguments, found)
        case ast.Expr(
            value=ast.Call(func=ast.Name(id=name), args=[alias, ast.Constant(value=str(of))])
        ):
            if name.endswith("_alias") and (spelled := _last(alias)):
                found.aliases[spelled] = of.lstrip(".")
    if isinstance(statement, ast.ClassDef) and statement.name == "_LazyModule":
        found.endings |= set(_endings(statement))


def _read_assignment(targets: list[ast.expr], value: ast.expr, found: Lazy) -> None:
    for call in (one for one in ast.walk(value) if isinstance(one, ast.Call)):
        match call:
            case ast.Call(func=ast.Name(id="define_import_structure"), args=[place, *_]):
                found.folders.add(_last(place))
    match targets, value:
        case [ast.Subscript(value=ast.Attribute(attr="modules"))], ast.Call(func=maker):
            if ast.unparse(maker).endswith("LazyModule"):
                found.is_module = True
                _read_extra(value.keywords, found)
        case _, ast.Call(keywords=given):
            _list([one.value for one in given if one.arg == "submod_attrs"], found)
        case [ast.Name(id="SLOW_TO_FAST_CONVERTERS")], ast.Dict():
            found.converters |= {name: ast.unparse(of) for name, of in _pairs(value)}
        case [ast.Name(id="_LEGACY_MODULE_ALIASES")], ast.Dict():
            found.aliases |= {name: str(ast.literal_eval(of)) for name, of in _pairs(value)}
    if any(_is_structure(target) for target in targets):
        _list([value], found)


def _read_extra(keywords: list[ast.keyword], found: Lazy) -> None:
    """Read what a lazy module is given beside its structure."""
    for given in keywords:
        match given:
            case ast.keyword(arg="extra_objects", value=ast.Dict() as extra):
                found.names |= {name for name, _ in _pairs(extra)}
            case ast.keyword(arg="explicit_import_shortcut", value=shortcuts):
                _list([shortcuts], found)


def _list(values: list[ast.expr], found: Lazy) -> None:
    """Read the names that a dictionary gives to each submodule, or a list to one."""
    for value in values:
        found.is_listed = True
        found.names |= {one for one in _texts(value) if one.isidentifier()}


def _texts(value: ast.expr) -> Iterator[str]:
    match value:
        case ast.Constant(value=str(text)):
            yield text
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            pass
        case ast.Call(func=ast.Name(id="define_import_structure")):
            pass
        case _:
            parts = value.values if isinstance(value, ast.Dict) else ast.iter_child_nodes(value)
            for part in parts:
                if isinstance(part, ast.expr):
                    yield from _texts(part)


def _is_structure(target: ast.expr) -> bool:
    inner = target.value if isinstance(target, ast.Subscript) else target
    return isinstance(inner, ast.Name) and inner.id.endswith("import_structure")


def _pairs(value: ast.Dict) -> Iterator[tuple[str, ast.expr]]:
    for key, given in zip(value.keys, value.values, strict=True):
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield key.value, given


def _last(place: ast.expr) -> str:
    """Return the part of `Path(__file__).parent / "part"` or f"{__name__}.part"; "" if none."""
    match place:
        case ast.BinOp(right=ast.Constant(value=str(part))):
            return part
        case ast.JoinedStr(values=[ast.FormattedValue(), ast.Constant(value=str(part))]):
            return part.lstrip(".")
    return ""


def _endings(kind: ast.ClassDef) -> Iterator[str]:
    for one in ast.walk(kind):
        match one:
            case ast.Call(
                func=ast.Attribute(attr="endswith"), args=[ast.Constant(value=str(ending))]
            ):
                if ending.endswith(FAST):
                    yield ending


FAST = "Fast"
"""What ends the old names of classes that transformers gives for those without it."""


def read_exports(source: str) -> set[str]:
    """Read what a file exports, by its lines as transformers does.

    That is what its `__all__` lists and what is marked as requiring (once `export`) something.
    """
    marked = {one["name"] for one in _MARKED.finditer(source)}
    return {one for one in marked | _listed(source.splitlines()) if one.isidentifier()}


_MARKED = re.compile(
    r"^@(?:requires|export)\b.*\n(?:[ \t@)#].*\n|\n)*?(?:class|def) (?P<name>\w+)", re.MULTILINE
)


def _listed(lines: list[str]) -> set[str]:
    """Read the last assignment of `__all__`, all in one line or with a name in each."""
    starts = [number for number, line in enumerate(lines) if line.startswith("__all__")]
    if not starts:
        return set()
    first, *others = lines[starts[-1] :]
    if first.endswith("]"):
        names = first.partition("=")[2].strip(" []").split(",")
        return {one.strip("\"' ") for one in names}
    end = next((number for number, line in enumerate(others) if line.strip() == "]"), len(others))
    return {one.strip("\"', ") for one in others[:end]}


def read_given(body: list[ast.stmt]) -> set[str]:
    """Read the names that a file's `__getattr__` gives: those for which it returns something."""
    literals = dict[str, ast.expr]()
    givers = list[ast.FunctionDef]()
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                literals[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                literals[name] = value
            case ast.FunctionDef(name="__getattr__"):
                givers.append(statement)
    tests = (
        one.test
        for giver in givers
        for one in ast.walk(giver)
        if isinstance(one, ast.If) and _returns(one.body)
    )
    return {name for test in tests for name in _compared(test, literals)}


def _returns(body: list[ast.stmt]) -> bool:
    return any(isinstance(one, ast.Return) for statement in body for one in ast.walk(statement))


def _compared(test: ast.expr, literals: dict[str, ast.expr]) -> Iterator[str]:
    match test:
        case ast.Compare(left=ast.Name(), ops=[ast.Eq() | ast.In()], comparators=[value]):
            given = literals.get(value.id, value) if isinstance(value, ast.Name) else value
            names = (
                (name for name, _ in _pairs(given))
                if isinstance(given, ast.Dict)
                else _texts(given)
            )
            yield from (one for one in names if one.isidentifier())
        case ast.BoolOp(op=ast.Or(), values=tests):
            for one in tests:
                yield from _compared(one, literals)
