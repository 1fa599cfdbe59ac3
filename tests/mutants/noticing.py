"""Chooses the tests that could notice a mutant: those of its module first, then its users'."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

FARTHEST = 2
"""How many imports lie between a test and a mutant that it is asked about."""

_PACKAGE = "sdcoreml."
_MODULE = re.compile(r"sdcoreml(\.\w+)+(:\w+)?")
INSIDE = "tests/inside/"


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
            case ast.Constant(value=str() as text) if _MODULE.fullmatch(text):
                yield text.partition(":")[0]  # a child is started by it, or a table loads it


def mirrors(path: str) -> tuple[str, ...]:
    """Return where the tests of a module are, on the host and in the built environment."""
    module = PurePosixPath(path)
    name = module.parent.name if module.stem == "__init__" else module.stem
    folder = module.parent.parent if module.stem == "__init__" else module.parent
    return tuple(f"{start}/{folder}/test_{name}.py" for start in ("tests", "tests/inside"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Tests that one pytest runs, in this order; inside the built environment or on the host."""

    tests: tuple[str, ...]
    inside: bool


def rounds_of(path: str, imports: Imports) -> tuple[Round, ...]:
    """Return the rounds of tests that could notice a mutant of a module, the nearest first."""
    near = [test for test in mirrors(path) if test in imports.tests]
    far = [test for test in _users_tests(path, imports) if test not in near]
    groups = [
        Round(
            tests=tuple(test for test in tests if test.startswith(INSIDE) is inside), inside=inside
        )
        for tests in (near, far)
        for inside in (False, True)
    ]
    return tuple(group for group in groups if group.tests)


def _users_tests(path: str, imports: Imports) -> Iterator[str]:
    """Yield the tests that import a module, then those of modules that do, each once."""
    seen, reached = {path}, [path]
    yielded: set[str] = set()
    for _ in range(FARTHEST):
        new = [user for module in reached for user in imports.users.get(module, ())]
        reached = [user for user in dict.fromkeys(new) if user not in seen]
        seen.update(reached)
        for user in reached:
            for test in (user, *(() if user.startswith("tests/") else mirrors(user))):
                if test in imports.tests and test not in yielded:
                    yielded.add(test)
                    yield test
