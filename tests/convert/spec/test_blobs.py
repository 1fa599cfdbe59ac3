from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

from sdcoreml.convert.spec.blobs import (
    BITS,
    DTYPES,
    Record,
    open_weights,
)
from sdcoreml.convert.spec.model import Blob, DataType
from sdcoreml.ground.errors import BadInputError
from tests.convert.spec.packages import Raw, weight_file

WHERE = "@model_path/weights/weight.bin"


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "weight.bin"
    path.write_bytes(content)
    return path


def two_records(tmp_path: Path) -> Path:
    return written(tmp_path, weight_file(Raw(1, b"\x00\x3c" * 40), Raw(3, b"\x07\x08\x09")))


def test_a_record_says_what_it_holds(tmp_path: Path) -> None:
    with open_weights(two_records(tmp_path)) as weights:
        record = weights.record(64)
        assert record == Record(offset=64, dtype=DataType.FLOAT16, nbytes=80, data_offset=128)
        assert record.count == 40
        assert bytes(weights.data(record)[:2]) == b"\x00\x3c"


def test_all_records_are_found_in_order(tmp_path: Path) -> None:
    with open_weights(two_records(tmp_path)) as weights:
        assert [(r.offset, r.dtype, r.count) for r in weights.records()] == [
            (64, DataType.FLOAT16, 40),
            (256, DataType.UINT8, 3),
        ]


def test_a_blob_is_read_without_a_copy(tmp_path: Path) -> None:
    with open_weights(two_records(tmp_path)) as weights:
        view = weights.read(Blob(path=WHERE, offset=256), DataType.UINT8)
        assert view.obj is weights.view.obj
    assert bytes(view) == b"\x07\x08\x09"  # the mapping lives as long as its views


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what is resident")
def test_pages_are_released_and_come_back(tmp_path: Path) -> None:
    path, resident = tmp_path / "weight.bin", 0
    path.write_bytes(weight_file(Raw(3, bytes(1 << 22))))
    with open_weights(path) as weights:
        (record,) = weights.records()
        for released in (False, True):
            assert sum(weights.data(record)) == 0
            if released:
                weights.release()
            before, resident = resident, _resident(path)
        assert before >= 1 << 22 > resident
        assert weights.record(record.offset) == record


def _resident(path: Path) -> int:
    """Return how many bytes of a mapped file are in this process's memory."""
    _, found, smaps = Path("/proc/self/smaps").read_text().partition(f"{path}\n")
    assert found
    return int(smaps.partition("Rss:")[2].split()[0]) * 1024


def test_elements_of_less_than_a_byte_are_counted_without_the_padding(tmp_path: Path) -> None:
    content = weight_file(Raw(8, b"\x21\x03", padding=4), Raw(1, b"ab", padding=4))
    with open_weights(written(tmp_path, content)) as weights:
        four_bit, half = weights.records()
        assert (four_bit.dtype, four_bit.count) == (DataType.INT4, 3)
        assert (half.count, half.padding_bits) == (1, 0)  # old writers leave garbage there


def test_every_type_has_a_width() -> None:
    assert set(DTYPES.values()) == set(BITS)


@pytest.mark.parametrize(
    ("blob", "dtype", "message"),
    [
        (Blob(path=WHERE, offset=64), DataType.UINT8, "is FLOAT16, not UINT8"),
        (Blob(path="weight.bin", offset=64), DataType.FLOAT16, "a different file, 'weight.bin'"),
        (Blob(path="@model_path/x.bin", offset=64), DataType.FLOAT16, "a different file"),
        (Blob(path=WHERE, offset=0), DataType.FLOAT16, "no record at offset 0 of"),
        (Blob(path=WHERE, offset=65), DataType.FLOAT16, "no record at offset 65 of"),
        (Blob(path=WHERE, offset=1 << 60), DataType.FLOAT16, "no record at offset"),
        (Blob(path=WHERE, offset=128), DataType.FLOAT16, "0x3c003c00 is not 0xdeadbeef"),
    ],
)
def test_wrong_references_are_refused(
    tmp_path: Path, blob: Blob, dtype: DataType, message: str
) -> None:
    with (
        open_weights(two_records(tmp_path)) as weights,
        pytest.raises(BadInputError, match=message),
    ):
        weights.read(blob, dtype)


@pytest.mark.parametrize(
    ("at", "content", "message"),
    [
        (68, struct.pack("<I", 99), "unknown element type 99"),
        (72, struct.pack("<Q", 1 << 40), "has 1099511627776 bytes at 128: misaligned"),
        (72, struct.pack("<Q", 79), "not hold a whole number of FLOAT16"),
        (80, struct.pack("<Q", 130), "has 80 bytes at 130: misaligned"),
    ],
)
def test_damaged_records_are_refused(tmp_path: Path, at: int, content: bytes, message: str) -> None:
    damaged = bytearray(two_records(tmp_path).read_bytes())
    damaged[at : at + len(content)] = content
    with (
        open_weights(written(tmp_path, bytes(damaged))) as weights,
        pytest.raises(BadInputError, match=message),
    ):
        weights.record(64)


def test_records_that_lead_in_a_circle_are_refused(tmp_path: Path) -> None:
    content = bytearray(weight_file(Raw(1, b"")))
    content[:4] = struct.pack("<I", 0xFFFFFFFF)
    content[80:88] = struct.pack("<Q", 64)
    with (
        open_weights(written(tmp_path, bytes(content))) as weights,
        pytest.raises(BadInputError, match="the record at offset 64 lies before it"),
    ):
        list(weights.records())


def test_fewer_records_than_the_header_says_are_refused(tmp_path: Path) -> None:
    content = bytearray(two_records(tmp_path).read_bytes())
    content[:4] = struct.pack("<I", 3)
    with (
        open_weights(written(tmp_path, bytes(content))) as weights,
        pytest.raises(BadInputError, match="no record at offset 384 of 384 bytes"),
    ):
        list(weights.records())


@pytest.mark.parametrize("content", [b"", b"not one", bytes(64)])
def test_what_is_no_weight_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with (
        pytest.raises(BadInputError, match=r"weight\.bin: not a weight file of version 2"),
        open_weights(written(tmp_path, content)),
    ):
        pass


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(BadInputError, match=r"gone\.bin: no such file"),
        open_weights(tmp_path / "gone.bin"),
    ):
        pass
