from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.convert.compile.literals import (
    BOUNDS,
    BYTE_FORMATS,
    LiteralError,
    bracket,
    elements,
    hexadecimal,
    quote,
    spell,
)
from sdcoreml.convert.spec.model import DataType, Elements

F16 = DataType.FLOAT16


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (0.0, "0x0p+0"),
        (-0.0, "-0x0p+0"),
        (1.0, "0x1p+0"),
        (-1.734375 / 1024, "-0x1.bcp-10"),
        (0.1, "0x1.999999999999ap-4"),
        (65504.0, "0x1.ffcp+15"),
        (2.0**-24, "0x1p-24"),
        (5e-324, "0x1p-1074"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (math.nan, "nan"),
    ],
)
def test_numbers_are_written_as_c_writes_them(value: float, word: str) -> None:
    assert hexadecimal(value) == word


@given(st.floats(allow_nan=False))
def test_every_double_is_read_back(value: float) -> None:
    read = elements([hexadecimal(value)], DataType.FLOAT64).values
    assert read == (value,)
    assert math.copysign(1, float(read[0])) == math.copysign(1, value)


@given(st.binary(min_size=2, max_size=40).filter(lambda raw: len(raw) % 2 == 0))
def test_every_half_is_read_back(raw: bytes) -> None:
    if any(math.isnan(value) for value in struct.unpack(f"<{len(raw) // 2}e", raw)):
        return  # the text does not say which NaN; such constants are refused before
    assert elements(spell(Elements(values=raw), F16), F16) == Elements(values=raw)


@given(st.sampled_from(sorted(BYTE_FORMATS)), st.binary(max_size=16))
def test_raw_elements_are_read_back(dtype: DataType, raw: bytes) -> None:
    raw = raw[: len(raw) // 4 * 4]
    if dtype is not F16:
        assert elements(spell(Elements(values=raw), dtype), dtype) == Elements(values=raw)


@given(st.sampled_from(sorted(BOUNDS)), st.data())
def test_integers_are_read_back(dtype: DataType, data: st.DataObject) -> None:
    lower, upper = BOUNDS[dtype]
    values = Elements(values=tuple(data.draw(st.lists(st.integers(lower, upper - 1)))))
    assert elements(spell(values, dtype), dtype) == values


def test_booleans_and_strings() -> None:
    assert spell(Elements(values=(True, False)), DataType.BOOL) == ["true", "false"]
    assert elements(["true", "false"], DataType.BOOL) == Elements(values=(True, False))
    assert elements(['"a, b"', '""'], DataType.STRING) == Elements(values=("a, b", ""))


@pytest.mark.parametrize(
    ("word", "dtype", "message"),
    [
        ("1", DataType.FLOAT32, "not a hexadecimal floating-point number"),
        ("0x1p+99", F16, "out of the range of fp16"),
        ("0x1p+9999", DataType.FLOAT64, "out of range"),
        ("300", DataType.UINT8, "out of the range of uint8"),
        ("-1", DataType.UINT64, "out of the range of uint64"),
        ("2147483648", DataType.INT32, "out of the range of int32"),
        ("9" * 30, DataType.INT64, "not an integer"),
        ("1_0", DataType.INT32, "not an integer"),
        ("TRUE", DataType.BOOL, "neither true nor false"),
        ("word", DataType.STRING, "not a string"),
        ('"', DataType.STRING, "not a string"),
        ("1", DataType.INT4, "immediate elements of INT4 have no known spelling"),
    ],
)
def test_words_that_are_no_constants(word: str, dtype: DataType, message: str) -> None:
    with pytest.raises(LiteralError, match=message):
        elements([word], dtype)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (b"abc", F16),
        ((1.0,), F16),
        (b"abcd", DataType.INT32),
        (b"a", DataType.UINT4),
        (b"ab", DataType.BFLOAT16),
    ],
)
def test_elements_in_the_wrong_form(values: bytes, dtype: DataType) -> None:
    with pytest.raises(LiteralError):
        spell(Elements(values=values), dtype)


@pytest.mark.parametrize(
    ("spelt", "shape", "expected"),
    [
        (["1"], (), "1"),
        (["1"], (1,), "[1]"),
        ([], (0,), "[]"),
        (["1", "2"], (None,), "[1, 2]"),
        (["1", "2", "3", "4"], (2, 2), "[[1, 2], [3, 4]]"),
        (["1", "2"], (1, 2, 1), "[[[1], [2]]]"),
        ([], (2, 0), "[[], []]"),
    ],
)
def test_brackets_follow_the_shape(
    spelt: list[str], shape: tuple[int | None, ...], expected: str
) -> None:
    assert bracket(spelt, shape) == expected


@pytest.mark.parametrize(
    ("spelt", "shape"), [([], ()), (["1", "2"], ()), (["1"], (2,)), (["1", "2"], (None, 2))]
)
def test_a_shape_must_fit(spelt: list[str], shape: tuple[int | None, ...]) -> None:
    with pytest.raises(LiteralError, match="in a constant of shape"):
        bracket(spelt, shape)


@pytest.mark.parametrize("words", ['a"b', "a\\b", "a\nb", "é"])
def test_strings_of_unknown_notation_are_refused(words: str) -> None:
    with pytest.raises(LiteralError, match="other than plain ASCII"):
        quote(words)
