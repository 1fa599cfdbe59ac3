"""Where a program is cut: near the middle of its weights, where least must pass."""

from __future__ import annotations

import pytest

from sdcoreml.convert.packages.cut import Cut, find_cut, steps_of
from sdcoreml.convert.spec.model import Function
from sdcoreml.ground.errors import UnsupportedError
from tests.convert.certificates.graphs import constant, function_of
from tests.convert.drawn import record

WEIGHTS = {"u": 64, "v": 192, "w": 320}


def chain(*lines: str, signature: str = "tensor<fp16, [1, 4]> x", output: str = "out") -> Function:
    records = [record(name, (4,), place) for name, place in WEIGHTS.items()]
    return function_of(signature, *records, *lines, output=output)


def step(name: str, x: str, weight: str = "", shape: str = "[1, 4]", dtype: str = "fp16") -> str:
    second = f", y = {weight}" if weight else ""
    return f"tensor<{dtype}, {shape}> {name} = add(x = {x}{second})"


def cut(function: Function, **sizes: int) -> tuple[int, list[str], float]:
    """Return where a function is cut whose weights have these sizes."""
    found = find_cut("unet", function, {WEIGHTS[name]: size for name, size in sizes.items()})
    return found.place, [one.name for one in found.carried], round(found.uneven, 6)


LONG = chain(step("a", "x", "u"), step("b", "a", "v"), step("c", "b", "w"), step("out", "c"))


@pytest.mark.parametrize(
    ("sizes", "found"),
    [
        ({"u": 50, "v": 25, "w": 25}, (1, ["a"], 0.0)),
        ({"u": 25, "v": 25, "w": 50}, (2, ["b"], 0.0)),
        ({"u": 45, "v": 30, "w": 25}, (1, ["a"], 0.05)),
        ({"u": 54, "v": 21, "w": 25}, (1, ["a"], 0.04)),
        ({"u": 48, "v": 3, "w": 49}, (2, ["b"], 0.01)),
    ],
)
def test_the_halves_are_about_equal(
    sizes: dict[str, int], found: tuple[int, list[str], float]
) -> None:
    assert cut(LONG, **sizes) == found


@pytest.mark.parametrize(
    "sizes",
    [
        {"u": 44, "v": 31, "w": 25},
        {"u": 56, "v": 19, "w": 25},
        {"u": 0, "v": 0, "w": 100},
        {"u": 0, "v": 0, "w": 0},
    ],
)
def test_without_a_middle_there_is_no_cut(sizes: dict[str, int]) -> None:
    with pytest.raises(UnsupportedError) as caught:
        cut(LONG, **sizes)
    assert str(caught.value) == (
        "unet: cannot be cut near the middle of its weights; convert it without --chunk"
    )


def test_few_elements_pass_rather_than_equal_weights() -> None:
    small = chain(
        step("a", "x", "u"), step("b", "a", "v", "[1, 3]"), step("c", "b", "w"), step("out", "c")
    )
    assert cut(small, u=50, v=4, w=46) == (2, ["b"], 0.04)
    both = chain(step("a", "x", "u"), step("b", "x", "v"), step("c", "a", "w"), step("out", "b"))
    assert cut(both, u=50, v=0, w=50) == (1, ["a"], 0.0)
    assert cut(both, u=25, v=25, w=50) == (2, ["a", "b"], 0.0)


def test_a_weight_counts_where_it_is_first_used() -> None:
    twice = chain(step("a", "x", "u"), step("b", "a", "u"), step("c", "b", "w"), step("out", "c"))
    assert cut(twice, u=50, w=50, v=0)[0] == 1
    inline = chain(
        step("a", "x", "u"),
        constant("tensor<fp16, [1, 4]>", "k", "[[0x0p+0, 0x0p+0, 0x0p+0, 0x0p+0]]"),
        step("b", "a", "k"),
        step("out", "b", "w"),
    )
    assert cut(inline, u=50, w=50, v=0)[:2] == (1, ["a"])
    assert [one.outputs[0].name for one in steps_of(inline)] == ["a", "b", "out"]


@pytest.mark.parametrize(
    ("kind", "can_leave"),
    [
        (("[1, 4]", "fp32"), True),
        (("[1, 1, 1, 1, 4]", "fp16"), True),
        (("[1, 1, 1, 1, 1, 4]", "fp16"), False),
        (("[4]", "fp16"), True),
        (("[1, ?]", "fp16"), False),
        (("[1, 4]", "int32"), False),
    ],
)
def test_what_can_leave_a_program(kind: tuple[str, str], can_leave: bool) -> None:  # noqa: FBT001
    shape, dtype = kind
    made = chain(step("a", "x", "u", shape, dtype), step("out", "a", "v"))
    if can_leave:
        assert cut(made, u=1, v=1, w=0)[:2] == (1, ["a"])
    else:
        with pytest.raises(UnsupportedError):
            cut(made, u=1, v=1, w=0)


def test_a_number_without_dimensions_cannot_leave() -> None:
    made = chain("fp16 a = add(x = x, y = u)", step("out", "a", "v"))
    with pytest.raises(UnsupportedError, match="cannot be cut"):
        cut(made, u=1, v=1, w=0)


def test_what_swift_looks_for_is_read_in_the_first_half() -> None:
    signature = "tensor<fp16, [1, 4]> sample, tensor<fp16, [1, 4]> other"
    lines = (
        step("a", "other", "u"),
        step("b", "a", "sample"),
        step("c", "b", "v"),
        step("out", "c"),
    )
    assert cut(chain(*lines, signature=signature), u=1, v=1, w=0) == (2, ["b"], 0.0)
    late = (step("a", "sample", "u"), step("b", "a", "other"), step("out", "b", "v"))
    assert cut(chain(*late, signature=signature), u=1, v=1, w=0)[0] == 1


def test_the_output_is_computed_in_the_second_half() -> None:
    early = chain(step("a", "x", "u"), step("out", "a"), step("idle", "out", "v"))
    assert cut(early, u=1, v=1, w=0)[0] == 1
    first = chain(step("out", "x", "u"), step("idle", "out", "v"))
    with pytest.raises(UnsupportedError, match="cannot be cut"):
        cut(first, u=1, v=1, w=0)
    several = chain(
        step("a", "x", "u"),
        "tensor<fp16, [1, 2]> left, tensor<fp16, [1, 2]> out = split(x = a)",
        step("b", "left", "v"),
    )
    assert cut(several, u=1, v=1, w=0)[0] == 1
    dead = chain(step("a", "x", "u"), step("out", "x", "v"))
    with pytest.raises(UnsupportedError, match="cannot be cut"):
        cut(dead, u=1, v=1, w=0)


def test_several_outputs_are_refused() -> None:
    function = chain(step("a", "x", "u"), step("b", "a", "v"), output="a, b")
    with pytest.raises(UnsupportedError) as caught:
        find_cut("unet", function, {})
    assert str(caught.value) == (
        "unet: has 2 outputs (a, b), but the second half must have exactly one;"
        " convert it without --chunk"
    )


def test_equal_costs_take_the_first() -> None:
    made = chain(step("a", "x", "u"), step("b", "a"), step("out", "b", "v"))
    assert find_cut("unet", made, {64: 1, 192: 1, 320: 0}) == Cut(
        place=1, carried=steps_of(made)[0].outputs, uneven=0.0
    )
