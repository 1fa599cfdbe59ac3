from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from sdcoreml.convert.weights import torch_legacy
from sdcoreml.convert.weights.records import StorageRecord, TensorRecord, Trust
from sdcoreml.convert.weights.torch_legacy import (
    MAGIC,
    MAGIC_BYTES,
    PROTOCOL,
    read_legacy,
)
from sdcoreml.ground.errors import BadInputError, UnsafePickleError
from tests.convert.weights.torch_files import (
    are_at,
    call,
    finished,
    integer,
    mapping,
    name,
    state_dict,
    text,
    write_legacy,
)

ARRAYS = {"w": np.arange(6, dtype="f4"), "b": np.arange(3, dtype="i8")}
ONE = {"w": np.arange(2, dtype="f4")}
PICKLED = state_dict(ONE)


def listed(*keys: str) -> bytes:
    return finished(b"](" + b"".join(text(key) for key in keys) + b"e")


BIG_ENDIAN = finished(mapping({"little_endian": b"\x89"}))
PARTS = {
    "magic": MAGIC_BYTES,
    "protocol": finished(integer(PROTOCOL)),
    "system": finished(b"}"),
    "root": PICKLED,
    "keys": listed("0"),
    "data": struct.pack("<q", 2) + bytes(8),
}


def legacy(path: Path, **parts: bytes) -> Path:
    """Return a PyTorch file of the legacy format with one tensor, some of its parts replaced."""
    path.write_bytes(b"".join({**PARTS, **parts}.values()))
    return path


def test_the_magic_number_is_what_its_pickle_says() -> None:
    assert int.from_bytes(MAGIC_BYTES[4:-1], "little") == MAGIC
    assert (MAGIC_BYTES[:4], MAGIC_BYTES[-1:]) == (b"\x80\x02\x8a\x0a", b".")


def test_tensors_are_described_and_their_bytes_found(tmp_path: Path) -> None:
    path = write_legacy(tmp_path / "m.bin", ARRAYS)
    contents = read_legacy(path, Trust.STRICT)
    assert contents.root == {
        "w": TensorRecord(StorageRecord("0", "F32", 6), "F32", (6,), (1,), 0),
        "b": TensorRecord(StorageRecord("1", "I64", 3), "I64", (3,), (1,), 0),
    }
    assert are_at(path, contents.starts, ARRAYS)
    assert (contents.unknown, contents.members) == ((), ())


def test_storages_lie_in_the_order_of_their_list(tmp_path: Path) -> None:
    data = struct.pack("<q", 3) + ARRAYS["b"].tobytes() + struct.pack("<q", 6)
    path = legacy(
        tmp_path / "m.bin",
        root=state_dict(ARRAYS),
        keys=listed("1", "0"),
        data=data + ARRAYS["w"].tobytes(),
    )
    starts = read_legacy(path, Trust.STRICT).starts
    assert list(starts) == ["1", "0"]
    assert path.read_bytes()[starts["0"] :] == ARRAYS["w"].tobytes()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"protocol": finished(integer(1002))},
            "not a PyTorch file of a known version; save it again",
        ),
        ({"magic": finished(integer(7))}, "not a PyTorch file of a known version"),
        ({"keys": finished(b"}")}, "not a PyTorch file of a known version"),
        (
            {"system": finished(mapping({"little_endian": b"\x89"}))},
            "big-endian numbers; save it again",
        ),
        ({"keys": listed("9")}, "storage '9' is not in the pickle"),
        ({"keys": listed()}, "storage '0' has no bytes in the file"),
        ({"data": struct.pack("<q", 3) + bytes(12)}, "'0' has 3 elements, the pickle says 2"),
        ({"data": struct.pack("<q", 1) + bytes(4)}, "'0' has 1 elements, the pickle says 2"),
        ({"data": struct.pack("<q", -2)}, "'0' has -2 elements, the pickle says 2"),
        ({"data": b"1234567"}, "truncated before storage '0'"),
        ({"data": struct.pack("<q", 2) + bytes(7)}, "truncated: storage '0' ends at byte"),
        ({"magic": b"\xff"}, "magic number: .*; download the file again"),
        ({"root": b"\x80\x02h\x05."}, "object: .*; download the file again"),
    ],
)
def test_a_file_that_lies_is_told(tmp_path: Path, changes: dict[str, bytes], why: str) -> None:
    path = legacy(tmp_path / "m.bin", **changes)
    with pytest.raises(BadInputError, match=why) as caught:
        read_legacy(path, Trust.STRICT)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_machine_that_says_nothing_of_itself_is_a_common_one(tmp_path: Path) -> None:
    for system in (b"}", b"N", mapping({"little_endian": b"\x88"})):
        assert read_legacy(legacy(tmp_path / "m.bin", system=finished(system)), Trust.STRICT).starts


def test_the_last_byte_of_the_last_storage_is_the_file_s_last(tmp_path: Path) -> None:
    path = legacy(tmp_path / "m.bin")
    start = read_legacy(path, Trust.STRICT).starts["0"]
    assert start + 8 == path.stat().st_size


def test_a_payload_in_any_of_the_pickles_is_refused(tmp_path: Path) -> None:
    evil = call(name("os", "system"), text("touch evil"))
    for changes in (
        {"magic": finished(evil)},
        {"system": finished(evil)},
        {"root": finished(evil)},
        {"keys": finished(evil)},
    ):
        path = legacy(tmp_path / "m.bin", **changes)
        with pytest.raises(UnsafePickleError, match=r"'os\.system', which can run code"):
            read_legacy(path, Trust.INERT)


def test_unknown_names_are_counted(tmp_path: Path) -> None:
    root = finished(mapping({"a": call(name("lightning", "A"))}))
    path = legacy(tmp_path / "m.ckpt", root=root, keys=listed(), data=b"")
    assert read_legacy(path, Trust.INERT).unknown == ("lightning.A (1)",)


def test_a_pickle_of_old_text_lines_is_read(tmp_path: Path) -> None:
    # Protocol 0 has strings to the end of a line, which the window has to find.
    root = b"(dVw\nV" + b"x" * 100 + b"\ns."
    path = legacy(tmp_path / "m.bin", root=root, keys=listed(), data=b"")
    assert read_legacy(path, Trust.STRICT).root == {"w": "x" * 100}


def test_each_pickle_may_take_so_much_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = legacy(tmp_path / "m.bin")
    monkeypatch.setattr(torch_legacy, "MAX_BYTES", len(PICKLED))
    assert read_legacy(path, Trust.STRICT).starts
    monkeypatch.setattr(torch_legacy, "MAX_BYTES", len(PICKLED) - 1)
    with pytest.raises(BadInputError, match=r"object: .*exhausted"):
        read_legacy(path, Trust.STRICT)


def test_a_line_that_never_ends_is_read_no_further_than_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_legacy, "MAX_BYTES", 200)
    path = legacy(tmp_path / "m.bin", root=b"V" + b"x" * 400 + b"\n.")
    with pytest.raises(BadInputError, match="object: "):
        read_legacy(path, Trust.STRICT)
