from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from sdcoreml.convert.weights.zip_directory import read_members
from sdcoreml.doctor.studio.sketch import write_sketch
from sdcoreml.ground.errors import BadInputError

SIZES = (10, 700, 5_000, 0, 64, 3_000)


def torch_zip() -> bytes:
    """Return a zip file as PyTorch writes it: stored, each member at a multiple of 64 bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number, size in enumerate(SIZES):
            info = zipfile.ZipInfo(f"archive/data/{number}", (1980, 1, 1, 0, 0, 0))
            before = stream.tell() + 30 + len(info.filename) + 4
            padding = -before % 64
            info.extra = b"FB" + padding.to_bytes(2, "little") + bytes(padding)
            archive.writestr(info, os.urandom(size))
    return stream.getvalue()


WHOLE = torch_zip()


def sketch(path: Path, head: int, tail: int, whole: bytes = WHOLE) -> bytes:
    ends = memoryview(whole)
    write_sketch(path, len(whole), ends[:head], ends[len(whole) - tail :])
    return path.read_bytes()


@pytest.mark.parametrize("head", [4, 29, 31, 50, 63, 64, 120, 130, 150, 300, 900, 6_000, 8_000])
def test_a_file_of_pytorch_has_all_its_members_wherever_its_head_ends(
    tmp_path: Path, head: int
) -> None:
    (tmp_path / "whole").write_bytes(WHOLE)
    real = read_members(tmp_path / "whole")
    found = read_members(tmp_path / "sketch") if sketch(tmp_path / "sketch", head, 700) else {}
    assert {name: (one.nbytes, one.crc) for name, one in found.items()} == {
        name: (one.nbytes, one.crc) for name, one in real.items()
    }
    assert {one.start % 64 for one in found.values()} == {0}


@pytest.mark.parametrize("tail", [700, 701, 750, 1_000, 4_000])
def test_what_has_come_stays_as_it_is(tmp_path: Path, tail: int) -> None:
    made = sketch(tmp_path / "sketch", 130, tail)
    assert (len(made), made[:130]) == (len(WHOLE), WHOLE[:130])
    assert made[-tail:] == WHOLE[-tail:]
    assert read_members(tmp_path / "sketch").keys() == {f"archive/data/{n}" for n in range(6)}


def test_of_any_other_file_nothing_is_made_up(tmp_path: Path) -> None:
    for whole in (b"x" + WHOLE, b"PK\x03\x04" + bytes(9_000), WHOLE[:-22] + bytes(22)):
        made = sketch(tmp_path / "sketch", 130, 700, whole)
        assert made == whole[:130] + bytes(len(whole) - 830) + whole[-700:]


def test_a_directory_that_is_not_all_there_makes_no_members(tmp_path: Path) -> None:
    sketch(tmp_path / "sketch", 130, 60)
    with pytest.raises(BadInputError):
        read_members(tmp_path / "sketch")


def test_of_other_ends_that_came_before_nothing_is_left(tmp_path: Path) -> None:
    sketch(tmp_path / "sketch", 130, 700)
    assert sketch(tmp_path / "sketch", 2, 2) == WHOLE[:2] + bytes(len(WHOLE) - 4) + WHOLE[-2:]


def test_all_of_a_file_is_on_the_disk_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append(os.fstat(handle).st_size))
    sketch(tmp_path / "half", 130, 700)
    assert flushed == []
    sketch(tmp_path / "whole", 130, len(WHOLE) - 130)
    assert flushed == [len(WHOLE)]


def test_what_is_whole_is_put_on_the_disk_at_once_and_nobody_else_may_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    monkeypatch.setattr("os.umask", os.umask)
    before = os.umask(0)
    try:
        assert sketch(tmp_path / "whole", 2, 2, b"PK\3\4") == b"PK\3\4"
        assert len(flushed) == 1
        assert sketch(tmp_path / "hole", 2, 1, b"abcd") == b"ab\0d"
        assert len(flushed) == 1
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_a_link_is_not_followed_and_what_was_there_is_gone(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    with pytest.raises(OSError, match="symbolic links"):
        sketch(tmp_path / "link", 2, 1, b"abcd")
    (tmp_path / "old").write_bytes(b"x" * 100)
    assert sketch(tmp_path / "old", 1, 1, b"abcd") == b"a\0\0d"
