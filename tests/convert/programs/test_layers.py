"""What each layer of a checkpoint becomes: its operations, their parameters, their weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sdcoreml.convert.programs.graph import Graph, Step, port
from sdcoreml.convert.programs.layers import (
    HALVING,
    SPATIAL,
    Kernel,
    concat,
    conv,
    group_norm,
    layer_norm,
    quick_gelu,
    slice_axis,
    upsample,
)
from sdcoreml.convert.programs.options import Precision, ProgramOptions


def graph(precision: Precision = Precision.FP16) -> Graph:
    kind = precision.dtype
    ports = (port("x", kind, (2, 8, 4, 6), "x"), port("odd", kind, (2, 8, 7, 11), "odd"))
    return Graph(ports, replace(ProgramOptions(), precision=precision))


def done(g: Graph) -> list[Step]:
    return [step for step in g.steps if step.type != "const"]


def held(step: Step, name: str) -> Any:
    value = step.arguments[name].value
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


@pytest.mark.parametrize(
    ("kernel", "pad", "strides", "shape"),
    [
        (Kernel(size=1), [0, 0, 0, 0], [1, 1], (2, 5, 4, 6)),
        (SPATIAL, [1, 1, 1, 1], [1, 1], (2, 5, 4, 6)),
        (HALVING, [1, 1, 1, 1], [2, 2], (2, 5, 2, 3)),
        (Kernel(size=3, stride=2, pad=(0, 1, 0, 1)), [0, 1, 0, 1], [2, 2], (2, 5, 2, 3)),
    ],
)
def test_a_convolution_keeps_the_size_or_divides_it(
    kernel: Kernel, pad: list[int], strides: list[int], shape: tuple[int, ...]
) -> None:
    g = graph()
    assert conv(g, g.inputs["x"], "c", 5, kernel).shape == shape
    (step,) = done(g)
    assert (step.type, step.name, held(step, "pad_type")) == ("conv", "c", "custom")
    assert (held(step, "pad"), held(step, "strides")) == (pad, strides)
    assert (held(step, "dilations"), held(step, "groups")) == ([1, 1], 1)
    assert g.declared == {"c.weight": (5, 8, kernel.size, kernel.size), "c.bias": (5,)}
    conv(g, g.inputs["x"], "d", 5, kernel, bias=False)
    assert "d.bias" not in g.declared


def test_what_changes_nothing_is_left_out() -> None:
    g = graph()
    x = g.inputs["x"]
    assert concat(g, [x]) is x
    assert slice_axis(g, x, 2, 0, 4) is x
    assert done(g) == []
    assert concat(g, [x, x], 2).shape == (2, 8, 8, 6)
    assert slice_axis(g, x, 3, 1, 6).shape == (2, 8, 4, 5)
    assert slice_axis(g, x, 3, 0, 5).shape == (2, 8, 4, 5)
    joined, cut, _ = done(g)
    assert held(joined, "interleave") is False
    assert (held(cut, "begin"), held(cut, "end")) == ([0, 0, 0, 1], [2, 8, 4, 6])
    assert held(cut, "begin_mask") == held(cut, "end_mask") == [True, True, True, False]


def test_quick_gelu_corrects_its_factor_where_half_precision_rounds_it() -> None:
    g = graph()
    quick_gelu(g, g.inputs["x"])
    assert [step.type for step in done(g)] == ["mul", "mul", "add", "sigmoid", "mul"]
    first, second = (held(step, "y") for step in done(g)[:2])
    assert first == float(np.float16(1.702)) != 1.702
    assert first + second == pytest.approx(1.702, abs=1e-7)
    wide = graph(Precision.FP32)
    quick_gelu(wide, wide.inputs["x"])
    first, *_ = done(wide)
    assert held(first, "y") == float(np.float32(1.702))


def test_a_group_norm_is_over_channels_of_a_group_and_space() -> None:
    g = graph()
    assert group_norm(g, g.inputs["x"], "n", 4, 1e-5).shape == (2, 8, 4, 6)
    assert [step.type for step in done(g)] == [
        *("reshape", "reduce_mean", "sub", "square", "reduce_mean", "add", "sqrt"),
        *("real_div", "reshape", "batch_norm"),
    ]
    assert done(g)[0].results[0].shape == (2, 4, 2, 4, 6)
    for step in done(g):
        if step.type == "reduce_mean":
            assert (held(step, "axes"), held(step, "keep_dims")) == ([2, 3, 4], True)
    assert held(done(g)[5], "y") == float(np.float16(1e-5))
    last = done(g)[-1]
    assert held(last, "epsilon") == 2.0**-24
    assert g.declared == {"n.weight": (8,), "n.bias": (8,)}
    assert last.arguments["mean"] is not last.arguments["variance"]


def test_a_layer_norm_is_over_one_dimension() -> None:
    g = graph()
    assert layer_norm(g, g.inputs["x"], "n").shape == (2, 8, 4, 6)
    assert layer_norm(g, g.inputs["x"], "m", axis=3, eps=0.5).shape == (2, 8, 4, 6)
    assert g.declared == {"n.weight": (8,), "n.bias": (8,), "m.weight": (6,), "m.bias": (6,)}
    first, second = done(g)
    assert (held(first, "axes"), held(first, "epsilon")) == ([1], float(np.float16(1e-5)))
    assert (held(second, "axes"), held(second, "epsilon")) == ([3], 0.5)


def test_a_doubled_map_is_cut_to_the_one_that_it_meets() -> None:
    g = graph()
    assert upsample(g, g.inputs["x"], "u").shape == (2, 8, 8, 12)
    assert [step.type for step in done(g)] == ["upsample_nearest_neighbor", "conv"]
    assert held(done(g)[0], "scale_factor_height") == held(done(g)[0], "scale_factor_width") == 2
    assert g.declared["u.conv.weight"] == (8, 8, 3, 3)
    assert upsample(g, g.inputs["x"], "v", like=g.inputs["odd"]).shape == (2, 8, 7, 11)
