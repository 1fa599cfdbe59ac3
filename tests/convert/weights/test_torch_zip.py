from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from sdcoreml.convert.weights import torch_zip
from sdcoreml.convert.weights.records import StorageRecord, TensorRecord, Trust
from sdcoreml.convert.weights.torch_zip import read_zip
from sdcoreml.ground.errors import BadInputError, UnsafePickleError
from tests.convert.weights.torch_files import (
    are_at,
    call,
    finished,
    group,
    integer,
    mapping,
    name,
    storage,
    tensor,
    text,
    write_members,
    write_zip,
)

ARRAYS = {"w": np.arange(6, dtype="f4"), "b": np.arange(3, dtype="i8")}
PICKLED = finished(mapping({"w": tensor(storage("0", "float32", 2), [2])}))


def members(tmp_path: Path, found: Mapping[str, bytes]) -> Path:
    return write_members(tmp_path / "m.bin", found)


def test_tensors_are_described_and_their_bytes_found(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "m.bin", ARRAYS)
    contents = read_zip(path, Trust.STRICT)
    assert contents.root == {
        "w": TensorRecord(StorageRecord("0", "F32", 6), "F32", (6,), (1,), 0),
        "b": TensorRecord(StorageRecord("1", "I64", 3), "I64", (3,), (1,), 0),
    }
    assert all(start % 64 == 0 for start in contents.starts.values())
    assert are_at(path, contents.starts, ARRAYS)
    assert contents.unknown == ()


def test_what_was_read_is_listed_for_its_checksums(tmp_path: Path) -> None:
    contents = read_zip(write_zip(tmp_path / "m.bin", ARRAYS), Trust.STRICT)
    sizes = [member.nbytes for member in contents.members]
    assert sizes[1:] == [24, 24]
    assert len(contents.members) == 3, "the description and each storage, not the version"


@pytest.mark.parametrize("folder", ["archive/", "any name/", ""])
def test_the_folder_inside_may_have_any_name(tmp_path: Path, folder: str) -> None:
    path = members(tmp_path, {f"{folder}data.pkl": PICKLED, f"{folder}data/0": bytes(8)})
    assert list(read_zip(path, Trust.STRICT).starts) == ["0"]


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ({"a/data.pkl": b"N.", "a/constants.pkl": b"N."}, "TorchScript program, not a checkpoint"),
        (
            {"model/unet.bin": b"N."},
            r"without PyTorch's data\.pkl \(first member: 'model/unet\.bin'",
        ),
        ({"a/data.pkl": b"N.", "b/data.pkl": b"N."}, "a zip file without PyTorch's data"),
        ({"a/b/data.pkl": b"N."}, "a zip file without PyTorch's data"),
        ({"a/xdata.pkl": b"N."}, "a zip file without PyTorch's data"),
        (
            {"a/data.pkl": finished(b"}"), "a/byteorder": b"big"},
            "big-endian numbers; save it again",
        ),
        ({"a/data.pkl": PICKLED}, "storage '0' has no bytes in the file"),
        ({"a/data.pkl": PICKLED, "b/data/0": bytes(8)}, "storage '0' has no bytes in the file"),
        ({"a/data.pkl": PICKLED, "a/data/0": bytes(7)}, "storage '0' needs 8 bytes and has 7"),
        ({"a/data.pkl": b"\x80\x02}"}, r"data\.pkl: .*exhausted.*; download the file again"),
    ],
)
def test_what_is_no_whole_checkpoint_is_told(
    tmp_path: Path, found: Mapping[str, bytes], why: str
) -> None:
    path = members(tmp_path, found)
    with pytest.raises(BadInputError, match=why) as caught:
        read_zip(path, Trust.INERT)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_packed_model_folder_is_to_be_unpacked(tmp_path: Path, method: int) -> None:
    path = tmp_path / "dream.zip"
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("dream/model_index.json", "{}" * 99)
    with pytest.raises(BadInputError, match=r"a zip file .*'dream/model_index.json'\); unpack it,"):
        read_zip(path, Trust.INERT)


