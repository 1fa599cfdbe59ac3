"""Compressed constants: every form is compared with a plain formula in numpy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.convert.mil.operations import OPERATIONS
from sdcoreml.convert.spec.model import (
    Blob,
    DataType,
    Elements,
    TensorType,
    Value,
)
from sdcoreml.convert.storage.elements import unpack
from sdcoreml.ground.errors import ParityError
from tests.inside.convert.mil.graphs import F16, F32, Graph, Ref

RNG = np.random.default_rng(3)
LUT = RNG.normal(size=64).astype(np.float16)
CODES = RNG.integers(0, 64, (5, 7), dtype=np.uint8)
BYTES = RNG.integers(-128, 127, (4, 6)).astype(np.int8)
SCALES = RNG.uniform(0.1, 1, 6).astype(np.float32)
ZEROS = RNG.integers(-5, 5, 6).astype(np.int8)
MASK = np.array([[1, 0, 0, 1], [0, 0, 1, 0]], np.uint8)
VALUES = np.array([1.5, -2.0, 3.0], np.float16)


def pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """Pack codes one after another, lowest bit first."""
    stream = [(int(code) >> place) & 1 for code in codes.reshape(-1) for place in range(bits)]
    stream += [0] * (-len(stream) % 8)
    octets = [stream[at : at + 8] for at in range(0, len(stream), 8)]
    return np.array([sum(bit << i for i, bit in enumerate(octet)) for octet in octets], np.uint8)


def small(kind: DataType, codes: np.ndarray, bits: int) -> Value:
    """Return a constant whose elements have fewer than 8 bits."""
    raw = pack(codes & ((1 << bits) - 1), bits).tobytes()
    return Value(type=TensorType(dtype=kind, shape=codes.shape), data=Elements(values=raw))


def decompressed(
    kind: str, parameters: Mapping[str, object], dtype: DataType, shape: tuple[int, ...]
) -> np.ndarray:
    """Return a compressed constant's values, by running a program that adds it to zeros."""
    graph = Graph(inputs={"x": (dtype, shape)})
    constant = graph.op(kind, parameters, (dtype, shape))
    total = graph.op("add", {"x": Ref("x"), "y": Ref(constant)}, (dtype, shape))
    return np.asarray(graph.run(total, {"x": torch.zeros(shape)}))


@given(st.integers(1, 8), st.lists(st.integers(0, 255), min_size=1, max_size=99))
def test_codes_of_any_width_are_unpacked_as_they_were_packed(bits: int, codes: list[int]) -> None:
    wanted = np.array(codes, np.uint8) & ((1 << bits) - 1)
    assert unpack(pack(wanted, bits), bits, len(codes)).tolist() == wanted.tolist()


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8])
def test_a_packed_table_of_ios_16(bits: int) -> None:
    codes = CODES & ((1 << bits) - 1)
    table = RNG.normal(size=1 << bits).astype(np.float16)
    result = decompressed(
        "constexpr_lut_to_dense",
        {"indices": pack(codes, bits), "lut": table, "shape": [5, 7]},
        F16,
        (5, 7),
    )
    assert np.array_equal(result, table[codes])


