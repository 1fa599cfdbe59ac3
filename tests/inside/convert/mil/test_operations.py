"""Each operation is compared with torch's own, in a program of only that operation."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch.nn import functional as nn

from sdcoreml.convert.mil.operations import OPERATIONS
from sdcoreml.ground.errors import ParityError, UnsupportedError
from tests.inside.convert.mil.graphs import F32, Graph, Ref, single

torch.manual_seed(7)
X = torch.randn(2, 6, 4, 5)
Y = torch.randn(2, 6, 4, 5)
P = X.abs() + 0.1
ROW = torch.randn(5)
MATRIX = torch.randn(2, 3, 4)
OTHER = torch.randn(2, 3, 5)
KERNEL = torch.randn(8, 6, 3, 3)
BIAS = torch.randn(8)
GROUPED = torch.randn(8, 3, 3, 3)
TURNED = torch.randn(6, 4, 2, 2)
SIX = torch.randn(6)
ROWS = torch.tensor([[0], [1]])
IDS = torch.tensor([[1, 0], [-1, 3]], dtype=torch.int32)
INTS = torch.tensor([7, -7, 3], dtype=torch.int32)
TWOS = torch.tensor([2, 2, 2], dtype=torch.int32)
FLAGS = X > 0
OTHER_FLAGS = Y > 0

Case = tuple[str, Mapping[str, torch.Tensor], Mapping[str, object], torch.Tensor]
xy = {"x": X, "y": Y}
x = {"x": X}
p = {"x": P}

ELEMENTWISE: tuple[Case, ...] = (
    ("abs", x, {}, X.abs()),
    ("add", {"x": X, "y": ROW}, {}, X + ROW),
    ("cast", x, {"dtype": "int32"}, X.to(torch.int32)),
    ("cast", {"x": INTS}, {"dtype": "fp32"}, INTS.float()),
    ("cast", x, {"dtype": "bool"}, X != 0),
    ("ceil", x, {}, X.ceil()),
    ("clip", x, {"alpha": -0.5, "beta": 0.25}, X.clip(-0.5, 0.25)),
    ("cos", x, {}, X.cos()),
    ("equal", {"x": INTS, "y": TWOS + 1}, {}, torch.tensor([False, False, True])),
    ("erf", x, {}, X.erf()),
    ("exp", x, {}, X.exp()),
    ("exp2", x, {}, 2**X),
    ("floor", x, {}, X.floor()),
    ("floor_div", {"x": INTS, "y": TWOS}, {}, torch.tensor([3, -4, 1], dtype=torch.int32)),
    ("gelu", x, {}, X * 0.5 * (1 + torch.erf(X / math.sqrt(2)))),
    ("gelu", x, {"mode": "EXACT"}, nn.gelu(X)),
    ("gelu", x, {"mode": "TANH_APPROXIMATION"}, nn.gelu(X, approximate="tanh")),
    ("gelu", x, {"mode": "SIGMOID_APPROXIMATION"}, X * torch.sigmoid(1.702 * X)),
    ("greater", xy, {}, X > Y),
    ("greater_equal", {"x": INTS, "y": TWOS + 1}, {}, torch.tensor([True, False, True])),
    ("identity", x, {}, X),
    ("inverse", p, {"epsilon": 0.5}, 1 / (P + 0.5)),
    ("leaky_relu", x, {"alpha": 0.1}, nn.leaky_relu(X, 0.1)),
    ("less", xy, {}, X < Y),
    ("less_equal", xy, {}, X <= Y),
    ("log", p, {"epsilon": 0.5}, (P + 0.5).log()),
    ("logical_and", {"x": FLAGS, "y": OTHER_FLAGS}, {}, FLAGS & OTHER_FLAGS),
    ("logical_not", {"x": FLAGS}, {}, ~FLAGS),
    ("logical_or", {"x": FLAGS, "y": OTHER_FLAGS}, {}, FLAGS | OTHER_FLAGS),
    ("logical_xor", {"x": FLAGS, "y": OTHER_FLAGS}, {}, FLAGS ^ OTHER_FLAGS),
    ("maximum", xy, {}, torch.maximum(X, Y)),
    ("minimum", xy, {}, torch.minimum(X, Y)),
    ("mod", {"x": INTS, "y": TWOS}, {}, torch.tensor([1, 1, 1], dtype=torch.int32)),
    ("mul", xy, {}, X * Y),
    ("not_equal", xy, {}, X != Y),
    ("pow", {"x": P, "y": Y}, {}, P**Y),
    ("real_div", {"x": X, "y": P}, {}, X / P),
    ("real_div", {"x": INTS, "y": TWOS}, {}, torch.tensor([3, -4, 1], dtype=torch.int32)),
    ("relu", x, {}, X.relu()),
    ("round", x, {}, X.round()),
    ("rsqrt", p, {"epsilon": 0.5}, (P + 0.5) ** -0.5),
    ("select", {"cond": FLAGS, "a": X, "b": Y}, {}, torch.where(FLAGS, X, Y)),
    ("sigmoid", x, {}, 1 / (1 + torch.exp(-X))),
    ("sign", x, {}, X.sign()),
    ("silu", x, {}, X / (1 + torch.exp(-X))),
    ("sin", x, {}, X.sin()),
    ("softmax", x, {"axis": 1}, X.exp() / X.exp().sum(1, keepdim=True)),
    ("softplus", x, {}, torch.log1p(X.exp())),
    ("sqrt", p, {}, P**0.5),
    ("square", x, {}, X * X),
    ("sub", xy, {}, X - Y),
    ("tanh", x, {}, X.tanh()),
)

LINEAR: tuple[Case, ...] = (
    ("linear", x | {"weight": torch.ones(1, 5)}, {}, X.sum(-1, keepdim=True)),
    (
        "linear",
        {"x": X, "weight": torch.eye(5), "bias": ROW},
        {},
        X + ROW,
    ),
    (
        "matmul",
        {"x": MATRIX, "y": OTHER},
        {"transpose_x": True, "transpose_y": False},
        torch.stack([MATRIX[i].T @ OTHER[i] for i in range(2)]),
    ),
    (
        "matmul",
        {"x": MATRIX, "y": MATRIX},
        {"transpose_x": False, "transpose_y": True},
        torch.stack([m @ m.T for m in MATRIX]),
    ),
    (
        "scaled_dot_product_attention",
        {"query": MATRIX, "key": MATRIX, "value": OTHER},
        {},
        torch.softmax(MATRIX @ MATRIX.transpose(1, 2) / 2, -1) @ OTHER,
    ),
)

CONVOLUTION: tuple[Case, ...] = (
    ("conv", {"x": X, "weight": KERNEL}, {}, nn.conv2d(X, KERNEL)),
    (
        "conv",
        {"x": X, "weight": KERNEL, "bias": BIAS},
        {"strides": [2, 1], "pad_type": "custom", "pad": [1, 1, 1, 1], "dilations": [1, 1]},
        nn.conv2d(X, KERNEL, BIAS, (2, 1), 1),
    ),
    (
        "conv",
        {"x": X, "weight": KERNEL},
        {"pad_type": "custom", "pad": [0, 1, 2, 3], "strides": [2, 2]},
        nn.conv2d(nn.pad(X, (2, 3, 0, 1)), KERNEL, stride=2),
    ),
    ("conv", {"x": X, "weight": GROUPED}, {"groups": 2}, nn.conv2d(X, GROUPED, groups=2)),
    (
        "conv",
        {"x": X, "weight": KERNEL},
        {"pad_type": "same", "dilations": [2, 1]},
        nn.conv2d(X, KERNEL, padding=(2, 1), dilation=(2, 1)),
    ),
    (
        "conv",
        {"x": X, "weight": KERNEL[:, :, :2, :2]},
        {"pad_type": "same"},
        nn.conv2d(nn.pad(X, (0, 1, 0, 1)), KERNEL[:, :, :2, :2]),
    ),
    (
        "conv",
        {"x": X, "weight": KERNEL[:, :, :2, :2]},
        {"pad_type": "same_lower"},
        nn.conv2d(nn.pad(X, (1, 0, 1, 0)), KERNEL[:, :, :2, :2]),
    ),
    ("conv", {"x": X[0], "weight": KERNEL[:, :4, 0]}, {}, nn.conv1d(X[0], KERNEL[:, :4, 0])),
    (
        "conv_transpose",
        {"x": X, "weight": TURNED},
        {"strides": [2, 2], "pad_type": "valid"},
        nn.conv_transpose2d(X, TURNED, stride=2),
    ),
    (
        "max_pool",
        x,
        {"kernel_sizes": [2, 2], "strides": [2, 2], "pad_type": "valid"},
        nn.max_pool2d(X, 2),
    ),
    (
        "max_pool",
        x,
        {"kernel_sizes": [2, 2], "strides": [2, 2], "pad_type": "custom", "pad": [0, 1, 1, 0]},
        nn.max_pool2d(nn.pad(X, (1, 0, 0, 1), value=-math.inf), 2),
    ),
    (
        "avg_pool",
        x,
        {"kernel_sizes": [2, 2], "pad_type": "custom", "pad": [1, 1, 1, 1]},
        nn.avg_pool2d(X, 2, 1, 1),
    ),
    ("pad", x, {"pad": [1, 2, 3, 0], "constant_val": 0.5}, nn.pad(X, (3, 0, 1, 2), value=0.5)),
    (
        "pad",
        x,
        {"pad": [0, 0, 0, 0, 1, 2, 0, 3], "mode": "reflect"},
        nn.pad(X, (0, 3, 1, 2), mode="reflect"),
    ),
    (
        "upsample_nearest_neighbor",
        x,
        {"scale_factor_height": np.float32(2), "scale_factor_width": np.float32(3)},
        X.repeat_interleave(2, 2).repeat_interleave(3, 3),
    ),
    (
        "upsample_bilinear",
        x,
        {"scale_factor_height": np.float32(2), "align_corners": False},
        nn.interpolate(X, scale_factor=(2.0, 1.0), mode="bilinear", align_corners=False),
    ),
)

NORMALISED = (X - X.mean(1, keepdim=True)) / (X.var(1, correction=0, keepdim=True) + 0.01).sqrt()
REDUCTION: tuple[Case, ...] = (
    (
        "batch_norm",
        {"x": X, "mean": SIX, "variance": SIX.square(), "gamma": SIX + 1, "beta": SIX - 1},
        {"epsilon": np.float32(0.1)},
        nn.batch_norm(X, SIX, SIX.square(), SIX + 1, SIX - 1, eps=0.1),
    ),
    ("cumsum", x, {"axis": 2}, X.cumsum(2)),
    ("cumsum", x, {"axis": 0, "exclusive": True}, torch.stack([X[0] * 0, X[0]])),
    ("cumsum", x, {"axis": 0, "reverse": True}, torch.stack([X[0] + X[1], X[1]])),
    (
        "instance_norm",
        {"x": X, "gamma": SIX, "beta": SIX + 1},
        {"epsilon": np.float32(0.1)},
        nn.instance_norm(X, weight=SIX, bias=SIX + 1, eps=0.1),
    ),
    (
        "l2_norm",
        x,
        {"epsilon": np.float32(1e-6)},
        X / (X.square().sum((1, 2, 3), keepdim=True) + 1e-6).sqrt(),
    ),
    ("layer_norm", x, {"axes": [1], "epsilon": np.float32(0.01)}, NORMALISED),
    (
        "layer_norm",
        {"x": X, "gamma": SIX, "beta": SIX + 1},
        {"axes": [1], "epsilon": np.float32(0.01)},
        NORMALISED * SIX.reshape(6, 1, 1) + (SIX + 1).reshape(6, 1, 1),
    ),
    (
        "layer_norm",
        {"x": X, "gamma": torch.ones(5), "beta": ROW},
        {"axes": [-1], "epsilon": np.float32(1e-5)},
        nn.layer_norm(X, (5,), None, ROW),
    ),
    ("reduce_argmax", x, {"axis": 1}, X.argmax(1).int()),
    ("reduce_argmin", x, {"axis": -1, "keep_dims": True}, X.argmin(-1, keepdim=True).int()),
    ("reduce_l2_norm", x, {"axes": [2]}, X.norm(dim=2)),
    ("reduce_max", x, {"axes": [1, 2]}, X.amax((1, 2))),
    ("reduce_mean", x, {"axes": [1], "keep_dims": True}, X.mean(1, keepdim=True)),
    ("reduce_mean", x, {}, X.mean()),
    ("reduce_min", x, {"axes": [-1]}, X.amin(-1)),
    ("reduce_sum", x, {"axes": [0]}, X[0] + X[1]),
    ("reduce_sum_square", x, {"axes": [0]}, X[0] ** 2 + X[1] ** 2),
)

SHAPE: tuple[Case, ...] = (
    ("band_part", {"x": X}, {"lower": 1, "upper": 0}, X.tril().triu(-1)),
    ("band_part", {"x": X}, {"lower": -1, "upper": 0}, X.tril()),
    ("expand_dims", x, {"axes": [0, -1]}, X[None, ..., None]),
    ("fill", {}, {"shape": [2, 3], "value": np.float32(1.5)}, torch.full((2, 3), 1.5)),
    ("pixel_shuffle", {"x": X[:, :4]}, {"upscale_factor": 2}, nn.pixel_shuffle(X[:, :4], 2)),
    ("range_1d", {}, {"start": 1, "end": 8, "step": 3}, torch.tensor([1, 4, 7]).int()),
    ("reshape", x, {"shape": [0, -1, 10]}, X.reshape(2, 12, 10)),
    ("shape", x, {}, torch.tensor([2, 6, 4, 5], dtype=torch.int32)),
    ("squeeze", {"x": X[:, :1, :, :1]}, {"axes": [-1]}, X[:, :1, :, 0]),
    ("squeeze", {"x": X[:, :1, :, :1]}, {}, X[:, 0, :, 0]),
    ("tile", x, {"reps": [1, 2, 1, 3]}, X.repeat(1, 2, 1, 3)),
    ("transpose", x, {"perm": [0, 3, 2, 1]}, X.permute(0, 3, 2, 1)),
)

INDEXING: tuple[Case, ...] = (
    ("gather", {"x": X, "indices": IDS}, {"axis": 1}, X[:, IDS.long()]),
    ("gather", {"x": X, "indices": IDS[0]}, {}, X[[1, 0]]),
    ("gather_along_axis", {"x": X[0, 0], "indices": IDS}, {"axis": 1}, X[0, 0][ROWS, IDS.long()]),
    ("gather_nd", {"x": X, "indices": IDS}, {}, torch.stack([X[1, 0], X[-1, 3]])),
    (
        "slice_by_index",
        x,
        {"begin": [0, 2, 0, 1], "end": [0, 4, 0, -1], "end_mask": [True, False, True, False]},
        X[:, 2:4, :, 1:-1],
    ),
    (
        "slice_by_index",
        x,
        {
            "begin": [1, 5, -3, 0],
            "end": [0, 0, 0, 0],
            "stride": [1, -2, 1, 2],
            "begin_mask": [False, False, False, True],
            "end_mask": [False, False, True, True],
            "squeeze_mask": [True, False, False, False],
        },
        X[1][[5, 3, 1]][:, -3:, ::2],
    ),
    ("slice_by_size", x, {"begin": [0, 1, 2, 0], "size": [1, 3, -1, 5]}, X[:1, 1:4, 2:]),
)

CASES = (*ELEMENTWISE, *LINEAR, *CONVOLUTION, *REDUCTION, *SHAPE, *INDEXING)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_an_operation_computes_what_torch_computes(case: Case) -> None:
    kind, feeds, parameters, expected = case
    (result,) = single(kind, feeds, parameters, expected)
    torch.testing.assert_close(result, expected)


SEVERAL: tuple[tuple[str, Mapping[str, object], list[torch.Tensor]], ...] = (
    ("split", {"num_splits": 3, "axis": 1}, [X[:, :2], X[:, 2:4], X[:, 4:]]),
    ("split", {"split_sizes": [1, 5], "axis": -3}, [X[:, :1], X[:, 1:]]),
)


@pytest.mark.parametrize(("kind", "parameters", "expected"), SEVERAL)
def test_split_gives_each_part_its_output(
    kind: str, parameters: Mapping[str, object], expected: list[torch.Tensor]
) -> None:
    results = single(kind, x, parameters, *expected)
    assert all(torch.equal(one, other) for one, other in zip(results, expected, strict=True))


VARIADIC: tuple[tuple[str, Mapping[str, object], torch.Tensor], ...] = (
    ("concat", {"axis": 1}, torch.cat([X, Y], 1)),
    ("concat", {"axis": -1, "interleave": False}, torch.cat([X, Y], 3)),
    ("concat", {"axis": 1, "interleave": True}, torch.stack([X, Y], 2).reshape(2, 12, 4, 5)),
    ("einsum", {"equation": "bchk,bchq->bckq"}, torch.einsum("bchk,bchq->bckq", X, Y)),
    ("stack", {"axis": 1}, torch.stack([X, Y], 1)),
)


@pytest.mark.parametrize(("kind", "parameters", "expected"), VARIADIC)
def test_operations_on_several_values(
    kind: str, parameters: Mapping[str, object], expected: torch.Tensor
) -> None:
    graph = Graph(inputs={"x": (F32, (2, 6, 4, 5)), "y": (F32, (2, 6, 4, 5))})
    output = graph.op(
        kind, {"values": (Ref("x"), Ref("y")), **parameters}, (F32, tuple(expected.shape))
    )
    torch.testing.assert_close(graph.run(output, xy), expected)


def test_every_operation_is_tried_here_or_among_the_compressed_constants() -> None:
    tried = {case[0] for case in CASES} | {case[0] for case in (*SEVERAL, *VARIADIC)}
    compressed = {name for name in OPERATIONS if name.startswith("constexpr_")}
    assert set(OPERATIONS) - tried == compressed


REFUSED: tuple[tuple[str, Mapping[str, torch.Tensor], Mapping[str, object], str], ...] = (
    ("gather", {"x": X, "indices": IDS + 9}, {"axis": 1}, "gather has indices 8 to 12"),
    ("gather", {"x": X, "indices": IDS - 9}, {"axis": 1}, "indices -4 to 0"),
    ("gelu", x, {"mode": "QUICK"}, "no mode QUICK"),
    ("conv", {"x": X, "weight": KERNEL}, {"pad_type": "wide"}, "unknown pad_type wide"),
    ("split", x, {"num_splits": 4, "axis": 1}, "into 4 equal parts"),
    ("squeeze", x, {"axes": [0]}, "not all of size 1"),
    ("softmax", x, {}, "argument axis is missing"),
    ("einsum", x, {"equation": 3}, "argument equation is missing or is not a string"),
)


@pytest.mark.parametrize(("kind", "feeds", "parameters", "reason"), REFUSED)
def test_what_a_device_would_not_refuse_is_refused_here(
    kind: str, feeds: Mapping[str, torch.Tensor], parameters: Mapping[str, object], reason: str
) -> None:
    with pytest.raises(ParityError, match=reason):
        single(kind, feeds, parameters, X)


@pytest.mark.parametrize(
    ("kind", "feeds", "parameters"),
    [
        ("gather", {"x": X, "indices": IDS}, {"batch_dims": 1}),
        ("gather_nd", {"x": X, "indices": IDS}, {"batch_dims": 1}),
        ("conv_transpose", {"x": X, "weight": TURNED}, {"pad_type": "same"}),
        (
            "avg_pool",
            x,
            {"kernel_sizes": [2, 2], "pad_type": "custom", "pad": [0, 1, 0, 1]},
        ),
        ("while_loop", x, {}),
    ],
)
def test_forms_that_are_not_implemented_are_named(
    kind: str, feeds: Mapping[str, torch.Tensor], parameters: Mapping[str, object]
) -> None:
    with pytest.raises(UnsupportedError, match=f"operation 0, {kind} -> v0: .*not implemented"):
        single(kind, feeds, parameters, X)
