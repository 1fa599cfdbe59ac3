from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.doctor.core.facts import Goal
from sdcoreml.doctor.core.history import (
    LAST_GOOD,
    read,
    read_if_any,
    write,
)
from sdcoreml.ground.errors import BadInputError
from tests.doctor.healthy import HEALTHY


def test_facts_come_back_from_disk(tmp_path: Path) -> None:
    write(HEALTHY, tmp_path / LAST_GOOD)
    assert read(tmp_path / LAST_GOOD) == HEALTHY
    assert read_if_any(tmp_path / LAST_GOOD) == HEALTHY
    assert [path.name for path in tmp_path.iterdir()] == [LAST_GOOD], "nothing is left aside"


def test_the_same_facts_are_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    write(HEALTHY, path)
    inode = path.stat().st_ino
    write(HEALTHY, path)
    assert path.stat().st_ino == inode


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("<html>", "not valid JSON"),
        ("{}", "schema None"),
        ("[]", "an object is expected"),
        ("[" * 100_000, "JSON nested more than 100 deep"),
    ],
)
def test_what_is_no_facts_is_said_in_a_line(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "facts.json"
    path.write_text(text)
    with pytest.raises(BadInputError, match=fault):
        read(path)
    path.rename(tmp_path / LAST_GOOD)
    assert read_if_any(tmp_path / LAST_GOOD) is None


def test_no_file_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no such file"):
        read(tmp_path / "nothing")
    with pytest.raises(BadInputError, match="No such file"):
        write(HEALTHY, tmp_path / "no" / "facts.json")


def test_names_that_are_no_text_come_back_from_disk(tmp_path: Path) -> None:
    odd = replace(HEALTHY, goal=Goal(model=os.fsdecode(b"/models/\xff")))
    path = tmp_path / "facts.json"
    write(odd, path)
    assert read(path) == odd
    path.read_bytes().decode("ascii")


def test_facts_that_changed_replace_those_of_before(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    write(HEALTHY, path)
    other = replace(HEALTHY, goal=Goal(model="/another"))
    write(other, path)
    assert read(path) == other
    assert [one.name for one in tmp_path.iterdir()] == ["facts.json"]


def test_a_folder_that_is_not_ours_keeps_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.mkdir()
    with pytest.raises(BadInputError, match="choose another file"):
        write(HEALTHY, path)
    assert [one.name for one in tmp_path.iterdir()] == ["facts.json"], "nothing is left aside"


def test_bytes_that_are_no_text_are_no_json(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_bytes(b"\xff\xfe{")
    with pytest.raises(BadInputError, match=r"not UTF-16.* .*; make one: --save-facts"):
        read(path)


def test_a_file_of_somebody_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "thesis"
    path.write_text("mine")
    with pytest.raises(BadInputError, match="thesis: exists and is no file of saved facts; choose"):
        write(HEALTHY, path)
    assert path.read_text() == "mine"
