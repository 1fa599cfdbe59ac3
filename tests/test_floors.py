"""Floors import only lower floors, rooms do not import each other, the host imports no torch."""

from __future__ import annotations

import ast
import itertools
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ("ground", "lockfiles", "envs", "convert", "doctor")
"""The floors, from the lowest to the highest."""

ROOMS = {
    "convert": (
        "bundle",
        "cache",
        "certificates",
        "compile",
        "compression",
        "deliver",
        "drawing",
        "hub",
        "jobs",
        "loading",
        "mil",
        "models",
        "packages",
        "parity",
        "programs",
        "proof",
        "references",
        "sources",
        "spec",
        "storage",
        "tasks",
        "weights",
    ),
    "doctor": (
        "api",
        "checks",
        "commands",
        "core",
        "gather",
        "knowledge",
        "proving",
        "queue",
        "report",
        "studio",
    ),
    "envs": (
        "building",
        "care",
        "cluster",
        "conda",
        "kept",
        "locking",
        "mirrors",
        "processes",
        "pythons",
        "upstream",
    ),
}
DOORS = {
    "convert": {"__init__", "__main__", "cli", "watch", "worker"},
    "doctor": {"__init__", "__main__", "cli"},
    "envs": {"__init__"},
}
"""The only modules that may be directly in a floor's folder, outside its rooms."""

LIBRARIES = ("accelerate", "coremltools", "diffusers", "torch", "transformers")
"""Libraries that are only in the built environment."""

NEED_TORCH = ("mil", "parity", "references", "tasks")
"""The rooms of `convert` that run only in the built environment, and import torch on import."""


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the names of all modules that a source imports, including imports in functions."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=module, level=level, names=names):
                # `from room import module` names a module, too: what is too much does no harm
                yield from (f"{module}.{name.name}" if not level else "relative" for name in names)


def at_once(source: str) -> Iterator[str]:
    """Yield the names of the modules that a source imports when it is itself imported."""
    for node in ast.parse(source).body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield from imports(node)


@cache
def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@cache
def imports_of(path: Path) -> tuple[str, ...]:
    return tuple(imports(ast.parse(path.read_bytes())))


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_go_down_only(floor: str) -> None:
    above = {f"sdcoreml.{name}." for name in FLOORS[FLOORS.index(floor) + 1 :]}
    outside = {"relative", "tests", "tools", *FLOORS}
    found = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(floor)
        for name in imports_of(path)
        if name.partition(".")[0] in outside or any(f"{name}.".startswith(up) for up in above)
    }
    assert len(modules(floor)) > 5
    assert found == set()


@pytest.mark.parametrize("floor", ROOMS)
def test_a_floor_has_these_rooms_and_only_doors_before_them(floor: str) -> None:
    assert {path.parent.name for path in (ROOT / floor).glob("*/__init__.py")} == set(ROOMS[floor])
    assert {path.stem for path in (ROOT / floor).glob("*.py")} == DOORS[floor]


@pytest.mark.parametrize("floor", ROOMS)
def test_no_two_rooms_import_each_other(floor: str) -> None:
    leans = {
        (room, name.split(".")[2])
        for room in ROOMS[floor]
        for path in modules(f"{floor}/{room}")
        for name in imports_of(path)
        if name.startswith(f"sdcoreml.{floor}.")
    }
    assert [
        pair for pair in itertools.combinations(ROOMS[floor], 2) if {pair, pair[::-1]} <= leans
    ] == []


def test_what_only_the_environment_has_is_imported_at_once_by_what_runs_there() -> None:
    eager = {
        path.relative_to(ROOT).parts[:2]
        for floor in FLOORS
        for path in modules(floor)
        if any(name.partition(".")[0] in LIBRARIES for name in at_once(path.read_text("utf-8")))
    }
    assert eager == {("convert", room) for room in NEED_TORCH}


def test_whatever_the_host_imports_it_loads_nothing_of_the_environment() -> None:
    """All commands and all rooms of the host can be imported without these libraries."""
    rooms = sorted(set(ROOMS["convert"]) - set(NEED_TORCH))
    names = [
        ".".join(("sdcoreml", *path.relative_to(ROOT).with_suffix("").parts))
        for room in rooms
        for path in modules(f"convert/{room}")
    ]
    code = f"""\
import importlib, sys
for name in {LIBRARIES!r}:
    sys.modules[name] = None
from sdcoreml.doctor.cli import VERBS
for verb in VERBS:
    verb.load()
for name in {names!r}:
    importlib.import_module(name)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


MAINTAINERS = ("sdcoreml.envs.locking", "sdcoreml.doctor.proving")
"""Rooms for maintainers of toolchains, which no ordinary command loads."""


def test_everyday_commands_load_nothing_of_the_maintainers() -> None:
    code = f"""\
import sys
from sdcoreml.doctor.cli import VERBS
for verb in VERBS:
    verb.load()
sys.exit(" ".join(name for name in sys.modules if name.startswith({MAINTAINERS!r})))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr == "\n"
