from __future__ import annotations

from typing import Any

import pytest

from sdcoreml.convert.models.skeleton import parameters
from sdcoreml.convert.programs.unet_config import parse_unet
from sdcoreml.ground.errors import BadInputError, UnsupportedError
from tests.odd.base import SD1_UNET


def test_what_is_given_for_each_block_alike_is_given_once() -> None:
    listed: dict[str, Any] = {
        "cross_attention_dim": [64, 64],
        "only_cross_attention": [False, False],
        "sample_size": [16, 16],
    }
    assert parse_unet("unet", SD1_UNET | listed) == parse_unet("unet", SD1_UNET)
    kind = "UNet2DConditionModel"
    assert parameters(kind, SD1_UNET | listed) == parameters(kind, SD1_UNET)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cross_attention_dim": [64, 96]}, "a different cross_attention_dim for each block"),
        ({"only_cross_attention": [True, True]}, "only_cross_attention"),
    ],
)
def test_what_differs_by_block_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UnsupportedError, match=said):
        parse_unet("unet", SD1_UNET | changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"attention_head_dim": 5}, "attention_head_dim=5, which does not divide a width of 32"),
        ({"norm_num_groups": 24}, "norm_num_groups=24, which does not divide"),
        ({"attention_head_dim": 0}, "attention_head_dim=0"),
    ],
)
def test_parts_have_to_divide_their_width(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        parse_unet("unet", SD1_UNET | changes)


def test_a_size_of_two_different_sides_is_left_to_the_options() -> None:
    assert parse_unet("unet", SD1_UNET | {"sample_size": [16, 24]}).sample_size is None
