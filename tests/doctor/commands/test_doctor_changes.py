"""The facts of a good run are kept, and a bad one is compared with them."""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.doctor.commands.doctor_changes import (
    add_changes,
    describe_day,
    is_plain,
    last_good,
    remember,
)
from sdcoreml.doctor.core import history
from sdcoreml.doctor.core.check import CheckFamily, Status, error
from sdcoreml.doctor.core.engine import Report, Result
from sdcoreml.doctor.core.facts import Absent
from tests.doctor.healthy import HEALTHY, SYSTEM

FINDING = error("bad", why="so")
BAD = Result(
    id="SYS001", family=CheckFamily.SYSTEM, title="x", status=Status.ERROR, findings=(FINDING,)
)
OTHER = replace(HEALTHY, system=replace(SYSTEM, cores=SYSTEM.cores + 1))


def given(**more: object) -> argparse.Namespace:
    usual: dict[str, object] = {"facts": None, "select": [], "goal": None, "compare": None}
    return argparse.Namespace(**{**usual, **more})


@pytest.fixture(autouse=True)
def environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    return tmp_path / "envs"


def report(*results: Result) -> Report:
    return Report(toolchain="tested", target="linux-x86_64", results=results)


def test_only_a_run_over_all_of_this_machine_is_kept() -> None:
    assert is_plain(given())
    for more in ({"facts": Path("x")}, {"select": ["SYS"]}, {"goal": "env"}):
        assert not is_plain(given(**more))


def test_without_a_folder_of_environments_nothing_is_kept(environments: Path) -> None:
    remember(HEALTHY)
    assert not environments.exists()


def test_a_good_run_is_kept_for_its_toolchain(environments: Path) -> None:
    environments.mkdir()
    remember(HEALTHY)
    assert last_good(HEALTHY) == environments / "last-good.tested.json"
    assert history.read(last_good(HEALTHY)).system == SYSTEM
    unknown = replace(HEALTHY, toolchain=Absent(reason="none"))
    assert last_good(unknown).name == "last-good..json"


def test_where_another_file_is_a_good_run_is_not_kept(environments: Path) -> None:
    environments.mkdir()
    last_good(HEALTHY).write_text("mine")
    remember(HEALTHY)
    assert last_good(HEALTHY).read_text() == "mine"


def test_a_bad_run_is_compared_with_the_last_good_one(environments: Path) -> None:
    environments.mkdir()
    remember(OTHER)
    os.utime(last_good(HEALTHY), (1_764_500_000,) * 2)
    told = add_changes(given(), report(BAD), HEALTHY)
    assert told.compared == "the last good run, 30 Nov 2025 10:53"
    assert len(told.changes) == 1
    assert str(SYSTEM.cores) in told.changes[0]


def test_a_good_run_and_one_that_asked_for_a_part_are_not(environments: Path) -> None:
    environments.mkdir()
    remember(OTHER)
    for args, one in ((given(), report()), (given(goal="env"), report(BAD))):
        assert add_changes(args, one, HEALTHY) == one


def test_before_the_first_good_run_there_is_nothing_to_compare() -> None:
    assert add_changes(given(), report(BAD), HEALTHY) == report(BAD)
    assert describe_day(last_good(HEALTHY)) == ""


def test_facts_that_are_named_are_compared_whatever_was_found(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    history.write(OTHER, file)
    told = add_changes(given(compare=file, goal="env"), report(), HEALTHY)
    assert str(told.compared) == str(file)
    assert len(told.changes) == 1
    assert add_changes(given(compare=file), report(), OTHER).changes == ()
