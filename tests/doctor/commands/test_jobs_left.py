from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.convert.cache.shelf import Cache
from sdcoreml.doctor.commands.jobs_batch import Batch
from sdcoreml.doctor.commands.jobs_file import JobFile, Request
from sdcoreml.doctor.commands.jobs_left import choose_rest, read_left, remember
from sdcoreml.doctor.commands.jobs_run import Result, State
from sdcoreml.ground.errors import UsageError


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(folder=tmp_path / "cache")


def a_file(folder: Path, name: str = "a") -> JobFile:
    return JobFile(path=folder / name, into=folder, requests=())


def a_batch(given: str) -> Batch:
    request = Request(args=argparse.Namespace(), place="models[0]", given=given, labels=())
    return Batch(request=request, args=argparse.Namespace())


def a_result(given: str, state: State) -> Result:
    return Result(state=state, place="models[0]", model=given)


BATCHES = (a_batch("x"), a_batch("y"))
PARTLY = (a_result("x", State.DONE), a_result("y", State.FAILED))


def test_what_a_run_left_is_known_by_its_file(tmp_path: Path, cache: Cache) -> None:
    one, other = (a_file(tmp_path, name) for name in "ab")
    assert remember(one, BATCHES, cache, lambda: PARTLY) == PARTLY
    assert read_left(one, cache) == ["y"]
    with pytest.raises(UsageError, match=r"\bno run of it is known; leave --retry-failed out"):
        read_left(other, cache)
    remember(one, BATCHES, cache, lambda: PARTLY[:1])
    with pytest.raises(UsageError, match=r"\bits last run left nothing undone"):
        read_left(one, cache)


def test_a_run_that_was_killed_left_all(tmp_path: Path, cache: Cache) -> None:
    file = a_file(tmp_path)
    remember(file, BATCHES, cache, lambda: PARTLY)

    def die() -> tuple[Result, ...]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remember(file, BATCHES, cache, die)
    assert read_left(file, cache) == ["x", "y"]


def test_folders_that_were_left_are_known_from_anywhere(tmp_path: Path, cache: Cache) -> None:
    folder = replace(PARTLY[1], folder=os.path.relpath(tmp_path / "made"))
    remember(a_file(tmp_path), BATCHES, cache, lambda: (folder,))
    assert read_left(a_file(tmp_path), cache) == [str(tmp_path / "made")]


def test_what_was_left_must_still_be_in_the_file(tmp_path: Path) -> None:
    assert choose_rest(a_file(tmp_path), BATCHES, ["y"]) == BATCHES[1:]
    with pytest.raises(UsageError, match=r"makes nothing any more .*; leave --retry-failed out"):
        choose_rest(a_file(tmp_path), BATCHES, ["models/gone"])


def test_without_a_cache_no_run_is_known(tmp_path: Path) -> None:
    remember(a_file(tmp_path), BATCHES, None, lambda: PARTLY)
    with pytest.raises(UsageError, match=r"\bno run of it is known"):
        read_left(a_file(tmp_path), None)
