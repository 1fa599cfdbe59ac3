from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sdcoreml.convert.weights.cast import _PIECE, as_floats, cast_block
from sdcoreml.convert.weights.dtypes import NUMPY


def widened(bits: list[int]) -> np.ndarray:
    return as_floats(np.array(bits, "<u2").tobytes(), "BF16")


def to_bfloat16(values: list[float]) -> list[int]:
    data, _ = cast_block(np.array(values, "<f4").tobytes(), "F32", "BF16")
    return [int(bits) for bits in np.frombuffer(data, "<u2")]


@pytest.mark.parametrize(
    ("value", "bits"),
    [
        (1.0, 0x3F80),
        (-2.0, 0xC000),
        (1.00390625, 0x3F80),  # halfway between two neighbours: to the even one
        (1.01171875, 0x3F82),
        (float("inf"), 0x7F80),
        (3.4e38, 0x7F80),
        (0.0, 0),
        (1e-45, 0),
    ],
)
def test_bfloat16_rounds_to_the_nearest_even(value: float, bits: int) -> None:
    assert to_bfloat16([value]) == [bits]


def test_every_nan_becomes_the_quiet_one_of_pytorch() -> None:
    nans = np.array([0x7F800001, 0xFFFFFFFF, 0x7FFFFFFF], "<u4").tobytes()
    data, overflows = cast_block(nans, "F32", "BF16")
    assert np.frombuffer(data, "<u2").tolist() == [0x7FC0] * 3
    assert overflows == 0


@given(arrays.arrays("<u2", 20))
def test_bfloat16_survives_the_way_through_float32(bits: np.ndarray) -> None:
    values = widened(bits.tolist())
    back, _ = cast_block(values.tobytes(), "F32", "BF16")
    same = np.frombuffer(back, "<u2") == bits
    assert (same | np.isnan(values)).all()


@given(arrays.arrays("<f4", 20), st.sampled_from(["F16", "F64"]))
def test_numpy_types_are_cast_as_numpy_does(values: np.ndarray, target: str) -> None:
    data, overflows = cast_block(values.tobytes(), "F32", target)
    with np.errstate(over="ignore"):
        expected = values.astype(NUMPY[target])
    np.testing.assert_array_equal(np.frombuffer(data, NUMPY[target]), expected)
    assert overflows == int((np.isinf(expected) & np.isfinite(values)).sum())


EDGES = [
    *(0x00000000, 0x00000001, 0x007FFFFF, 0x00800000),  # zero and float32's own subnormals
    *(0x32FFFFFF, 0x33000000, 0x33000001, 0x33800000),  # around half of the smallest float16
    *(0x387FFFFF, 0x38800000, 0x38800001, 0x387FC000),  # around the smallest normal float16
    *(0x3F801000, 0x3F803000, 0x3F801001, 0x3F7FF000),  # halfway between two neighbours of one
    *(0x477FE000, 0x477FEFFF, 0x477FF000, 0x47800000),  # around the largest finite float16
    *(0x7F7FFFFF, 0x7F800000, 0x7F800001, 0x7FC00000),  # the largest float32, infinity, NaN
]


@pytest.mark.parametrize("bits", [*EDGES, *(bits | 0x80000000 for bits in EDGES)])
def test_float16_is_numpys_at_every_edge(bits: int) -> None:
    values = np.array([bits], "<u4").view("<f4")
    data, _ = cast_block(values.tobytes(), "F32", "F16")
    with np.errstate(over="ignore"):
        expected = values.astype("<f2")
    assert bytes(data) == expected.tobytes()


@given(arrays.arrays("<u4", 50))
def test_float16_of_any_bits_is_numpys(bits: np.ndarray) -> None:
    below = np.where((bits & 0x7FFFFFFF) < 0x477FF000, bits, 0).astype("<u4")
    for some in (bits, below):
        values = some.view("<f4")
        data, _ = cast_block(values.tobytes(), "F32", "F16")
        with np.errstate(over="ignore", invalid="ignore"):
            assert bytes(data) == values.astype("<f2").tobytes()


@pytest.mark.parametrize(("source", "target"), [("F32", "F16"), ("F64", "F32"), ("BF16", "F16")])
def test_a_long_block_is_cast_whole_and_overflows_are_summed(source: str, target: str) -> None:
    count = 2 * _PIECE + 5
    values = np.arange(count, dtype="<f8") / count
    values[[0, _PIECE, -1]] = 1e38 if target == "F16" else 1e300
    if source == "BF16":
        given = cast_block(values.astype("<f4").tobytes(), "F32", "BF16")[0]
    else:
        given = memoryview(values.astype(NUMPY[source]).tobytes())
    data, overflows = cast_block(given, source, target)
    with np.errstate(over="ignore"):
        expected = as_floats(given, source).astype(NUMPY[target])
    assert (overflows, bytes(data)) == (3, expected.tobytes())


def test_nothing_is_cast_to_nothing() -> None:
    assert [bytes(cast_block(b"", "F32", target)[0]) for target in ("F16", "BF16")] == [b"", b""]


def test_a_double_is_rounded_by_way_of_float32() -> None:
    # Just above halfway between two halves, but exactly halfway once it is a float32.
    value = 1.0 + 2.0**-11 + 2.0**-40
    data, _ = cast_block(np.array([value], "<f8").tobytes(), "F64", "F16")
    assert np.frombuffer(data, "<f2")[0] == 1.0


@pytest.mark.parametrize(("source", "target"), [("F32", "F16"), ("F64", "F32"), ("F32", "BF16")])
def test_only_finite_values_overflow(source: str, target: str) -> None:
    largest = {"F32": 3.4028234e38, "F64": 1e300}[source]
    values = np.array([1.0, largest, -largest, np.inf, np.nan], NUMPY[source])
    assert cast_block(values.tobytes(), source, target)[1] == 2


# Bytes and what the OCP 8-bit floating point specification says that they are.
@pytest.mark.parametrize(
    ("kind", "code", "value"),
    [
        ("F8_E4M3", 0x00, 0.0),
        ("F8_E4M3", 0x01, 2.0**-9),
        ("F8_E4M3", 0x07, 0.875 * 2.0**-6),
        ("F8_E4M3", 0x08, 2.0**-6),
        ("F8_E4M3", 0x38, 1.0),
        ("F8_E4M3", 0xBC, -1.5),
        ("F8_E4M3", 0x7E, 448.0),
        ("F8_E5M2", 0x01, 2.0**-16),
        ("F8_E5M2", 0x3C, 1.0),
        ("F8_E5M2", 0x7B, 57344.0),
        ("F8_E5M2", 0xFC, -math.inf),
    ],
)
def test_an_8_bit_float_is_exactly_a_float16(kind: str, code: int, value: float) -> None:
    data, overflows = cast_block(bytes([code]), kind, "F16")
    assert (np.frombuffer(data, "<f2")[0], overflows) == (value, 0)


def test_e4m3_has_two_nans_and_no_infinity() -> None:
    values = as_floats(bytes(range(256)), "F8_E4M3")
    assert [int(code) for code in np.flatnonzero(np.isnan(values))] == [0x7F, 0xFF]
    assert not np.isinf(values).any()
