from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.ground.digest import FileRecord, describe, find_changed, named_below, sha256


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 1_114_112, 2_304_000])
def test_a_file_of_one_read_and_of_many(tmp_path: Path, size: int) -> None:
    content = (bytes(range(251)) * 9200)[:size]
    (tmp_path / "a").write_bytes(content)
    assert sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_files_are_described_by_their_path_below_the_base(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "b").write_bytes(b"b")
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "c").hardlink_to(tmp_path / "x" / "b")
    b = FileRecord(size=1, sha256=hashlib.sha256(b"b").hexdigest())
    assert describe(named_below(tmp_path)) == {
        "a": FileRecord(size=0, sha256=hashlib.sha256(b"").hexdigest()),
        "c": b,
        "x/b": b,
    }
    assert list(describe(named_below(tmp_path))) == ["a", "c", "x/b"]


def test_a_content_is_hashed_once_however_many_names_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"a")
    for name in ("b", "c", "d"):
        (tmp_path / name).hardlink_to(tmp_path / "a")
    opened: list[Path] = []
    real = os.open

    def noting(path: Path, *arguments: Any, **options: Any) -> Any:
        opened.append(path)
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", noting)
    described = describe(named_below(tmp_path))
    assert len(opened) == 1
    assert {entry.sha256 for entry in described.values()} == {hashlib.sha256(b"a").hexdigest()}
    assert list(described) == ["a", "b", "c", "d"]


def test_no_file_is_an_empty_description(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert named_below(tmp_path) == {}
    assert describe({}) == {}


@given(st.binary(max_size=200))
def test_a_digest_is_that_of_the_bytes(content: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        assert sha256(Path(file.name)) == hashlib.sha256(content).hexdigest()


def test_what_changed_is_found_and_another_size_is_not_hashed(tmp_path: Path) -> None:
    for name in ("same", "other", "longer"):
        (tmp_path / name).write_bytes(b"12")
    recorded = describe(named_below(tmp_path))
    (tmp_path / "other").write_bytes(b"21")
    os.truncate(tmp_path / "longer", 1 << 40)  # to hash a hole of a terabyte would take an hour
    places = {name: tmp_path / name for name in recorded}
    assert find_changed(places, recorded) == {"other", "longer"}
