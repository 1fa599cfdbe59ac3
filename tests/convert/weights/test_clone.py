from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sdcoreml.convert.weights.clone import (
    Placement,
    copy,
    fits,
    place,
    place_aside,
)


def test_a_file_is_placed_without_a_copy_where_that_can_be(tmp_path: Path) -> None:
    source, target = tmp_path / "weight.bin", tmp_path / "placed.bin"
    source.write_bytes(b"weights")
    placement = place(source, target)
    assert target.read_bytes() == b"weights"
    assert (placement is Placement.LINKED) == source.samefile(target)
    assert placement is not Placement.COPIED


def test_a_linked_source_is_resolved_first(tmp_path: Path) -> None:
    real, source, target = tmp_path / "real", tmp_path / "link", tmp_path / "placed"
    real.write_bytes(b"weights")
    source.symlink_to(real)
    place(source, target)
    assert not target.is_symlink()
    assert target.read_bytes() == b"weights"


def test_a_copy_is_equal(tmp_path: Path) -> None:
    source, target = tmp_path / "weight.bin", tmp_path / "placed.bin"
    source.write_bytes(os.urandom(3 << 20))
    copy(source, target)
    assert target.read_bytes() == source.read_bytes()
    assert not target.samefile(source)


def test_an_unfit_way_leaves_nothing(tmp_path: Path) -> None:
    def unfit(_: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(errno.EXDEV, "another disk")

    assert not fits(unfit, tmp_path / "a", tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_broken_disk_is_not_an_unfit_way(tmp_path: Path) -> None:
    def broken(_: Path, target: Path) -> None:
        raise OSError(errno.EIO, "broken", str(target))

    with pytest.raises(OSError, match="broken"):
        fits(broken, tmp_path / "a", tmp_path / "b")


def test_the_original_is_whole_without_its_second_name(tmp_path: Path) -> None:
    source, target = tmp_path / "weight.bin", tmp_path / "placed.bin"
    source.write_bytes(b"weights")
    place(source, target)
    target.unlink()
    assert source.read_bytes() == b"weights"


def test_an_older_file_is_replaced_at_once_and_nothing_else_is_left(tmp_path: Path) -> None:
    source, target = tmp_path / "weight.bin", tmp_path / "placed.bin"
    source.write_bytes(b"weights")
    target.write_bytes(b"older")
    place_aside(source, target)
    assert target.read_bytes() == b"weights"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["placed.bin", "weight.bin"]
