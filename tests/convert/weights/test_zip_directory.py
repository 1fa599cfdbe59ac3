from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdcoreml.convert.weights import zip_directory
from sdcoreml.convert.weights.zip_directory import read_members
from sdcoreml.ground.errors import BadInputError
from tests.convert.weights.torch_files import write_members


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_members(tmp_path / "a.zip", {"r/data.pkl": b"N.", "r/data/0": b"12345678"})


def test_members_are_where_they_say(archive: Path) -> None:
    members = read_members(archive)
    member = members["r/data/0"]
    data = archive.read_bytes()
    assert list(members) == ["r/data.pkl", "r/data/0"]
    assert data[member.start : member.start + member.nbytes] == b"12345678"
    assert member.start % 64 == 0
    with zipfile.ZipFile(archive) as reference:
        assert member.crc == reference.getinfo("r/data/0").CRC


def test_zip64_sizes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file, file.open("big", "w", force_zip64=True) as member:
        member.write(b"abc")
    data = bytearray(path.read_bytes())
    # Move the sizes of the directory entry into a zip64 field, as for a member above 4 GiB.
    at = data.index(b"PK\x01\x02")
    entry = bytearray(data[at : data.index(b"PK\x05\x06")])
    entry[20:28] = b"\xff" * 8
    extra = struct.pack("<2H2Q", 1, 16, 3, 3)
    entry[30:32] = struct.pack("<H", len(extra))
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, len(entry) + len(extra), at, 0)
    path.write_bytes(bytes(data[:at]) + bytes(entry) + extra + end)
    assert read_members(path)["big"].nbytes == 3


def test_the_zip64_end_record_is_followed(tmp_path: Path) -> None:
    path = write_members(tmp_path / "a.zip", {"x": b"abc"})
    data = path.read_bytes()
    at, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    record = struct.pack(
        "<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, end - at, at
    ) + struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    hidden = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(data[:end] + record + hidden)
    assert read_members(path)["x"].nbytes == 3


@pytest.mark.parametrize(
    ("find", "offset", "value", "why"),
    [
        (b"PK\x01\x02", 8, b"\x01\x00", "encrypted"),
        (b"PK\x01\x02", 10, b"\x08\x00", "compressed, which PyTorch never does"),
        (b"PK\x01\x02", 24, b"\x09\x00\x00\x00", "two sizes"),
        (b"PK\x01\x02", 0, b"XX", "damaged zip file"),
        (b"PK\x03\x04", 8, b"\x08\x00", "a local header that differs"),
        (b"PK\x03\x04", 30, b"X", "a local header that differs"),
        (b"PK\x03\x04", 6, b"\x01\x00", "a local header that differs"),
        (b"PK\x05\x06", 12, b"\xff\xff\xff\x7f", "damaged zip file"),
        (b"PK\x01\x02", 42, b"\xf0\xff\x00\x00", r"it points to byte 65,520"),
        (b"PK\x05\x06", 16, b"\xff\xff\x00\x00", "it points to byte -"),
    ],
)
def test_a_lie_in_the_directory_is_told(
    archive: Path, find: bytes, offset: int, value: bytes, why: str
) -> None:
    data = bytearray(archive.read_bytes())
    at = data.index(find) + offset
    data[at : at + len(value)] = value
    archive.write_bytes(data)
    with pytest.raises(BadInputError, match=why):
        read_members(archive)


@pytest.mark.parametrize("offset", [1 << 63, (1 << 64) - 1, 1 << 40])
def test_an_offset_beyond_the_file_is_told(archive: Path, offset: int) -> None:
    data = archive.read_bytes()
    end = data.index(b"PK\x05\x06")
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, offset, 1)
    archive.write_bytes(data[:end] + locator + data[end:])
    with pytest.raises(BadInputError, match="damaged zip file"):
        read_members(archive)


def test_a_member_offset_of_64_bits_beyond_the_file_is_told(tmp_path: Path) -> None:
    path = write_members(tmp_path / "a.zip", {"x": b"abc"})
    data = path.read_bytes()
    at = data.index(b"PK\x01\x02")
    extra = struct.pack("<2HQ", 1, 8, (1 << 64) - 1)
    entry = data[at : at + 30] + struct.pack("<H", len(extra)) + data[at + 32 : at + 42]
    path.write_bytes(data[:at] + directory(entry + b"\xff" * 4 + b"x" + extra, 1, at))
    with pytest.raises(BadInputError, match="points to byte 18,446,744,073,709,551,615"):
        read_members(path)


