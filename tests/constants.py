"""The constants of modules, the members of enumerations, and what fields and parameters are unless
somebody says otherwise: each as one line of text, the same on every machine.

That a value is as it is kept proves nothing of it, only that nobody has changed it without meaning
to. What a figure is good for, another test has to say.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import importlib
import inspect
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FunctionType, MappingProxyType, ModuleType

from sdcoreml.ground.places import ROOT
from tests.golden import FOLDER, assert_golden, tell

INSIDE = ("convert/mil/", "convert/parity/", "convert/references/", "convert/tasks/")
"""What runs only in the built environment."""

OTHER = ("envs/cluster/member.py", "envs/cluster/scheduling.py", "envs/cluster/speaking.py")
"""What runs only with the Python that has Dask."""

BY_SYSTEM = frozenset({"doctor.core.runs._UNIT"})
"""What another system has otherwise."""

_NAME = re.compile(r"_?[A-Z][A-Z0-9_]*")
_CHANGING = ("dict[", "list[", "set[")
"""How types begin of what a module fills while it runs; tables are declared as Mapping."""


def modules(floor: str, *, inside: bool = False) -> Iterator[ModuleType]:
    """Import the modules of a floor that the host has, in the order of their paths.

    With `inside`, they are those that only the built environment has.
    """
    for path in sorted((ROOT / floor).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        is_asked = name.startswith(INSIDE) is inside and name not in OTHER
        if path.name != "__main__.py" and is_asked:
            parts = Path(name).with_suffix("").parts
            yield importlib.import_module(".".join(("sdcoreml", *parts)).removesuffix(".__init__"))


def assert_kept(name: str, found: Mapping[str, str]) -> None:
    """Fail unless constants are as they are kept in `tests/golden/constants-NAME.txt`.

    What is new, or is no longer there, is not asked for: whoever lets the test write
    (`GOLDEN=write`) adds and removes it.
    """
    path = FOLDER / f"constants-{name}.txt"
    kept = path.read_text("utf-8").splitlines() if path.is_file() else []
    if "GOLDEN" in os.environ:
        kept = [f"{one} = " for one in found]
    known = {line.partition(" = ")[0] for line in kept}
    lines = [f"{one} = {text}" for one, text in sorted(found.items()) if one in known]
    gone = [line for line in kept if line.partition(" = ")[0] not in found]
    assert_golden(f"constants-{name}", "\n".join(sorted((*lines, *gone))))


def constants(module: ModuleType) -> dict[str, str]:
    """Return what the module defines, by a name that tells where."""
    own = module.__name__.removeprefix("sdcoreml.")
    found: dict[str, str] = {}
    declared, brought = vars(module).get("__annotations__", {}), _imported(module)
    for name, value in vars(module).items():
        if name in brought or str(declared.get(name, "")).startswith(_CHANGING):
            continue
        is_own = getattr(value, "__module__", None) == module.__name__
        if isinstance(value, type) and is_own:
            found.update(_of_class(value))
        elif isinstance(value, FunctionType) and is_own:
            found.update(_of_function(name, value))
        elif _NAME.fullmatch(name) and _is_told(value):
            found[name] = _tell(value)
    told = {f"{own}.{name}": text for name, text in found.items() if os.fspath(ROOT) not in text}
    return {name: text for name, text in told.items() if name not in BY_SYSTEM}


def _imported(module: ModuleType) -> frozenset[str]:
    """Return the names that a module has from others, which tell them."""
    nodes = ast.walk(ast.parse(inspect.getsource(module)))
    found = (node.names for node in nodes if isinstance(node, ast.ImportFrom))
    return frozenset(one.asname or one.name for names in found for one in names)


def _tell(value: object) -> str:
    """Return a value as text; a mapping may have been made of a set, so its keys are sorted."""
    if isinstance(value, dict | MappingProxyType):
        return (
            f"{{{', '.join(sorted(f'{_tell(key)}: {_tell(one)}' for key, one in value.items()))}}}"
        )
    if isinstance(value, tuple | list):
        return f"({', '.join(map(_tell, value))})"
    return tell(value)


def _is_told(value: object) -> bool:
    """Whether all of a value is plain: a function says nothing of what it does."""
    if isinstance(value, dict | MappingProxyType):
        return all(map(_is_told, (*value, *value.values())))
    if isinstance(value, tuple | list | frozenset | set):
        return all(map(_is_told, value))
    return isinstance(value, str | bytes | int | float | enum.Enum | re.Pattern | None)


def _of_class(kind: type) -> Iterator[tuple[str, str]]:
    if issubclass(kind, enum.Enum):
        yield from ((f"{kind.__name__}.{one.name}", _tell(one.value)) for one in kind)
    elif dataclasses.is_dataclass(kind):
        for field in dataclasses.fields(kind):
            if field.default is not dataclasses.MISSING and _is_told(field.default):
                yield f"{kind.__name__}.{field.name}", _tell(field.default)
    made = {"__init__"} if dataclasses.is_dataclass(kind) else set()  # of the fields told above
    for name, value in vars(kind).items():
        if name in made:
            continue
        if isinstance(value, FunctionType) and value.__module__ == kind.__module__:
            yield from _of_function(f"{kind.__name__}.{name}", value)


def _of_function(name: str, function: FunctionType) -> Iterator[tuple[str, str]]:
    for parameter in inspect.signature(function).parameters.values():
        if parameter.default is not parameter.empty and _is_told(parameter.default):
            yield f"{name}({parameter.name})", _tell(parameter.default)
