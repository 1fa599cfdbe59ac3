from __future__ import annotations

from pathlib import Path

import pytest

from doctor.history import LAST_GOOD, FactsFileError, last_good, read, write
from tests.doctor.healthy import HEALTHY


def test_facts_come_back_from_disk(tmp_path: Path) -> None:
    write(HEALTHY, tmp_path / LAST_GOOD)
    assert read(tmp_path / LAST_GOOD) == HEALTHY
    assert last_good(tmp_path) == HEALTHY
    assert [path.name for path in tmp_path.iterdir()] == [LAST_GOOD], "nothing is left aside"


def test_the_same_facts_are_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    write(HEALTHY, path)
    before = path.stat().st_ino
    write(HEALTHY, path)
    assert path.stat().st_ino == before


@pytest.mark.parametrize(
    ("text", "fault"),
    [("<html>", "not JSON"), ("{}", "schema None"), ("[]", "an object is wanted")],
)
def test_what_is_no_facts_is_said_in_a_line(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "facts.json"
    path.write_text(text)
    with pytest.raises(FactsFileError, match=fault):
        read(path)
    path.rename(tmp_path / LAST_GOOD)
    assert last_good(tmp_path) is None


def test_no_file_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FactsFileError, match="No such file"):
        read(tmp_path / "nothing")
    with pytest.raises(FactsFileError, match="No such file"):
        write(HEALTHY, tmp_path / "no" / "facts.json")
