from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdcoreml.convert.weights.gather import HELD, gather, read_floats
from sdcoreml.convert.weights.tensor import TensorInfo, is_contiguous
from sdcoreml.convert.weights.transfer import BLOCK
from sdcoreml.ground.errors import BadInputError


def tensor(path: Path, array: np.ndarray, view: np.ndarray, start: int) -> TensorInfo:
    """Write `array` into a file from byte `start` on; return the tensor that is its `view`."""
    path.write_bytes(bytes(start) + array.tobytes())
    address = view.__array_interface__["data"][0] - array.__array_interface__["data"][0]
    stride = tuple(step // array.itemsize for step in view.strides)
    dtype = {1: "U8", 2: "F16", 4: "F32", 8: "F64"}[array.itemsize]
    return TensorInfo(
        name="x", dtype=dtype, shape=view.shape, path=path, start=start + address, stride=stride
    )


def test_a_transposed_tensor_larger_than_a_block(tmp_path: Path) -> None:
    array = np.arange(1200 * 700, dtype="f4").reshape(1200, 700)
    blocks = [bytes(block) for block in gather(tensor(tmp_path / "x", array, array.T, 3))]
    assert b"".join(blocks) == array.T.tobytes()
    assert len(blocks) > 1
    assert max(map(len, blocks)) <= BLOCK


def test_a_single_row_larger_than_a_block_is_split_too(tmp_path: Path) -> None:
    array = np.zeros((2, BLOCK), dtype="f4")
    array[:] = np.arange(BLOCK)
    view = array[:1, ::2]
    blocks = [bytes(block) for block in gather(tensor(tmp_path / "x", array, view, 0))]
    assert b"".join(blocks) == view.tobytes()
    assert max(map(len, blocks)) <= BLOCK


def test_a_tensor_larger_than_what_is_held_is_gathered_in_groups(tmp_path: Path) -> None:
    for shape in ((1500, 1100), (3, 700_000), (700_000, 3)):
        array = np.arange(shape[0] * shape[1], dtype="f4").reshape(shape)
        assert array.nbytes > HELD
        blocks = [bytes(block) for block in gather(tensor(tmp_path / "x", array, array.T, 3))]
        assert b"".join(blocks) == array.T.tobytes()
        assert max(map(len, blocks)) <= BLOCK


def test_elements_far_apart_are_read_and_not_what_lies_between(tmp_path: Path) -> None:
    array = np.arange(600 * 5000, dtype="f4").reshape(600, 5000)
    for view in (array[::2, 7], array[:, ::400], array.reshape(-1)[:: 5 * 4096]):
        found = tensor(tmp_path / "x", array, view, 1)
        assert b"".join(map(bytes, gather(found))) == view.tobytes()


def test_rows_that_are_one_and_the_same(tmp_path: Path) -> None:
    array = np.arange(6, dtype="f4")
    view = np.broadcast_to(array, (3, 6))
    (block,) = gather(tensor(tmp_path / "x", array, view, 0))
    assert bytes(block) == view.tobytes()


def test_a_file_that_is_cut_short_meanwhile_is_an_error_and_no_signal(tmp_path: Path) -> None:
    array = np.arange(1500 * 1100, dtype="f4").reshape(1500, 1100)
    found = tensor(tmp_path / "x", array, array.T, 0)
    blocks = gather(found)
    next(blocks)
    os.truncate(tmp_path / "x", 1 << 20)
    with pytest.raises(BadInputError, match=r"x: the file ended while tensor 'x' was read; the"):
        list(blocks)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_view_is_gathered_in_row_major_order(tmp_path: Path, data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    kind = data.draw(st.sampled_from(["u1", "f2", "f4", "f8"]))
    array = np.arange(int(np.prod(shape))).astype(kind).reshape(shape)
    view = array.transpose(data.draw(st.permutations(range(array.ndim))))
    view = view[tuple(slice(data.draw(st.integers(0, n - 1)), n) for n in view.shape)]
    found = tensor(tmp_path / "x", array, view, data.draw(st.integers(0, 5)))
    assert b"".join(map(bytes, gather(found))) == view.tobytes()
    assert found.nbytes == view.nbytes
    assert is_contiguous(view.shape, found.stride or ()) == view.flags.c_contiguous


@pytest.mark.parametrize("shape", [(0,), (3, 0, 2)])
def test_an_empty_tensor_has_no_blocks(tmp_path: Path, shape: tuple[int, ...]) -> None:
    (tmp_path / "x").touch()
    empty = TensorInfo(name="x", dtype="F32", shape=shape, path=tmp_path / "x", start=0)
    assert list(gather(empty)) == []
    assert empty.reach == 0


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (2, 3, 4)])
def test_without_strides_elements_lie_in_row_major_order(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    array = np.arange(int(np.prod(shape)), dtype="f4").reshape(shape)
    path = tmp_path / "x"
    path.write_bytes(b"12345" + array.tobytes())
    found = TensorInfo(name="x", dtype="F32", shape=shape, path=path, start=5)
    assert b"".join(map(bytes, gather(found))) == array.tobytes()
    np.testing.assert_array_equal(read_floats(found), array)


@pytest.mark.parametrize(
    ("dtype", "data", "values"),
    [
        ("F16", np.array([1.5, -2], "<f2").tobytes(), [1.5, -2]),
        ("F32", np.array([1.5, -2], "<f4").tobytes(), [1.5, -2]),
        ("F64", np.array([1.5, -2], "<f8").tobytes(), [1.5, -2]),
        ("BF16", b"\xc0\x3f\x00\xc0", [1.5, -2]),
    ],
)
def test_floats_of_every_type_come_as_float32(
    tmp_path: Path, dtype: str, data: bytes, values: list[float]
) -> None:
    (tmp_path / "x").write_bytes(data)
    found = TensorInfo(name="x", dtype=dtype, shape=(2, 1), path=tmp_path / "x", start=0)
    read = read_floats(found)
    assert (read.dtype, read.shape, read.ravel().tolist()) == (np.dtype("<f4"), (2, 1), values)


def test_nothing_to_read_is_an_empty_array(tmp_path: Path) -> None:
    empty = TensorInfo(name="x", dtype="F32", shape=(0, 7), path=tmp_path / "none", start=0)
    assert read_floats(empty).shape == (0, 7)
