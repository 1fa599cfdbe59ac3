"""Each number of a weight is held against what its compressed form has for it, block by block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pytest

from sdcoreml.convert.proof.rounding import Form, Linear, Palette, Sparse, compare
from sdcoreml.convert.proof.tally import Numbers, Tally, pieces
from sdcoreml.ground.errors import ParityError

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
SMALL = 64


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare few numbers at a time, so that every form is read in several blocks."""
    monkeypatch.setattr("sdcoreml.convert.proof.tally.BLOCK", SMALL)


def pack(codes: Sequence[int], bits: int) -> Array:
    stream = "".join(f"{code:0{bits}b}"[::-1] for code in codes)
    stream += "0" * (-len(stream) % 8)
    return np.array([int(stream[i : i + 8][::-1], 2) for i in range(0, len(stream), 8)], np.uint8)


def tally_of(form: Form, numbers: Array, dtype: type = np.float16) -> tuple[Tally, list[int]]:
    read: list[int] = []
    return compare(form, Numbers(numbers.astype(np.float32), dtype, read.append)), read


def drawn(count: int, seed: int = 3) -> Array:
    return np.random.default_rng(seed).normal(size=count).astype(np.float16).astype(np.float32)


def palette(numbers: Array, tables: Array) -> tuple[list[int], float]:
    """Return the nearest code of each number, and the squared error, worked out one by one."""
    each, codes, squares = len(numbers) // len(tables), [], 0.0
    for place, number in enumerate(numbers):
        far = [abs(float(one) - float(number)) for one in tables[place // each]]
        codes.append(far.index(min(far)))
        squares += min(far) ** 2
    return codes, squares


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("bits", [1, 3, 6])
def test_the_nearest_codes_are_the_nearest(dtype: type, groups: int, bits: int) -> None:
    numbers = drawn(400)
    tables = np.random.default_rng(bits).normal(size=(groups, 1 << bits)).astype(np.float16)
    codes, squares = palette(numbers, tables)
    form = Palette(codes=pack(codes, bits), tables=tables, bits=bits, count=400)
    tally, read = tally_of(form, numbers, dtype)
    assert (tally.wrong, tally.is_nearest) == (0, True)
    assert tally.squares == pytest.approx(squares, rel=1e-6)
    assert (tally.lowest, tally.highest) == (numbers.min(), numbers.max())
    assert tally.slack == pytest.approx(float(np.abs(numbers).max()) * 2**-10)
    assert sum(read) == 2 * 4 * 400, "each number is read for its range, and once more"
    assert (form.method, form.rounds) == (f"{bits}-bit palette", True)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_code_that_is_far_off_is_counted(dtype: type) -> None:
    numbers = np.array([0, 0.9, 2.1, 3] * 50, np.float32)
    tables = np.array([[0, 1, 2, 3]], np.float16)
    codes = [0, 1, 2, 3] * 50
    for place in (2, 70, 199):
        codes[place] = 0
    form = Palette(codes=pack(codes, 2), tables=tables, bits=2, count=200)
    tally, _ = tally_of(form, numbers, dtype)
    assert (tally.wrong, tally.is_nearest) == (3, False)
    far = float(np.float16(2.1)) if dtype is np.float16 else 2.1
    near = (far - 2) ** 2 * 48 + (1 - float(np.float16(0.9))) ** 2 * 50
    assert tally.squares == pytest.approx(near + 2 * far**2 + 9, rel=1e-3)


def test_a_table_without_numbers_refuses_its_group_alone() -> None:
    tables = np.array([[0, 1], [0, np.nan], [np.inf, 1], [0, 1]], np.float16)
    form = Palette(codes=pack([0] * 40, 1), tables=tables, bits=1, count=40)
    tally, _ = tally_of(form, np.zeros(40))
    assert (tally.wrong, tally.is_nearest) == (20, False)


def test_numbers_without_an_end_are_all_wrong() -> None:
    form = Palette(codes=pack([0] * 3, 1), tables=np.zeros((1, 2)), bits=1, count=3)
    for odd in (np.nan, np.inf, -np.inf, 1e6):
        tally, _ = tally_of(form, np.array([0, odd, 0]))
        assert (tally.wrong, tally.is_nearest, tally.slack) == (3, False, 0.0)


@pytest.mark.parametrize("per_row", [False, True])
def test_integers_stand_for_multiples_of_their_scale(per_row: bool) -> None:  # noqa: FBT001
    rows, each = 20, 10
    scale = (np.arange(1, rows + 1) / 64 if per_row else np.array([1 / 16])).astype(np.float32)
    zero = (np.arange(rows) - 9 if per_row else np.array([2])).astype(np.float32)
    scale, zero = scale.reshape(-1, 1), zero.reshape(-1, 1)
    codes = np.random.default_rng(1).integers(-128, 128, (rows, each)).astype(np.int8)
    numbers = ((codes - zero) * scale).astype(np.float32)
    form = Linear(codes=codes, scale=scale, zero=zero)
    assert (form.method, form.rounds) == ("int8 linear", True)
    exact, _ = tally_of(form, numbers.ravel(), np.float32)
    assert (exact.wrong, exact.is_nearest, exact.squares) == (0, True, 0.0)
    changed = codes.copy()
    changed[7, 3] ^= 64
    changed[19, 9] ^= 64
    off, _ = tally_of(Linear(codes=changed, scale=scale, zero=zero), numbers.ravel(), np.float32)
    assert (off.wrong, off.is_nearest) == (2, False)
    wide = scale if per_row else np.repeat(scale, rows, 0)
    assert off.squares == pytest.approx(float((64 * wide[7, 0]) ** 2 + (64 * wide[19, 0]) ** 2))


def test_what_is_beyond_the_integers_gets_the_outermost() -> None:
    codes = np.array([[127, -128]], np.int8)
    form = Linear(codes=codes, scale=np.ones((1, 1)), zero=np.zeros((1, 1)))
    tally, _ = tally_of(form, np.array([200, -200]), np.float32)
    assert (tally.wrong, tally.is_nearest) == (0, True)
    assert tally.squares == 73**2 + 72**2


def sparse(numbers: Array, dropped: float) -> tuple[Array, Array]:
    kept = np.abs(numbers) > dropped
    return pack([int(one) for one in kept], 1), numbers[kept]


def test_what_is_kept_is_exact_and_what_is_dropped_is_less() -> None:
    numbers = drawn(300)
    mask, kept = sparse(numbers, 0.5)
    form = Sparse(mask=mask, kept=kept, count=300)
    assert (form.method, form.rounds) == ("sparse", False)
    tally, _ = tally_of(form, numbers)
    assert (tally.wrong, tally.is_nearest) == (0, True)
    dropped = numbers[np.abs(numbers) <= 0.5]
    assert tally.squares == pytest.approx(float((dropped.astype(np.float64) ** 2).sum()))


def test_a_number_that_was_kept_in_a_later_block_is_compared_too() -> None:
    numbers = drawn(300)
    mask, kept = sparse(numbers, 0.5)
    for place in (0, len(kept) - 1):
        other = kept.copy()
        other[place] *= 3
        tally, _ = tally_of(Sparse(mask=mask, kept=other, count=300), numbers)
        assert (tally.wrong, tally.is_nearest) == (1, False)


def test_a_large_number_may_not_be_dropped() -> None:
    numbers = np.array([1, 9, 1, 4] * 40, np.float32)
    mask = pack([0, 0, 0, 1] * 40, 1)
    tally, _ = tally_of(Sparse(mask=mask, kept=np.full(40, 4.0), count=160), numbers)
    assert not tally.is_nearest


def test_a_mask_that_keeps_more_than_there_is() -> None:
    numbers = drawn(300)
    mask, kept = sparse(numbers, 0.5)
    with pytest.raises(ParityError) as caught:
        tally_of(Sparse(mask=mask, kept=kept[:-1], count=300), numbers)
    assert caught.value.what == (
        f"the mask keeps more numbers than the {len(kept) - 1} that are stored"
    )


@pytest.mark.parametrize(
    ("start", "stop", "each", "expected"),
    [
        (0, 0, 1, []),
        (0, 64, 1, [(0, 64)]),
        (0, 65, 1, [(0, 64), (64, 65)]),
        (10, 150, 1, [(10, 74), (74, 138), (138, 150)]),
        (0, 5, 32, [(0, 2), (2, 4), (4, 5)]),
        (0, 2, 1000, [(0, 1), (1, 2)]),
    ],
)
def test_pieces(start: int, stop: int, each: int, expected: list[tuple[int, int]]) -> None:
    assert [*pieces(start, stop, each)] == expected


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize(
    ("numbers", "span"),
    [
        ([1, 2, 3], (1, 3)),
        ([-1, -2, -3], (-3, -1)),
        ([-1, 0, 2], (-1, 2)),
        ([0, 0], (0, 0)),
        ([0, 5], (0, 5)),
        ([-5, -0.0], (-5, 0)),
        ([7] * 70 + [-9], (-9, 7)),
        ([-9] + [7] * 70, (-9, 7)),
        ([1, float("nan")], (-float("inf"), float("inf"))),
        ([1] * 70 + [float("inf")], (-float("inf"), float("inf"))),
        ([], (-float("inf"), float("inf"))),
    ],
)
def test_the_span_of_numbers(numbers: list[float], span: tuple[float, float], dtype: type) -> None:
    assert Numbers(np.array(numbers, np.float32), dtype, lambda _: None).span() == span
