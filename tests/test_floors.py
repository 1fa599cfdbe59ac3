"""The floors of the house: imports go down only, and the host never loads what only runs inside."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ("lockfiles", "envs", "convert", "doctor")
"""From the lowest to the highest."""

INSIDE = ("accelerate", "coremltools", "diffusers", "torch", "transformers")
"""What only the built environment has."""

RUN_INSIDE = ("mil", "references", "figures.py", "parity.py", "sensitivity.py")
"""The parts of `convert` that are run in the built environment alone, and import torch at once."""


def imports(tree: ast.AST) -> Iterator[str]:
    """The modules that a piece of code imports, those inside of its functions included."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=module, level=level):
                yield module if module and not level else "relative"


def at_once(source: str) -> Iterator[str]:
    """The modules that are imported with a module: what its functions import is left out."""
    for node in ast.parse(source).body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield from imports(node)


def modules(floor: str) -> list[Path]:
    return sorted((ROOT / floor).rglob("*.py"))


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_go_down_only(floor: str) -> None:
    above = {*FLOORS[FLOORS.index(floor) + 1 :], "relative", "tests"}
    found = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(floor)
        for name in imports(ast.parse(path.read_bytes()))
        if name.partition(".")[0] in above
    }
    assert len(modules(floor)) > 10
    assert found == set()


def test_what_only_the_environment_has_is_imported_at_once_by_what_runs_there() -> None:
    eager = {
        path.relative_to(ROOT)
        for floor in FLOORS
        for path in modules(floor)
        if any(name.partition(".")[0] in INSIDE for name in at_once(path.read_text("utf-8")))
    }
    assert {(path.parts[0], path.parts[1]) for path in eager} == {
        ("convert", name) for name in RUN_INSIDE
    }


def test_whatever_the_host_imports_it_loads_nothing_of_the_environment() -> None:
    """Each command's module, and the tasks' parents, with those libraries forbidden."""
    code = f"""\
import importlib, sys
for name in {INSIDE!r}:
    sys.modules[name] = None
from doctor.cli import COMMANDS
for command in COMMANDS:
    command.load()
import convert.bundle, convert.cli, convert.job, convert.verify, convert.worker
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
