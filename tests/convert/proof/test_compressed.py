"""Compares the audit of compressed weights with a plain formula over whole arrays."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sdcoreml.convert.proof import tally
from sdcoreml.convert.proof.compressed import Compressed, measure
from sdcoreml.convert.spec.model import DataType, NamedType, Operation, TensorType
from sdcoreml.ground.errors import ParityError, UnsupportedError

RNG = np.random.default_rng(5)
WEIGHT = RNG.normal(size=(64, 96)).astype(np.float16)
CODES = np.zeros(3, np.uint8)
Parts = dict[str, np.ndarray]


def pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """Pack codes bit by bit, one after the other, lowest bit first."""
    stream = ((codes.reshape(-1, 1) >> np.arange(bits)) & 1).reshape(-1).astype(np.uint8)
    return np.packbits(stream, bitorder="little")


def nearest(weight: np.ndarray, table: np.ndarray) -> np.ndarray:
    distance = np.abs(weight.astype(np.float64)[..., None] - table.astype(np.float64))
    found: np.ndarray = distance.argmin(-1).astype(np.uint8)
    return found


def palette(weight: np.ndarray, bits: int) -> tuple[np.ndarray, Parts]:
    """Compress with one palette; return codes, and the arguments of iOS 16's operation."""
    table = np.quantile(weight.astype(np.float64), np.linspace(0, 1, 1 << bits)).astype(np.float16)
    codes = nearest(weight, table)
    return codes, {"indices": pack(codes, bits), "lut": table, "shape": np.array(weight.shape)}


def grouped(weight: np.ndarray, bits: int, group: int) -> tuple[np.ndarray, Parts]:
    """Compress with a palette per group of channels; return codes, and iOS 18's arguments."""
    rows = weight.reshape(len(weight) // group, -1)
    tables = np.quantile(rows.astype(np.float64), np.linspace(0, 1, 1 << bits), axis=1).T
    tables = tables.astype(np.float16)
    codes = np.stack([nearest(row, table) for row, table in zip(rows, tables, strict=True)])
    lut = tables.reshape(len(rows), *[1] * (weight.ndim - 1), 1 << bits, 1)
    return codes, {"indices": pack(codes, bits), "lut": lut}


def measured(
    kind: str, parts: Parts, weight: np.ndarray = WEIGHT, dtype: DataType = DataType.FLOAT16
) -> Compressed:
    out = NamedType(name="w", type=TensorType(dtype=dtype, shape=weight.shape))
    made = Operation(type=kind, inputs={}, outputs=(out,))
    return measure(made, parts, weight, "w", lambda _: None)


def psnr(weight: np.ndarray, values: np.ndarray) -> float:
    wide = weight.astype(np.float64)
    rms = math.sqrt(np.mean((wide - values.reshape(wide.shape)) ** 2))
    return 20 * math.log10((wide.max() - wide.min()) / rms)


LUT = "constexpr_lut_to_dense"


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8])
def test_a_palette_of_nearest_codes(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "BLOCK", 512)  # so that a weight has many blocks
    codes, parts = palette(WEIGHT, bits)
    found = measured(LUT, parts)
    assert (found.method, found.wrong, found.is_nearest) == (f"{bits}-bit palette", 0, True)
    assert found.psnr == pytest.approx(psnr(WEIGHT, parts["lut"].astype(np.float64)[codes]), 1e-9)


@pytest.mark.parametrize("group", [1, 4, 64])
def test_a_palette_for_each_group(group: int) -> None:
    codes, parts = grouped(WEIGHT, 4, group)
    found = measured(LUT, parts)
    assert (found.wrong, found.is_nearest) == (0, True)
    tables = parts["lut"].astype(np.float64).reshape(-1, 16)
    values = np.take_along_axis(tables, codes.astype(np.intp), axis=1)
    assert found.psnr == pytest.approx(psnr(WEIGHT, values), 1e-9)


def test_groups_need_not_begin_at_whole_bytes() -> None:
    weight = WEIGHT[:6, :5]
    _, parts = grouped(weight, 6, 1)
    assert measured(LUT, parts, weight).wrong == 0


