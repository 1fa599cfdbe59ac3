from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from sdcoreml.convert.weights.dtypes import SIZES
from sdcoreml.convert.weights.safetensors import read_header, tensors_of
from sdcoreml.convert.weights.scan import scan_file
from sdcoreml.convert.weights.tensor import TensorInfo
from sdcoreml.ground.errors import BadInputError
from tests.odd.base import safetensors


def written(path: Path, **tensors: np.ndarray) -> tuple[Path, tuple[TensorInfo, ...]]:
    path.write_bytes(safetensors(tensors))
    return path, tensors_of(path, read_header(path))


def stored(path: Path, dtype: str, bits: list[int]) -> tuple[Path, tuple[TensorInfo, ...]]:
    path.write_bytes(np.array(bits, f"<u{SIZES[dtype]}").tobytes())
    return path, (TensorInfo(name="w", dtype=dtype, shape=(len(bits),), path=path, start=0),)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8"])
def test_the_record_of_a_sound_file_is_that_of_its_bytes(tmp_path: Path, dtype: str) -> None:
    largest = np.finfo(dtype).max
    numbers = np.array([0, -0.0, largest, -largest, np.finfo(dtype).tiny], dtype)
    path, tensors = written(tmp_path / "w", a=numbers, b=np.ones(700_000, dtype))
    record = scan_file(path, tensors)
    assert record.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record.size == path.stat().st_size


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8"])
@pytest.mark.parametrize(
    ("value", "said"), [(np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite")]
)
def test_what_is_no_number_is_found_and_its_tensor_named(
    tmp_path: Path, dtype: str, value: float, said: str
) -> None:
    spoilt = np.ones(600_000, dtype)
    spoilt[-1] = value
    path, tensors = written(tmp_path / "w", a=np.ones(3, dtype), b=spoilt)
    with pytest.raises(BadInputError, match=f"tensor b holds .*{said}") as caught:
        scan_file(path, tensors)
    assert caught.value.where == str(path)


@pytest.mark.parametrize(
    ("dtype", "largest", "spoilt"),
    [
        ("F8_E4M3", 0xFE, 0xFF),
        ("F8_E4M3", 0x7E, 0x7F),
        ("F8_E5M2", 0x7B, 0x7C),
        ("F8_E5M2", 0xFB, 0xFE),
        ("BF16", 0x7F7F, 0x7FC0),
        ("BF16", 0xFF7F, 0xFF80),
    ],
)
def test_types_that_numpy_has_not(tmp_path: Path, dtype: str, largest: int, spoilt: int) -> None:
    assert scan_file(*stored(tmp_path / "a", dtype, [0, largest])).size
    with pytest.raises(BadInputError, match="tensor w"):
        scan_file(*stored(tmp_path / "b", dtype, [0, spoilt]))


@pytest.mark.parametrize(
    ("dtype", "largest", "beyond"),
    [
        ("F32", 0xC77FE000, 0x47800000),
        ("BF16", 0x477F, 0xC780),
        ("F64", 0x40EFFC0000000000, 0x40EFFC0000000001),
    ],
)
def test_what_becomes_float16_must_not_be_too_large(
    tmp_path: Path, dtype: str, largest: int, beyond: int
) -> None:
    assert scan_file(*stored(tmp_path / "a", dtype, [0, largest]), half={"w"}).size
    path, tensors = stored(tmp_path / "b", dtype, [0, beyond])
    assert scan_file(path, tensors).size
    with pytest.raises(BadInputError, match="the tensor w holds a number beyond 65504"):
        scan_file(path, tensors, half={"w"})


def test_only_the_tensors_that_are_asked_for_have_to_be_numbers(tmp_path: Path) -> None:
    path, tensors = written(tmp_path / "w", a=np.full(9, np.nan, "f2"), b=np.ones(9, "f2"))
    assert scan_file(path, [tensor for tensor in tensors if tensor.name == "b"]).size


def test_a_file_that_is_cut_off_while_it_is_read_is_said(tmp_path: Path) -> None:
    path, tensors = written(tmp_path / "w", a=np.ones(9, "f2"), b=np.ones(9, "f2"))
    with pytest.raises(BadInputError, match="w: the file ended early; download the file again"):
        scan_file(path, tensors, emit=lambda _: os.truncate(path, 9))


def test_tensors_that_share_their_bytes_are_read_once(tmp_path: Path) -> None:
    path, tensors = written(tmp_path / "w", a=np.ones(9, "f2"))
    record = scan_file(path, [*tensors, *tensors])
    assert record.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
