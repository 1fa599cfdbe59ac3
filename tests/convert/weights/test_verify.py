from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sdcoreml.convert.weights.source import open_checkpoint
from sdcoreml.convert.weights.verify import check_members, check_written, sha256_of
from sdcoreml.convert.weights.writer import WriteOptions, Written, write_safetensors
from sdcoreml.ground.errors import BadInputError, SdcoremlError
from sdcoreml.ground.events import Event
from tests.convert.weights.torch_files import write_legacy, write_zip

ARRAYS = {"a": np.arange(100, dtype="f4"), "b": np.arange(3)}


def test_sound_members_are_counted(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "m.bin", ARRAYS)
    events: list[Event] = []
    read = check_members(open_checkpoint(path), events.append)
    assert read > 424
    assert (events[-1].done, events[-1].total) == (read, read)


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "m.bin", ARRAYS)
    checkpoint = open_checkpoint(path)
    data = bytearray(path.read_bytes())
    data[checkpoint.tensors[0].start + 7] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadInputError, match=r"'archive/data/0' is damaged \(its CRC-32 is not"):
        check_members(open_checkpoint(path))


def test_a_legacy_file_has_nothing_to_check(tmp_path: Path) -> None:
    assert check_members(open_checkpoint(write_legacy(tmp_path / "m.bin", ARRAYS))) == 0


@pytest.fixture
def written(tmp_path: Path) -> Written:
    checkpoint = open_checkpoint(write_zip(tmp_path / "m.bin", ARRAYS))
    options = WriteOptions(digest=True)
    return write_safetensors(checkpoint.tensors, tmp_path / "out.safetensors", options)


def test_what_was_written_is_read_back(written: Written) -> None:
    check_written(written)
    data = bytearray(written.path.read_bytes())
    data[-1] ^= 1
    written.path.write_bytes(data)
    with pytest.raises(SdcoremlError, match="the bytes read back differ from those written"):
        check_written(written)


def test_without_a_digest_there_is_nothing_to_compare(written: Written) -> None:
    with pytest.raises(ValueError, match="without a digest"):
        check_written(replace(written, sha256=None))


def test_damage_says_where_and_what_to_do(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "m.bin", ARRAYS)
    checkpoint = open_checkpoint(path)
    (crc,) = (m.crc for m in checkpoint.members[path] if m.name.endswith("data/1"))
    data = bytearray(path.read_bytes())
    data[next(t.start for t in checkpoint.tensors if t.name == "b")] ^= 128
    path.write_bytes(data)
    with pytest.raises(BadInputError) as caught:
        check_members(checkpoint)
    assert str(caught.value) == (
        f"{path}: 'archive/data/1' is damaged (its CRC-32 is not {crc:08x}); "
        "download the file again"
    )


def test_a_file_that_shrinks_under_the_reader_is_told(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "m.bin", ARRAYS)
    checkpoint = open_checkpoint(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(BadInputError, match=r"m\.bin: the file ended while it was read; try again"):
        check_members(checkpoint)


def test_progress_names_the_file_and_ends_with_the_last_byte(tmp_path: Path) -> None:
    events: list[Event] = []
    read = check_members(open_checkpoint(write_zip(tmp_path / "m.bin", ARRAYS)), events.append)
    assert {(event.kind, event.text, event.unit, event.total) for event in events} == {
        ("progress", "m.bin", "B", read)
    }
    done = [event.done for event in events]
    assert done == sorted(done)
    assert done[-1] == read


def test_a_digest_is_of_every_byte(tmp_path: Path) -> None:
    for content in (b"", b"a", bytes(range(256)) * 20_000):
        (tmp_path / "x").write_bytes(content)
        assert sha256_of(tmp_path / "x") == hashlib.sha256(content).hexdigest()
