from __future__ import annotations

import hashlib
import io
import pickletools
import struct
import zipfile
from pathlib import Path

import pytest

from sdcoreml.convert.weights.records import Trust
from sdcoreml.convert.weights.torch_writer import FloatTensor, write_torch
from sdcoreml.convert.weights.torch_zip import PickledTensors, read_zip

TENSORS = {
    "a.weight": FloatTensor((2, 3), struct.pack("<6f", 0, 1, 2, 3, 4, 5.5)),
    "a.bias": FloatTensor((1,), struct.pack("<f", -1)),
    "ünd": FloatTensor((), struct.pack("<f", 7)),
}
OF_TORCH = {
    *("PROTO", "EMPTY_DICT", "MARK", "BINUNICODE", "GLOBAL", "BININT", "TUPLE", "BINPERSID"),
    *("NEWFALSE", "REDUCE", "SETITEMS", "STOP"),
}
"""The opcodes that the restricted loader of PyTorch 2.2 (`weights_only=True`) accepts."""


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "shard-1.bin"
    write_torch(path, TENSORS)
    return path


def test_what_is_written_is_read_back(written: Path) -> None:
    found: PickledTensors = read_zip(written, Trust.STRICT)
    assert isinstance(found.root, dict)
    data = written.read_bytes()
    for number, (name, tensor) in enumerate(TENSORS.items()):
        record = found.root[name]
        assert (record.shape, record.dtype, record.offset) == (tensor.shape, "F32", 0)
        start = found.starts[str(number)]
        assert start % 64 == 0
        assert data[start:].startswith(tensor.data)
    assert found.root["a.weight"].stride == (3, 1)


def test_it_names_and_does_no_more_than_a_state_dict_of_torch(written: Path) -> None:
    with zipfile.ZipFile(written) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            *("shard-1/data.pkl", "shard-1/byteorder"),
            *("shard-1/data/0", "shard-1/data/1", "shard-1/data/2", "shard-1/version"),
        ]
        pickled = archive.read("shard-1/data.pkl")
    codes = [(code.name, argument) for code, argument, _ in pickletools.genops(io.BytesIO(pickled))]
    assert {name for name, _ in codes} == OF_TORCH
    assert {argument for name, argument in codes if name == "GLOBAL"} == {
        *("torch._utils _rebuild_tensor_v2", "torch FloatStorage", "collections OrderedDict"),
    }


def test_equal_tensors_give_equal_bytes(written: Path) -> None:
    assert hashlib.sha256(written.read_bytes()).hexdigest() == (
        "3b3229992b4fd3fd95d109d94027f4fdbcf8d85a2f2b073f1c8dadce7ad194f7"
    )
