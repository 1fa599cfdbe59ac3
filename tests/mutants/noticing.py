"""Chooses the tests that could notice a mutant: those of its module first, then its users'."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tests.constants import INSIDE as IN_ENVIRONMENT

FARTHEST = 2
"""How many imports lie between a test and a mutant that it is asked about."""

_PACKAGE = "sdcoreml."
_TASKS = "sdcoreml.convert.tasks."
_MODULE = re.compile(r"sdcoreml(\.\w+)+(:\w+)?")
INSIDE = "tests/inside/"
QUICK, SLOW = "not slow", "slow"
FILES = 20
"""How many files of tests a round has at most."""

ROUNDS = 3
"""How many rounds of the same kind a mutant is tried in."""

ALL = ("tests/test_constants.py",)
"""Tests that load every module without naming it."""

ALL_INSIDE = ("tests/inside/test_constants.py",)
"""Tests that load every module which only the built environment has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imports:
    """Which modules and tests import a module, by their paths in the checkout."""

    users: Mapping[str, tuple[str, ...]]
    tests: frozenset[str]


def read_imports(root: Path) -> Imports:
    """Read the imports of all modules and tests of a checkout."""
    users: dict[str, set[str]] = defaultdict(set)
    folders = ("ground", "lockfiles", "envs", "convert", "doctor", "tests")
    paths = sorted(path for folder in folders for path in (root / folder).rglob("*.py"))
    known = {path.relative_to(root).as_posix() for path in paths}
    for path in paths:
        user = path.relative_to(root).as_posix()
        for name in _imported(ast.parse(path.read_bytes())):
            file = f"{name.removeprefix(_PACKAGE).replace('.', '/')}.py"
            package = f"{file.removesuffix('.py')}/__init__.py"
            users[file if file in known else package].add(user)
    tests = frozenset(path for path in known if is_test(path))
    return Imports(users={name: tuple(sorted(found)) for name, found in users.items()}, tests=tests)


def is_test(path: str) -> bool:
    """Whether this is a module that pytest collects."""
    return path.startswith("tests/") and PurePosixPath(path).name.startswith("test_")


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str() as module, names=names):
                yield module
                yield from (f"{module}.{name.name}" for name in names)
            case ast.Call(
                func=ast.Attribute(attr="run"), args=[ast.Constant(value=str() as task), *_]
            ):
                yield f"{_TASKS}{task}"  # a child is asked for it
            case ast.Constant(value=str() as text) if _MODULE.fullmatch(text):
                yield text.partition(":")[0]  # a child is started by it, or a table loads it


def mirrors(path: str) -> tuple[str, ...]:
    """Return where the tests of a module are, on the host and in the built environment."""
    module = PurePosixPath(path)
    name = module.parent.name if module.stem == "__init__" else module.stem
    folder = module.parent.parent if module.stem == "__init__" else module.parent
    return tuple(f"{start}/{folder}/test_{name}.py" for start in ("tests", "tests/inside"))


def golden(path: str) -> str:
    """Return where the tests are that compare what a module's whole folder makes with files."""
    return f"tests/{PurePosixPath(path).parent}/test_golden.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Tests that one pytest runs, in this order; inside the built environment or on the host.

    `marked` is an expression over pytest's marks that chooses among them.
    """

    tests: tuple[str, ...]
    inside: bool
    marked: str = ""


def rounds_of(path: str, imports: Imports) -> tuple[Round, ...]:
    """Return the rounds of tests that could notice a mutant of a module.

    First come the module's own tests, then those of what imports it, the nearest first, and of
    these the quickest: where only slow tests run a module, no test farther away will notice.
    pytest imports all files of a round before it runs a test, so no round has many.
    """
    every = ALL_INSIDE if path.startswith(IN_ENVIRONMENT) else ALL
    near = [test for test in (*mirrors(path), *every) if test in imports.tests]
    first, *others = _users_tests(path, imports, near)
    first += [test for test in (golden(path),) if test in imports.tests and test not in first]
    farther = [test for tests in others for test in tests]
    rounds = (
        *_split(near, inside=False),
        *_split(first, inside=False, marked=QUICK),
        *_split(near, inside=True),
        *_split(first, inside=False, marked=SLOW),
        *_split(first, inside=True),
        *_split(farther, inside=False, marked=QUICK),
        *_split(farther, inside=True),
        *_split(farther, inside=False, marked=SLOW),
    )
    return tuple(rounds)


def _split(tests: Sequence[str], *, inside: bool, marked: str = "") -> Iterator[Round]:
    """Yield rounds of a few of these tests each, and only the first rounds."""
    asked = [test for test in tests if test.startswith(INSIDE) is inside][: ROUNDS * FILES]
    for start in range(0, len(asked), FILES):
        yield Round(tests=tuple(asked[start : start + FILES]), inside=inside, marked=marked)


def _users_tests(path: str, imports: Imports, near: Sequence[str]) -> Iterator[list[str]]:
    """Yield the tests that import a module, then those of modules that do, each once."""
    seen, reached = {path}, [path]
    known = set(near)
    room = PurePosixPath(path).parent.as_posix()
    for _ in range(FARTHEST):
        new = [user for module in reached for user in imports.users.get(module, ())]
        reached = [user for user in dict.fromkeys(new) if user not in seen]
        seen.update(reached)
        named = (
            test
            for user in reached
            for test in (user, *(() if user.startswith("tests/") else mirrors(user)))
        )
        found = [test for test in dict.fromkeys(named) if test in imports.tests - known]
        known.update(found)
        yield sorted(found, key=lambda test: not test.partition(room)[1])
