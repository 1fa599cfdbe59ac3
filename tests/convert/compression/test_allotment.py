"""Bits go to the layers whose error they reduce most, and their average is as requested."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.convert.compression.allotment import Layer, allot, average_bits
from sdcoreml.convert.compression.recipe import palette_bits

STEPS = (1, 2, 4, 6, 8, 16)
FALLING = {1: 64.0, 2: 16.0, 3: 4.0, 4: 1.0, 6: 1 / 16, 8: 1 / 256, 16: 0.0}


def layer(name: str, elements: int, effect: float) -> Layer:
    return Layer(name=name, elements=elements, effect=effect, errors=FALLING)


def test_the_layer_that_matters_gets_more() -> None:
    layers = [layer("quiet", 1000, 1e-6), layer("loud", 1000, 1e-2)]
    bits = allot(layers, 5, STEPS)
    assert bits["loud"] > bits["quiet"]
    assert average_bits(layers, bits) <= 5


def test_of_two_that_matter_alike_the_small_one_is_the_cheaper() -> None:
    bits = allot([layer("small", 100, 1e-3), layer("large", 10_000, 1e-3)], 4, STEPS)
    assert bits["small"] > bits["large"]


def test_bits_that_the_best_layer_cannot_pay_go_to_a_smaller_one() -> None:
    layers = [layer("loud", 1000, 1e-2), layer("small", 10, 1e-6)]
    assert allot(layers, 1.01, STEPS) == {"loud": 1, "small": 2}


def test_equal_layers_get_equal_bits() -> None:
    layers = [layer(name, 1000, 1e-3) for name in "abcd"]
    assert allot(layers, 4, STEPS) == dict.fromkeys("abcd", 4)


def test_a_layer_without_effect_or_without_error_costs_nothing() -> None:
    exact = Layer(name="exact", elements=10, effect=1.0, errors={4: 0.0})
    assert exact.cost(1) == 0
    assert allot([exact, layer("other", 10, 1e-3)], 2, STEPS)["exact"] == 1


def test_three_bits_are_given_where_they_can_be_stored() -> None:
    layers = [layer(name, 1000, 1e-3) for name in "abcd"]
    assert set(allot(layers, 3, (*palette_bits(9), 16)).values()) == {3}
    assert set(allot(layers, 3, (*palette_bits(8), 16)).values()) == {2, 4}


def test_less_than_can_be_stored_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.5 bits is too small: .* is 1 bits"):
        allot([layer("a", 10, 1.0)], 0.5, STEPS)


def test_no_layers_have_no_average() -> None:
    assert average_bits([], {}) == 0


@given(
    st.lists(st.tuples(st.integers(1, 10_000), st.floats(0, 1)), min_size=1, max_size=30),
    st.floats(1, 16),
)
def test_the_average_is_kept_and_only_real_widths_are_given(
    sizes: list[tuple[int, float]], average: float
) -> None:
    layers = [layer(str(place), count, effect) for place, (count, effect) in enumerate(sizes)]
    bits = allot(layers, average, STEPS)
    assert average_bits(layers, bits) <= average + 1e-9
    assert set(bits.values()) <= set(STEPS)


@given(st.lists(st.tuples(st.integers(1, 9), st.floats(1e-6, 1)), min_size=2, max_size=9))
def test_a_mixture_is_expected_to_be_no_worse_than_four_bits_for_all(
    sizes: list[tuple[int, float]],
) -> None:
    layers = [layer(str(n), 1000, effect) for n, (_, effect) in enumerate(sizes)]
    bits = allot(layers, 4, STEPS)
    mixed = sum(item.cost(bits[item.name]) for item in layers)
    assert mixed <= sum(item.cost(4) for item in layers) * (1 + 1e-9)
