from __future__ import annotations

import numpy as np
import pytest
import safetensors.numpy

from sdcoreml.convert.weights.dtypes import (
    FLOATS,
    NUMPY,
    RANKS,
    SIZES,
    STORAGES,
    TORCH,
)


@pytest.mark.parametrize(("name", "numpy"), NUMPY.items())
def test_a_type_that_numpy_has_is_of_numpy_s_size(name: str, numpy: str) -> None:
    assert np.dtype(numpy).itemsize == SIZES[name]
    assert np.dtype(numpy).newbyteorder("<") == np.dtype(numpy), "files are little-endian"


def test_what_numpy_lacks_is_known_by_its_size_alone() -> None:
    assert set(SIZES) - set(NUMPY) == {"BF16", "F8_E5M2", "F8_E4M3", "F8_E8M0"}


def test_every_name_elsewhere_is_a_type_here() -> None:
    assert set(TORCH.values()) <= set(SIZES)
    assert {kind for kind in STORAGES.values() if kind} <= set(SIZES)
    assert set(SIZES) > FLOATS


def test_no_two_names_of_torch_mean_one_type() -> None:
    assert len(set(TORCH.values())) == len(TORCH)
    assert len(set(STORAGES.values())) == len(STORAGES)


@pytest.mark.parametrize(
    ("storage", "torch"),
    [
        ("FloatStorage", "float32"),
        ("DoubleStorage", "float64"),
        ("HalfStorage", "float16"),
        ("BFloat16Storage", "bfloat16"),
        ("LongStorage", "int64"),
        ("IntStorage", "int32"),
        ("ShortStorage", "int16"),
        ("CharStorage", "int8"),
        ("ByteStorage", "uint8"),
        ("BoolStorage", "bool"),
        ("ComplexFloatStorage", "complex64"),
    ],
)
def test_a_storage_class_holds_its_dtype(storage: str, torch: str) -> None:
    assert STORAGES[storage] == TORCH[torch]


def test_the_order_in_a_file_is_that_of_the_reference() -> None:
    # One tensor of each type, named so that the names' order is the opposite of the types'.
    arrays = {
        f"{99 - rank:02d}": np.zeros(1, NUMPY[name])
        for name, rank in RANKS.items()
        if name in NUMPY
    }
    data = safetensors.numpy.save(arrays)
    header = data[8 : 8 + int.from_bytes(data[:8], "little")].decode()
    found = [name for _, name in sorted((header.index(f'"{name}":'), name) for name in arrays)]
    assert found == sorted(arrays), "the highest rank first"


def test_sizes_never_fall_along_the_order() -> None:
    assert list(SIZES.values()) == sorted(SIZES.values())
