"""An environment whose Python is gone is linked to another of exactly that version."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.envs.care.relink import find_twin, relink
from sdcoreml.envs.kept import manifest, store
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.kept.verify import verify_full
from sdcoreml.ground.errors import BrokenError
from tests.envs.kept.sealed import SITE, python_below, sealed


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return sealed(tmp_path)


def test_a_twin_is_there_and_of_the_same_version_and_machine(environment: Environment) -> None:
    gone = environment.interpreter
    twin = replace(gone, source="pyenv")
    others = [
        replace(gone, path=Path("/gone/python3.10")),
        replace(gone, version="3.10.11"),
        replace(gone, target="macos-arm64"),
        replace(gone, implementation="PyPy"),
    ]
    assert find_twin(gone, others) is None
    assert find_twin(gone, []) is None
    assert find_twin(gone, [*others, twin, gone]) == twin


def test_only_what_names_the_python_changes(environment: Environment, tmp_path: Path) -> None:
    twin = python_below(tmp_path / "twin")
    inode = (environment.path / SITE / "one.py").stat().st_ino
    before = {entry.path: entry for entry in manifest.read(environment.path)}
    made = relink(environment, twin)
    assert made == replace(environment, interpreter=twin, listing=made.listing)
    assert made.listing != environment.listing
    assert store.read("tested", environment.path) == made
    assert (environment.path / "bin/python").readlink() == twin.path
    assert f"home = {twin.path.parent}\n" in (environment.path / "pyvenv.cfg").read_text()
    assert verify_full(made).faults == ()
    assert (environment.path / SITE / "one.py").stat().st_ino == inode
    changed = {
        entry.path for entry in manifest.read(environment.path) if entry != before[entry.path]
    }
    assert changed == {"bin/python", "bin/python3", "bin/python3.10", "pyvenv.cfg"}
    assert [path.name for path in environment.path.parent.iterdir()] == ["abc"]


def test_a_twin_that_does_not_answer_leaves_nothing_behind(
    environment: Environment, tmp_path: Path
) -> None:
    twin = python_below(tmp_path / "twin")
    twin.path.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(BrokenError, match="cannot be asked for its paths"):
        relink(environment, twin)
    assert [path.name for path in environment.path.parent.iterdir()] == ["abc"]
