from __future__ import annotations

from pathlib import Path

import pytest

from convert.weights import clone as module
from convert.weights.clone import clone


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"data" * 1000)
    return path


def test_the_second_name_has_the_same_bytes(tmp_path: Path, source: Path) -> None:
    clone(source, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == source.read_bytes()


def test_a_copy_is_the_last_resort(tmp_path: Path, source: Path) -> None:
    module._copy(source, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == source.read_bytes()
    assert not (tmp_path / "target").samefile(source)


def test_the_original_is_whole_without_its_second_name(tmp_path: Path, source: Path) -> None:
    clone(source, tmp_path / "target")
    (tmp_path / "target").unlink()
    assert source.read_bytes() == b"data" * 1000
