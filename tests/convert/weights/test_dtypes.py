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


@pytest.mark.parametrize(
    ("name", "torch", "numpy"),
    [
        *(("BOOL", "bool", "|b1"), ("U8", "uint8", "|u1"), ("I8", "int8", "|i1")),
        *(("U16", "uint16", "<u2"), ("I16", "int16", "<i2"), ("F16", "float16", "<f2")),
        *(("U32", "uint32", "<u4"), ("I32", "int32", "<i4"), ("F32", "float32", "<f4")),
        *(("U64", "uint64", "<u8"), ("I64", "int64", "<i8"), ("F64", "float64", "<f8")),
        ("C64", "complex64", "<c8"),
    ],
)
def test_one_type_has_these_names(name: str, torch: str, numpy: str) -> None:
    assert (TORCH[torch], NUMPY[name]) == (name, numpy)


def test_what_only_torch_has() -> None:
    names = ("bfloat16", "float8_e4m3fn", "float8_e5m2")
    assert [TORCH[name] for name in names] == ["BF16", "F8_E4M3", "F8_E5M2"]
    assert len(TORCH) == 16