def test_one_wrong_code_is_counted_and_costs_what_it_costs() -> None:
    codes, parts = palette(WEIGHT, 6)
    codes.reshape(-1)[4000] ^= 0x10
    found = measured(LUT, {**parts, "indices": pack(codes, 6)})
    assert (found.wrong, found.is_nearest) == (1, False)
    assert found.psnr == pytest.approx(psnr(WEIGHT, parts["lut"].astype(np.float64)[codes]), 1e-9)


def test_a_code_that_is_nearly_the_nearest_is_not_wrong() -> None:
    table = np.array([0, 1], np.float16)
    weight = np.array([0.0, 0.625, 1.0, 0.0] * 4, np.float16).reshape(4, 4)
    codes = (weight > 0.7).astype(np.uint8)  # 0.625 is nearer to 1
    parts = {"indices": pack(codes, 1), "lut": table, "shape": np.array((4, 4))}
    found = measured(LUT, parts, weight)
    assert (found.wrong, found.is_nearest) == (0, False)


def test_equal_entries_and_ties_leave_a_code_the_nearest() -> None:
    table = np.array([0, 1, 1, 2], np.float16)
    weight = np.array([0.5, 1.0, 1.5, 2.0], np.float16).reshape(2, 2)
    for codes in ([0, 1, 2, 3], [1, 2, 3, 3]):
        parts = {"indices": pack(np.array(codes), 2), "lut": table, "shape": np.array((2, 2))}
        assert measured(LUT, parts, weight).is_nearest


def test_a_table_need_not_ascend() -> None:
    codes, parts = palette(WEIGHT, 2)
    turned = {**parts, "lut": parts["lut"][::-1].copy(), "indices": pack(3 - codes, 2)}
    assert measured(LUT, turned) == measured(LUT, parts)


def test_a_palette_of_float32_numbers() -> None:
    weight = RNG.normal(size=(8, 16)).astype(np.float32)
    table = np.linspace(-2, 2, 16, dtype=np.float32)
    codes = nearest(weight, table)
    parts = {"indices": pack(codes, 4), "lut": table, "shape": np.array(weight.shape)}
    found = measured(LUT, parts, weight, DataType.FLOAT32)
    assert (found.wrong, found.is_nearest) == (0, True)
    assert found.psnr == pytest.approx(psnr(weight, table.astype(np.float64)[codes]), 1e-6)


def test_a_checkpoint_of_another_type_is_rounded_first() -> None:
    wide = WEIGHT.astype(np.float32) * np.float32(1 + 2**-13)
    _, parts = palette(WEIGHT, 6)
    assert measured(LUT, parts, wide) == measured(LUT, parts, wide.astype(np.float16))


@pytest.mark.parametrize("strange", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("dtype", [DataType.FLOAT16, DataType.FLOAT32])
def test_a_palette_that_is_not_finite_is_wrong(strange: float, dtype: DataType) -> None:
    codes, parts = palette(WEIGHT, 4)
    parts["lut"] = np.full_like(parts["lut"], strange)
    parts["indices"] = pack(np.zeros_like(codes), 4)
    found = measured("constexpr_lut_to_dense", parts, dtype=dtype)
    assert found.wrong == WEIGHT.size
    assert not found.is_nearest


@pytest.mark.parametrize("sign", [1, -1])
def test_numbers_of_one_sign_have_the_span_that_they_have(sign: int) -> None:
    weight = (sign * (np.abs(WEIGHT) + np.float16(0.5))).astype(np.float16)
    codes, parts = palette(weight, 4)
    found = measured("constexpr_lut_to_dense", parts, weight)
    assert found.is_nearest
    assert found.psnr == pytest.approx(psnr(weight, parts["lut"][codes]))


def test_what_is_read_is_counted_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "BLOCK", 1024)
    _, parts = palette(WEIGHT, 4)
    out = NamedType(name="w", type=TensorType(dtype=DataType.FLOAT16, shape=WEIGHT.shape))
    made = Operation(type="constexpr_lut_to_dense", inputs={}, outputs=(out,))
    counted: list[int] = []
    measure(made, parts, WEIGHT, "w", counted.append)
    assert set(counted) == {2 * 1024}
    assert sum(counted) == 2 * WEIGHT.nbytes, "once for its span, once for its codes"


