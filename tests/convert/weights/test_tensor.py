"""The arithmetic of strides agrees with numpy's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.convert.weights.tensor import (
    TensorInfo,
    drop_kernel,
    is_contiguous,
    take_rows,
    transpose,
)

PATH = Path("model.bin")
DATA = np.arange(5000, dtype="<f4")


def info(
    shape: tuple[int, ...], stride: tuple[int, ...] | None = None, start: int = 0
) -> TensorInfo:
    return TensorInfo(name="t", dtype="F32", shape=shape, path=PATH, start=start, stride=stride)


def seen(tensor: TensorInfo) -> np.ndarray:
    """Return the elements of `tensor` as numpy views DATA's bytes, from `start` on."""
    strides = None if tensor.stride is None else [4 * step for step in tensor.stride]
    view: np.ndarray = np.ndarray(tensor.shape, "<f4", DATA, tensor.start, strides)
    return view


shapes = st.lists(st.integers(0, 5), max_size=4).map(tuple)
strided = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 20)), max_size=4)


@given(shapes)
def test_sizes_are_numpy_s(shape: tuple[int, ...]) -> None:
    array = np.zeros(shape, "<f4")
    tensor = info(shape)
    assert (tensor.numel, tensor.nbytes, tensor.reach) == (array.size, array.nbytes, array.nbytes)


@given(strided)
def test_contiguous_is_what_numpy_calls_so(axes: list[tuple[int, int]]) -> None:
    shape, stride = tuple(n for n, _ in axes), tuple(step for _, step in axes)
    view = np.lib.stride_tricks.as_strided(DATA, shape, [4 * step for step in stride])
    assert is_contiguous(shape, stride) == view.flags.c_contiguous


@given(strided)
def test_the_reach_ends_with_the_last_element(axes: list[tuple[int, int]]) -> None:
    shape, stride = tuple(n for n, _ in axes), tuple(step for _, step in axes)
    tensor = info(shape, stride)
    view = seen(tensor)
    expected = 4 * (int(view.max()) + 1) if view.size else 0
    assert tensor.reach == expected


def test_what_is_empty_is_contiguous_whatever_its_steps() -> None:
    assert is_contiguous((2, 0), (7, 7))


def test_a_scalar_is_one_element() -> None:
    assert (info(()).numel, info(()).nbytes, info((), ()).reach) == (1, 4, 4)
    assert is_contiguous((), ())


@pytest.mark.parametrize("dtype", ["F16", "I64", "BOOL"])
def test_sizes_follow_the_type(dtype: str) -> None:
    tensor = TensorInfo(name="t", dtype=dtype, shape=(3,), path=PATH, start=0, stride=(2,))
    size = {"F16": 2, "I64": 8, "BOOL": 1}[dtype]
    assert (tensor.nbytes, tensor.reach) == (3 * size, 5 * size)


@given(first=st.integers(0, 6), second=st.integers(0, 6), is_turned=st.booleans())
def test_rows_are_where_they_were(first: int, second: int, *, is_turned: bool) -> None:
    start, stop = sorted((first, second))
    whole = info((6, 2, 3), (1, 6, 12) if is_turned else None, start=40)
    rows = take_rows(whole, start, stop, "rows")
    assert (rows.name, rows.shape) == ("rows", (stop - start, 2, 3))
    assert np.array_equal(seen(rows), seen(whole)[start:stop])


def test_a_matrix_is_turned_where_it_is() -> None:
    whole = info((5, 3), start=8)
    turned = transpose(whole)
    assert np.array_equal(seen(turned), seen(whole).T)
    assert np.array_equal(seen(transpose(turned)), seen(whole))
    assert not is_contiguous(turned.shape, turned.stride or ())
    assert np.array_equal(seen(transpose(info((4, 2), (10, 3)))), seen(info((4, 2), (10, 3))).T)


def test_a_kernel_of_one_is_dropped() -> None:
    whole = info((4, 3, 1, 1), start=12)
    assert np.array_equal(seen(drop_kernel(whole)), seen(whole)[:, :, 0, 0])
    turned = info((4, 3, 1, 1), (1, 4, 7, 9))
    assert np.array_equal(seen(drop_kernel(turned)), seen(turned)[:, :, 0, 0])
