"""The question whether anything has changed since the sealing."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.kept.touched import find_touched, is_untouched
from tests.envs.kept.sealed import SITE, sealed


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return sealed(tmp_path)


def test_the_command_looks_at_all_that_was_sealed_and_at_nothing_else(
    environment: Environment,
) -> None:
    path, python = str(environment.path), environment.interpreter.path.parent.parent
    library = f"{python}/lib/python3.10"
    assert find_touched(environment) == (
        *("find", path, library),
        *(f"{python}/bin/python3.10", f"{python}/lib/libpython3.10.so"),
        *("-path", f"{library}/dist-packages", "-prune", "-o"),
        *("-path", f"{library}/site-packages", "-prune", "-o"),
        *("!", "-path", path, "!", "-path", f"{path}/sealed"),
        *("!", "-path", f"{path}/sealed/record.json"),
        *("-cnewer", f"{path}/sealed/record.json", "-print", "-quit"),
    )


def test_nobody_has_touched_it(environment: Environment) -> None:
    assert is_untouched(environment)
    (environment.interpreter.path.parents[1] / "lib/python3.10/site-packages/new.py").touch()
    assert is_untouched(environment)


@pytest.mark.parametrize("name", [f"{SITE}/one.py", "bin/new", "sealed/requirements.txt"])
def test_a_file_that_was_written_is_noticed(environment: Environment, name: str) -> None:
    (environment.path / name).touch()
    assert not is_untouched(environment)


@pytest.mark.parametrize(
    "name", ["bin/python3.10", "lib/libpython3.10.so", "lib/python3.10/os.py", "lib/python310.zip"]
)
def test_so_is_one_of_its_python(environment: Environment, name: str) -> None:
    (environment.interpreter.path.parents[1] / name).touch()
    assert not is_untouched(environment)


def test_a_change_that_is_certain_needs_no_search(environment: Environment) -> None:
    assert find_touched(replace(environment, intact=False)) == ()
    assert not is_untouched(replace(environment, intact=False))
    (environment.path / "sealed/python.tsv").unlink()
    assert find_touched(environment) == ()
    former = replace(environment, schema=1)
    path = str(environment.path)
    assert find_touched(former)[:3] == ("find", path, "!")


def test_without_find_files_are_compared(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    assert not is_untouched(environment)
    (environment.path / "sealed/record.json").unlink()
    monkeypatch.undo()
    assert not is_untouched(environment), "find fails"
