from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sdcoreml.doctor.studio.kept import (
    Kept,
    forget,
    keep,
    read_kept,
    renew,
    sole_studio,
)

KEPT = Kept(port=7523, token="t" * 43, key="ab" * 32)


def test_what_is_kept_is_read_again_and_only_its_user_may(tmp_path: Path) -> None:
    folder = tmp_path / "queue" / "studio"
    keep(folder, KEPT)
    assert read_kept(folder) == KEPT
    assert (folder / "studio.json").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_no_address_of_the_page_is_one_that_a_browser_has_kept_an_answer_of() -> None:
    address = re.compile(r"http://127\.0\.0\.1:7523/\?[0-9a-f]{8}#(.*)")
    told = [address.fullmatch(one) for one in (KEPT.address(), KEPT.address("once-literal"))]
    assert [found and found[1] for found in told] == ["t" * 43, "once-literal"]
    assert KEPT.address() != KEPT.address()


def test_a_killed_studio_s_page_goes_on_and_an_ended_one_s_does_not(tmp_path: Path) -> None:
    keep(tmp_path, KEPT)
    assert renew(read_kept(tmp_path), 7523) == KEPT
    forget(tmp_path, KEPT)
    kept = read_kept(tmp_path)
    assert kept == Kept(port=7523)
    first, second = renew(kept, 7523), renew(kept, 7523)
    assert len({KEPT.token, first.token, second.token}) == 3
    assert len({KEPT.key, first.key, second.key}) == 3
    assert (first.port, len(first.token), len(first.secret)) == (7523, 43, 32)


def test_on_another_port_nothing_is_as_it_was() -> None:
    moved = renew(KEPT, 7524)
    assert moved.port == 7524
    assert moved.token != KEPT.token
    assert moved.key != KEPT.key
    assert (len(moved.token), len(moved.secret)) == (43, 32)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        json.dumps({"port": 1, "token": "t", "key": "zz"}),
        json.dumps({"port": 1, "token": "t", "key": "ab"}),
        json.dumps({"port": "1", "token": "t", "key": ""}),
    ],
)
def test_what_is_damaged_counts_as_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "studio.json").write_text(text)
    (tmp_path / "studio.json").chmod(0o600)
    assert renew(read_kept(tmp_path), 1).token not in ("", "t")


def test_what_others_may_have_read_is_not_used_again(tmp_path: Path) -> None:
    keep(tmp_path, KEPT)
    (tmp_path / "studio.json").chmod(0o644)
    assert read_kept(tmp_path) == Kept()


def test_there_is_one_studio_for_a_folder(tmp_path: Path) -> None:
    with sole_studio(tmp_path) as first, sole_studio(tmp_path) as second:
        assert (first(), second()) == (True, False)
    with sole_studio(tmp_path) as again:
        assert again()