@pytest.mark.parametrize("spoilt", [math.inf, -math.inf, math.nan, 1e30])
def test_a_number_that_is_not_finite_makes_every_code_wrong(spoilt: float) -> None:
    _, parts = palette(WEIGHT, 4)
    weight = WEIGHT.astype(np.float32)
    weight[3, 3] = spoilt
    found = measured(LUT, parts, weight)
    assert (found.wrong, found.is_nearest) == (WEIGHT.size, False)


def linear(weight: np.ndarray) -> Parts:
    scale = (np.abs(weight.astype(np.float32)).max(axis=1) / 127).astype(np.float16)
    codes = np.rint(weight.astype(np.float32) / scale.astype(np.float32)[:, None])
    return {
        "quantized_data": codes.clip(-127, 127).astype(np.int8),
        "scale": scale,
        "zero_point": np.zeros(len(weight), np.int8),
        "axis": np.array(0, np.int32),
    }


def test_integers_and_a_scale_for_each_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "BLOCK", 512)
    parts = linear(WEIGHT)
    found = measured("constexpr_affine_dequantize", parts)
    assert (found.method, found.wrong, found.is_nearest) == ("int8 linear", 0, True)
    values = parts["quantized_data"] * parts["scale"].astype(np.float64)[:, None]
    assert found.psnr == pytest.approx(psnr(WEIGHT, values), 1e-5)
    parts["zero_point"][3] += 2
    assert measured("constexpr_affine_dequantize", parts).wrong > 50


def test_the_newer_notation_says_the_same() -> None:
    parts = linear(WEIGHT)
    newer = {"data": parts["quantized_data"], "scale": parts["scale"][:, None]}
    found = measured("constexpr_blockwise_shift_scale", newer)
    assert found == measured("constexpr_affine_dequantize", parts)
    one = {"data": newer["data"], "scale": newer["scale"][:1]}
    assert measured("constexpr_blockwise_shift_scale", one).wrong > 0


def test_dropped_numbers_are_smaller_than_kept_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "BLOCK", 1024)
    mask = np.abs(WEIGHT) > 0.5
    parts = {"mask": pack(mask.astype(np.uint8), 1), "nonzero_data": WEIGHT[mask]}
    found = measured("constexpr_sparse_to_dense", parts)
    assert (found.method, found.wrong, found.is_nearest) == ("sparse", 0, False)
    assert found.psnr == pytest.approx(psnr(WEIGHT, np.where(mask, WEIGHT, 0)), 1e-6)
    parts["nonzero_data"][7] *= np.float16(-1)
    assert measured("constexpr_sparse_to_dense", parts).wrong > 0
    nothing: Parts = {"mask": np.zeros(768, np.uint8), "nonzero_data": np.zeros(0, np.float16)}
    assert measured("constexpr_sparse_to_dense", nothing).wrong == 0


@pytest.mark.parametrize(
    ("kind", "parts", "error"),
    [
        (LUT, {"indices": CODES, "lut": np.zeros(16), "shape": 0}, ParityError),
        (
            LUT,
            {"indices": CODES, "lut": np.zeros(15), "shape": 0},
            UnsupportedError,
        ),
        (LUT, {"indices": CODES, "lut": np.zeros((1, 2, 4, 1))}, UnsupportedError),
        (
            "constexpr_sparse_to_dense",
            {"mask": np.full(768, 255, np.uint8), "nonzero_data": np.zeros(9, np.float16)},
            ParityError,
        ),
        (
            "constexpr_affine_dequantize",
            {
                "quantized_data": np.zeros(767, np.int8),
                "scale": np.ones(1, np.float32),
                "zero_point": np.zeros(1, np.int8),
                "axis": 0,
            },
            ParityError,
        ),
        ("constexpr_cast", {}, UnsupportedError),
    ],
)
def test_what_does_not_fit_is_refused(kind: str, parts: Parts, error: type[Exception]) -> None:
    with pytest.raises(error):
        measured(kind, parts)