def test_a_table_for_each_block_of_ios_18() -> None:
    tables = RNG.normal(size=(2, 1, 4, 1)).astype(np.float16)
    codes = RNG.integers(0, 4, (6, 5), dtype=np.uint8)
    result = decompressed(
        "constexpr_lut_to_dense",
        {"indices": small(DataType.UINT2, codes, 2), "lut": tables},
        F16,
        (6, 5),
    )
    wanted = [[tables[row // 3, 0, codes[row, col], 0] for col in range(5)] for row in range(6)]
    assert np.array_equal(result, np.array(wanted))


def test_a_table_of_vectors_of_ios_18() -> None:
    table = RNG.normal(size=(1, 1, 4, 3)).astype(np.float16)
    codes = RNG.integers(0, 4, (2, 5), dtype=np.uint8)
    result = decompressed(
        "constexpr_lut_to_dense",
        {"indices": small(DataType.UINT2, codes, 2), "lut": table, "vector_axis": 0},
        F16,
        (6, 5),
    )
    wanted = [[table[0, 0, codes[row // 3, col], row % 3] for col in range(5)] for row in range(6)]
    assert np.array_equal(result, np.array(wanted))


@pytest.mark.parametrize(("axis", "count"), [(1, 6), (0, 4)])
def test_affine_quantization_along_an_axis(axis: int, count: int) -> None:
    scale, zero = SCALES[:count], ZEROS[:count]
    result = decompressed(
        "constexpr_affine_dequantize",
        {"quantized_data": BYTES, "scale": scale, "zero_point": zero, "axis": axis},
        F32,
        (4, 6),
    )
    along = (1, -1) if axis else (-1, 1)
    wanted = (BYTES.astype(np.float32) - zero.reshape(along)) * scale.reshape(along)
    np.testing.assert_array_equal(result, wanted)


def test_affine_quantization_by_one_scale() -> None:
    result = decompressed(
        "constexpr_affine_dequantize",
        {"quantized_data": BYTES, "scale": np.float32(0.5), "zero_point": np.int8(3), "axis": 0},
        F32,
        (4, 6),
    )
    np.testing.assert_array_equal(result, (BYTES.astype(np.float32) - 3) * 0.5)


def test_blockwise_scales_of_ios_18() -> None:
    codes = RNG.integers(-8, 8, (4, 6)).astype(np.int8)
    scale = RNG.uniform(0.1, 1, (2, 3)).astype(np.float32)
    offset = RNG.integers(-8, 8, (2, 1)).astype(np.int8)
    result = decompressed(
        "constexpr_blockwise_shift_scale",
        {
            "data": small(DataType.INT4, codes.view(np.uint8), 4),
            "scale": scale,
            "offset": small(DataType.INT4, offset.view(np.uint8), 4),
        },
        F32,
        (4, 6),
    )
    wanted = codes - offset.repeat(2, 0).astype(np.float32)
    np.testing.assert_array_equal(result, wanted * scale.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize(
    "parameters",
    [
        {"nonzero_data": VALUES, "mask": pack(MASK, 1), "shape": [2, 4]},
        {"nonzero_data": VALUES, "mask": small(DataType.UINT1, MASK, 1)},
    ],
)
def test_sparse_constants_of_both_generations(parameters: Mapping[str, object]) -> None:
    result = decompressed("constexpr_sparse_to_dense", parameters, F16, (2, 4))
    assert result.tolist() == [[1.5, 0, 0, -2.0], [0, 0, 3.0, 0]]


def test_a_constant_stored_narrower_than_it_is_used() -> None:
    result = decompressed(
        "constexpr_cast", {"source_val": VALUES, "output_dtype": "fp32"}, F32, (3,)
    )
    assert result.tolist() == [1.5, -2.0, 3.0]


def test_every_form_of_compression_is_tried_here() -> None:
    assert {name for name in OPERATIONS if name.startswith("constexpr_")} == {
        "constexpr_affine_dequantize",
        "constexpr_blockwise_shift_scale",
        "constexpr_cast",
        "constexpr_lut_to_dense",
        "constexpr_sparse_to_dense",
    }


@pytest.mark.parametrize(
    ("kind", "parameters", "reason"),
    [
        (
            "constexpr_lut_to_dense",
            {"indices": pack(CODES, 6), "lut": LUT[:63], "shape": [5, 7]},
            "63 entries, which is not a power of two",
        ),
        (
            "constexpr_lut_to_dense",
            {"indices": pack(CODES, 6)[:-1], "lut": LUT, "shape": [5, 7]},
            "26 bytes do not hold 35 codes of 6 bits",
        ),
        (
            "constexpr_sparse_to_dense",
            {"nonzero_data": VALUES[:2], "mask": pack(MASK, 1), "shape": [2, 4]},
            "the mask selects 3 elements, but there are 2 values",
        ),
    ],
)
def test_compressed_data_that_does_not_fit_is_refused(
    kind: str, parameters: Mapping[str, object], reason: str
) -> None:
    shape = (5, 7) if "lut" in kind else (2, 4)
    with pytest.raises(ParityError, match=reason):
        decompressed(kind, parameters, F16, shape)


def test_packed_data_of_the_wrong_size_is_refused() -> None:
    declared = TensorType(dtype=DataType.UINT4, shape=(3,))
    short = Value(type=declared, data=Elements(values=b"\x21"))
    parameters = {"indices": short, "lut": np.zeros((1, 16, 1), np.float16)}
    with pytest.raises(ParityError, match="3 elements of UINT4 need 2 bytes, not 1"):
        decompressed("constexpr_lut_to_dense", parameters, F16, (3,))


def test_a_compressed_constant_may_refer_to_constants_by_name() -> None:
    graph = Graph(inputs={"x": (F16, (5, 7))})
    graph.weight("table", LUT)
    graph.weight("codes", pack(CODES, 6))
    arguments = {"indices": Ref("codes"), "lut": Ref("table"), "shape": [5, 7]}
    constant = graph.op("constexpr_lut_to_dense", arguments, (F16, (5, 7)))
    total = graph.op("add", {"x": Ref("x"), "y": Ref(constant)}, (F16, (5, 7)))
    result = graph.run(total, {"x": torch.zeros(5, 7)})
    assert np.array_equal(np.asarray(result), LUT[CODES].astype(np.float32))
    assert Blob(path="@model_path/weights/weight.bin", offset=64) in graph.storage.records