def test_a_really_compressed_file_is_refused(tmp_path: Path) -> None:
    members = {"r/data.pkl": b"N" * 1000}
    path = write_members(tmp_path / "a.zip", members, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(BadInputError, match="compressed"):
        read_members(path)


def test_duplicates_and_overlaps_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("same", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("same", b"2")
    with pytest.raises(BadInputError, match="'same' is listed twice"):
        read_members(path)
    write_members(path, {"aa": b"1" * 64, "ab": b"2" * 64})
    data = bytearray(path.read_bytes())
    first = data.index(b"PK\x01\x02")
    data[first + 20 : first + 28] = struct.pack("<2I", 120, 120)
    path.write_bytes(data)
    with pytest.raises(BadInputError, match="'aa' and 'ab' overlap"):
        read_members(path)


@pytest.mark.parametrize("keep", [0, 10, 100, -1, -30])
def test_a_truncated_file_is_refused(archive: Path, keep: int) -> None:
    archive.write_bytes(archive.read_bytes()[:keep])
    with pytest.raises(BadInputError, match="download the file again"):
        read_members(archive)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 400), value=st.binary(min_size=1, max_size=8))
def test_any_damage_is_refused_or_harmless(archive: Path, at: int, value: bytes) -> None:
    data = bytearray(archive.read_bytes())
    data[at : at + len(value)] = value
    damaged = archive.with_name("damaged.zip")
    damaged.write_bytes(data)
    try:
        members = read_members(damaged)
    except BadInputError:
        return
    assert all(0 <= m.start <= m.start + m.nbytes <= len(data) for m in members.values())


def directory(entries: bytes, count: int, at: int) -> bytes:
    """Return the bytes of a zip file's central directory and end record."""
    return entries + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, len(entries), at, 0)


def test_a_member_may_not_reach_into_the_directory(tmp_path: Path) -> None:
    path = write_members(tmp_path / "a.zip", {"x": b"12345678"})
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 20 : at + 28] = struct.pack("<2I", 9, 9)
    path.write_bytes(data)
    with pytest.raises(BadInputError) as caught:
        read_members(path)
    assert str(caught.value) == (
        f"{path}: zip member 'x' ends behind the data (the file has {len(data):,} bytes); "
        "download the file again"
    )


def test_other_fields_before_the_wide_sizes_are_passed_over(tmp_path: Path) -> None:
    path = write_members(tmp_path / "a.zip", {"x": b"abc"})
    data = path.read_bytes()
    at, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    entry = bytearray(data[at:end])
    name_length, old_extra = struct.unpack_from("<2H", entry, 28)
    entry[20:28] = b"\xff" * 8
    extra = struct.pack("<2H3s", 0x5455, 3, b"abc") + struct.pack("<2H2Q", 1, 16, 3, 3)
    entry[30:32] = struct.pack("<H", len(extra))
    body = bytes(entry[: 46 + name_length]) + extra + bytes(entry[46 + name_length + old_extra :])
    path.write_bytes(data[:at] + directory(body, 1, at))
    assert read_members(path)["x"].nbytes == 3


def test_a_comment_at_the_end_is_no_damage(archive: Path) -> None:
    data = archive.read_bytes()
    archive.write_bytes(data[:-2] + struct.pack("<H", 5) + b"hello")
    assert list(read_members(archive)) == ["r/data.pkl", "r/data/0"]


def test_a_file_without_members_is_an_empty_directory(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(directory(b"", 0, 0))
    assert read_members(path) == {}


def test_a_name_that_is_no_utf8_is_told(tmp_path: Path) -> None:
    path = write_members(tmp_path / "a.zip", {"caf\xe9/data.pkl": b"N."})
    assert list(read_members(path)) == ["caf\xe9/data.pkl"]
    path.write_bytes(path.read_bytes().replace("caf\xe9".encode(), b"caf\xc3\xff"))
    with pytest.raises(BadInputError, match=r"damaged zip file \('utf-8' codec"):
        read_members(path)


def test_a_name_with_a_zero_in_it_is_kept_whole(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes().replace(b"r/data/0", b"r/da\0a/0"))
    assert list(read_members(archive)) == ["r/data.pkl", "r/da\0a/0"]


def test_nothing_may_stand_before_the_first_member(archive: Path) -> None:
    archive.write_bytes(b"#!/bin/sh" + archive.read_bytes())
    with pytest.raises(BadInputError, match="it does not begin with a member"):
        read_members(archive)


def test_the_longest_directory_is_read(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = archive.read_bytes()
    length = data.index(b"PK\x05\x06") - data.index(b"PK\x01\x02")
    monkeypatch.setattr(zip_directory, "MAX_DIRECTORY", length)
    assert len(read_members(archive)) == 2
    monkeypatch.setattr(zip_directory, "MAX_DIRECTORY", length - 1)
    with pytest.raises(BadInputError, match=f"a zip directory of {length} bytes, over the limit"):
        read_members(archive)
