"""Windows over neighbourhoods: each form of padding, and what holds where one is left out."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch.nn import functional as nn

from sdcoreml.ground.errors import ParityError, UnsupportedError
from tests.inside.convert.mil.graphs import single

torch.manual_seed(11)
X = torch.randn(2, 4, 5, 7)
WEIGHT = torch.randn(6, 4, 3, 2)
TURNED = torch.randn(4, 3, 3, 2)
BIAS = torch.randn(6)
VOLUME, CUBE = torch.randn(1, 2, 3, 4, 5), torch.randn(3, 2, 2, 2, 2)

Case = tuple[str, Mapping[str, torch.Tensor], Mapping[str, object], torch.Tensor]
x = {"x": X}
two = {"kernel_sizes": [2, 3]}

CASES: tuple[Case, ...] = (
    ("conv", {"x": VOLUME, "weight": CUBE}, {}, nn.conv3d(VOLUME, CUBE)),
    (
        "conv",
        {"x": X, "weight": WEIGHT},
        {"dilations": [2, 3]},
        nn.conv2d(X, WEIGHT, dilation=(2, 3)),
    ),
    (
        "conv",
        {"x": X, "weight": WEIGHT},
        {"pad_type": "same", "strides": [2, 3]},
        nn.conv2d(nn.pad(X, (0, 1, 1, 1)), WEIGHT, stride=(2, 3)),
    ),
    (
        "conv",
        {"x": X[:, :, :4], "weight": WEIGHT},
        {"pad_type": "same_lower", "strides": [3, 1]},
        nn.conv2d(nn.pad(X[:, :, :4], (1, 0, 1, 1)), WEIGHT, stride=(3, 1)),
    ),
    (
        "conv",
        {"x": X, "weight": torch.ones(6, 4, 1, 1)},
        {"pad_type": "same", "strides": [3, 2]},
        nn.conv2d(X, torch.ones(6, 4, 1, 1), stride=(3, 2)),
    ),
    ("conv_transpose", {"x": X, "weight": TURNED}, {}, nn.conv_transpose2d(X, TURNED)),
    (
        "conv_transpose",
        {"x": X, "weight": TURNED, "bias": BIAS},
        {
            "pad_type": "custom",
            "pad": [1, 1, 2, 2],
            "strides": [2, 3],
            "dilations": [1, 2],
            "groups": 2,
        },
        nn.conv_transpose2d(X, TURNED, BIAS, (2, 3), (1, 2), 0, 2, (1, 2)),
    ),
    (
        "conv_transpose",
        {"x": VOLUME, "weight": CUBE[:2]},
        {},
        nn.conv_transpose3d(VOLUME, CUBE[:2]),
    ),
    ("max_pool", x, two, nn.max_pool2d(X, (2, 3), 1)),
    (
        "max_pool",
        x,
        {**two, "strides": [2, 2], "ceil_mode": True},
        nn.max_pool2d(X, (2, 3), 2, ceil_mode=True),
    ),
    (
        "max_pool",
        {"x": -X.abs()},
        {**two, "pad_type": "same"},
        nn.max_pool2d(nn.pad(-X.abs(), (1, 1, 0, 1), value=-math.inf), (2, 3), 1),
    ),
    (
        "max_pool",
        {"x": -X.abs()},
        {**two, "pad_type": "custom", "pad": [1, 1, 1, 1]},
        nn.max_pool2d(-X.abs(), (2, 3), 1, 1),
    ),
    ("max_pool", {"x": X[0]}, {"kernel_sizes": [3]}, nn.max_pool1d(X[0], 3, 1)),
    ("avg_pool", x, two, nn.avg_pool2d(X, (2, 3), 1)),
    (
        "avg_pool",
        x,
        {**two, "strides": [2, 2], "ceil_mode": True},
        nn.avg_pool2d(X, (2, 3), 2, ceil_mode=True),
    ),
    (
        "avg_pool",
        x,
        {
            **two,
            "pad_type": "custom",
            "pad": [1, 1, 0, 0],
            "exclude_padding_from_average": True,
        },
        nn.avg_pool2d(X, (2, 3), 1, (1, 0), count_include_pad=False),
    ),
    ("avg_pool", {"x": VOLUME}, {"kernel_sizes": [2, 2, 2]}, nn.avg_pool3d(VOLUME, 2, 1)),
    ("pad", x, {"pad": [1, 2]}, nn.pad(X, (1, 2))),
    ("pad", x, {"pad": [0] * 8, "mode": "reflect"}, X),
    (
        "pad",
        x,
        {"pad": [0, 0, 2, 1, 0, 0], "mode": "replicate"},
        nn.pad(X, (0, 0, 2, 1), mode="replicate"),
    ),
    (
        "upsample_nearest_neighbor",
        x,
        {"scale_factor_width": np.float32(2)},
        X.repeat_interleave(2, 3),
    ),
    ("upsample_nearest_neighbor", x, {}, X),
    (
        "upsample_bilinear",
        x,
        {"scale_factor_width": np.float32(2)},
        nn.interpolate(X, scale_factor=(1.0, 2.0), mode="bilinear", align_corners=True),
    ),
    (
        "upsample_bilinear",
        x,
        {"scale_factor_width": np.float32(2), "align_corners": True},
        nn.interpolate(X, scale_factor=(1.0, 2.0), mode="bilinear", align_corners=True),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_a_window_sees_what_torch_shows_it(case: Case) -> None:
    kind, feeds, parameters, expected = case
    (result,) = single(kind, feeds, parameters, expected)
    torch.testing.assert_close(result, expected)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"pad_type": "same"}, "conv_transpose with padding same [0, 0, 0, 0]"),
        ({"pad_type": "custom", "pad": [1, 2, 0, 0]}, "with padding custom [1, 2, 0, 0]"),
    ],
)
def test_a_padding_that_is_not_implemented_is_named(
    parameters: Mapping[str, object], said: str
) -> None:
    with pytest.raises(UnsupportedError) as caught:
        single("conv_transpose", {"x": X, "weight": TURNED}, parameters, X)
    assert f"{said} is not implemented" in str(caught.value)


def test_an_uneven_mean_is_refused_by_name() -> None:
    parameters = {**two, "pad_type": "custom", "pad": [0, 1, 0, 0]}
    with pytest.raises(UnsupportedError, match="avg_pool with asymmetric padding is not"):
        single("avg_pool", x, parameters, X)


def test_an_unknown_padding_is_no_padding() -> None:
    with pytest.raises(ParityError, match="unknown pad_type wide"):
        single("max_pool", x, {**two, "pad_type": "wide"}, X)
