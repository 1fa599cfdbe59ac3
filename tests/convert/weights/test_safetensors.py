from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from sdcoreml.convert.weights.header import build
from sdcoreml.convert.weights.safetensors import TensorFile, read_header
from sdcoreml.ground.errors import BadInputError

ARRAYS = {
    "w": np.arange(6, dtype="f4").reshape(2, 3),
    "ids": np.arange(4),
    "s": np.array(2.0, "f2"),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "m.safetensors"
    safetensors.numpy.save_file(ARRAYS, target, metadata={"format": "pt"})
    return target


def test_arrays_are_views_of_the_file(path: Path) -> None:
    with TensorFile.open(path) as tensors:
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(tensors[name], array)
            assert tensors[name].dtype == array.dtype
        assert not tensors["w"].flags.writeable
        assert not tensors["w"].flags.owndata
        assert (len(tensors), "w" in tensors, "x" in tensors) == (3, True, False)
        assert tensors.metadata == {"format": "pt"}
        assert tensors.nbytes == 24 + 32 + 2


def test_names_are_those_of_the_file_in_its_order(path: Path) -> None:
    with TensorFile.open(path) as tensors:
        assert tensors.names() == ("ids", "w", "s")
        with pytest.raises(KeyError):
            tensors["x"]


def test_views_outlive_the_file_and_a_release(path: Path) -> None:
    with TensorFile.open(path) as tensors:
        kept = tensors["w"]
        tensors.release()
    np.testing.assert_array_equal(kept, ARRAYS["w"])


def test_bfloat16_is_widened_and_small_floats_stay_bytes(tmp_path: Path) -> None:
    path = tmp_path / "b.safetensors"
    data, _ = build([("b", "BF16", (3,)), ("e", "F8_E4M3", (2,))])
    path.write_bytes(data + np.array([0x3F80, 0xC000, 0x7F80], "<u2").tobytes() + b"\x01\x02")
    with TensorFile.open(path) as tensors:
        assert tensors["b"].tolist() == [1.0, -2.0, float("inf")]
        assert tensors["b"].dtype == np.float32
        assert tensors["e"].tolist() == [1, 2]
        assert tensors.info("b").dtype == "BF16"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda data: data[:4], "truncated: a safetensors file starts with 8 bytes"),
        (lambda data: data[:40], "truncated: the header ends at byte"),
        (lambda data: data[:-5], "truncated: 5 of .* bytes are missing"),
        (lambda data: data + b"xx", "2 bytes follow the last tensor"),
        (lambda data: struct.pack("<Q", 1 << 50) + data[8:], "a header of .* over the limit"),
    ],
)
def test_a_file_that_does_not_fit_its_header_is_refused(
    path: Path, change: object, why: str
) -> None:
    path.write_bytes(change(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(BadInputError, match=f"{path}: {why}.*; download the file again"):
        read_header(path)