def test_a_packed_checkpoint_is_no_packed_folder(tmp_path: Path) -> None:
    path = tmp_path / "dream.ckpt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a/data.pkl", PICKLED * 99)
    with pytest.raises(BadInputError, match="is compressed"):
        read_zip(path, Trust.INERT)


def test_little_endian_is_what_everybody_has(tmp_path: Path) -> None:
    found = {"a/data.pkl": PICKLED, "a/byteorder": b"little", "a/data/0": bytes(8)}
    assert list(read_zip(members(tmp_path, found), Trust.STRICT).starts) == ["0"]


def test_a_storage_may_be_longer_than_its_tensors(tmp_path: Path) -> None:
    found = {"a/data.pkl": PICKLED, "a/data/0": bytes(9)}
    assert list(read_zip(members(tmp_path, found), Trust.STRICT).starts) == ["0"]


def repacked(path: Path, nbytes: int) -> Path:
    pickled = finished(mapping({"w": tensor(storage("0", "float32", nbytes // 4), [nbytes // 4])}))
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/data.pkl", pickled)
        file.writestr("a/data/0", bytes(nbytes))
    return path


def test_a_repacked_file_is_refused(tmp_path: Path) -> None:
    path = repacked(tmp_path / "m.bin", 8)
    with pytest.raises(BadInputError, match="not a multiple of 64: the file was repacked"):
        read_zip(path, Trust.STRICT)


def test_a_storage_without_bytes_lies_anywhere(tmp_path: Path) -> None:
    assert list(read_zip(repacked(tmp_path / "m.bin", 0), Trust.STRICT).starts) == ["0"]


def test_a_description_is_no_longer_than_a_state_dict_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = members(tmp_path, {"a/data.pkl": PICKLED, "a/data/0": bytes(8)})
    monkeypatch.setattr(torch_zip, "MAX_BYTES", len(PICKLED))
    assert read_zip(path, Trust.STRICT).root
    monkeypatch.setattr(torch_zip, "MAX_BYTES", len(PICKLED) - 1)
    with pytest.raises(BadInputError, match=r"over the limit of .*save only the state dict"):
        read_zip(path, Trust.STRICT)


def test_unknown_names_are_counted_in_their_order(tmp_path: Path) -> None:
    odd = [call(name("lightning", kind)) for kind in ("B", "A", "B")]
    pickled = finished(mapping({str(n): one for n, one in enumerate(odd)}))
    path = members(tmp_path, {"a/data.pkl": pickled})
    assert read_zip(path, Trust.INERT).unknown == ("lightning.A (1)", "lightning.B (2)")
    with pytest.raises(UnsafePickleError, match=r"lightning\.B"):
        read_zip(path, Trust.STRICT)


def test_bytes_without_a_type_are_measured_as_bytes(tmp_path: Path) -> None:
    kind = name("torch.storage", "UntypedStorage")
    on = group(text("storage"), kind, text("0"), text("cpu"), integer(6)) + b"Q"
    arguments = (on, integer(0), group(integer(3)), group(integer(1)), b"\x89", b"}")
    typed = call(name("torch._utils", "_rebuild_tensor_v3"), *arguments, name("torch", "bfloat16"))
    pickled = finished(mapping({"w": typed}))
    whole = members(tmp_path, {"a/data.pkl": pickled, "a/data/0": bytes(6)})
    assert list(read_zip(whole, Trust.STRICT).starts) == ["0"]
    short = members(tmp_path, {"a/data.pkl": pickled, "a/data/0": bytes(5)})
    with pytest.raises(BadInputError, match="needs 6 bytes and has 5"):
        read_zip(short, Trust.STRICT)


def test_a_key_that_is_a_number_is_a_member_s_name(tmp_path: Path) -> None:
    kind = name("torch", "FloatStorage")
    on = group(text("storage"), kind, b"J" + struct.pack("<i", 0), text("cpu"), integer(2)) + b"Q"
    pickled = finished(mapping({"w": tensor(on, [2])}))
    path = members(tmp_path, {"a/data.pkl": pickled, "a/data/0": bytes(8)})
    assert list(read_zip(path, Trust.STRICT).starts) == ["0"]
