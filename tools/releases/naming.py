"""Reads by its syntax alone what names a file of Python defines or passes on; imports nothing.

Names are spelled as they are asked for: `name`, `Class.attribute`, `function(parameter` and
`Class.method(parameter`, `**` where a function takes any. Whatever a condition hides is counted,
for what is there on one machine is there in the release.
"""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from tools.releases.lazy import Lazy, read_exports, read_given, read_lazy

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(slots=True, kw_only=True)
class Reading:
    """What one file says: its names, the classes' bases, and whose names it passes on.

    `stars` are the modules of which all names are passed on, as an import spells them: with a dot
    for each folder that is gone up. `public` is what `__all__` lists, `lazy` what is found only
    when it is asked for.
    """

    names: set[str] = field(default_factory=set)
    bases: dict[str, tuple[str, ...]] = field(default_factory=dict)
    stars: set[str] = field(default_factory=set)
    public: set[str] = field(default_factory=set)
    lazy: Lazy = field(default_factory=Lazy)


def read_names(source: str) -> Reading:
    """Read a file's names; by its lines alone if it has no syntax of this Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError):
            return Reading(names={one["defined"] or one["name"] for one in _OUTER.finditer(source)})
    found = Reading()
    for statement in _walk(tree.body):
        _read(statement, found)
        read_lazy(statement, found.lazy)
    found.lazy.exports = read_exports(source)
    found.names |= found.lazy.names | read_given(tree.body)
    if found.lazy.is_module:
        return Reading(names=found.lazy.names, lazy=found.lazy)
    return found


_OUTER = re.compile(
    r"^(?:(?:async )?def|class) (?P<defined>\w+)|^(?P<name>[A-Za-z_]\w*)(?::| =)", re.MULTILINE
)
"""What a file defines or sets outside of functions: some stubs are broken."""


def _walk(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Go through the statements of a body, and of all that only a condition keeps apart."""
    for statement in body:
        yield statement
        for part in ("body", "orelse", "finalbody"):
            if not isinstance(statement, ast.ClassDef | Function):
                yield from _walk(getattr(statement, part, []))
        for handler in getattr(statement, "handlers", []):
            yield from _walk(handler.body)


def _read(statement: ast.stmt, found: Reading) -> None:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            found.names.add(statement.name)
            found.names |= _parameters(statement, statement.name)
        case ast.ClassDef():
            found.names.add(statement.name)
            found.names |= _attributes(statement)
            found.bases[statement.name] = tuple(
                ast.unparse(base).rpartition(".")[2] for base in statement.bases
            )
        case ast.Import():
            found.names |= {one.asname for one in statement.names if one.asname}
        case ast.ImportFrom():
            _read_import(statement, found)
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
            _read_assignment(statement, found)


def _read_import(statement: ast.ImportFrom, found: Reading) -> None:
    module = "." * statement.level + (statement.module or "")
    if not statement.level and module.partition(".")[0] in sys.stdlib_module_names:
        return
    for one in statement.names:
        if one.name == "*":
            found.stars.add(module)
        else:
            found.names.add(one.asname or one.name)


def _read_assignment(statement: ast.Assign | ast.AnnAssign | ast.AugAssign, found: Reading) -> None:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    for target in targets:
        if isinstance(target, ast.Name) and target.id == "__all__" and statement.value:
            found.public |= {word for text in _texts(statement.value) for word in text.split()}
        for one in ast.walk(target):
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
                found.names.add(one.id)


def _texts(value: ast.expr) -> set[str]:
    return {
        one.value
        for one in ast.walk(value)
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    }


def _parameters(function: Function, name: str) -> set[str]:
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    parameters = {f"{name}({one.arg}" for one in named if one.arg not in {"self", "cls"}}
    renamed = {f"{name}({one}" for call in function.decorator_list for one in _renamed(call)}
    return parameters | renamed | ({f"{name}(**"} if given.kwarg else set())


def _renamed(decorator: ast.expr) -> set[str]:
    """Return the old names of parameters that a decorator still takes, as pandas has them."""
    match decorator:
        case ast.Call(func=maker) if ast.unparse(maker).endswith(
            ("deprecate_kwarg", "rename_parameter")
        ):
            return {one for one in _texts(decorator) if one.isidentifier()}
    return set()


def _attributes(kind: ast.ClassDef) -> set[str]:
    """Return the attributes of a class, and what its methods give to its objects."""
    found = set[str]()
    for statement in _walk(kind.body):
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                found.add(f"{kind.name}.{statement.name}")
                found |= _parameters(statement, f"{kind.name}.{statement.name}")
                found |= {f"{kind.name}.{name}" for name in _given(statement)}
            case ast.ClassDef():
                found.add(f"{kind.name}.{statement.name}")
            case ast.Assign():
                plain = [one.id for one in statement.targets if isinstance(one, ast.Name)]
                found |= {f"{kind.name}.{name}" for name in plain}
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.add(f"{kind.name}.{name}")
    return found


def _given(method: Function) -> Iterator[str]:
    """Find what a method sets on its object."""
    for statement in _walk(method.body):
        match statement:
            case ast.Assign(targets=targets):
                pass
            case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
                targets = [target]
            case _:
                continue
        for one in (node for target in targets for node in _unpack(target)):
            match one:
                case ast.Attribute(value=ast.Name(id="self"), attr=name):
                    yield name


def _unpack(target: ast.expr) -> Iterator[ast.expr]:
    if isinstance(target, ast.Tuple | ast.List):
        for one in target.elts:
            yield from _unpack(one)
    else:
        yield target
