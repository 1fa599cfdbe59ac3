from __future__ import annotations

import pytest

from sdcoreml.convert.compression.recipe import (
    Method,
    Recipe,
    parse_recipe,
    require_storable,
)
from sdcoreml.ground.errors import UnsupportedError

FILE = {
    "method": "kmeans",
    "bits": 8,
    "programs": {"unet": {"bits": 16, "layers": {"conv_in_weight": 4}}},
}


def test_a_program_has_its_own_fields_over_those_of_all() -> None:
    unet, text = parse_recipe(FILE, "unet"), parse_recipe(FILE, "text_encoder")
    assert (unet.bits, unet.method) == (16, Method.KMEANS)
    assert unet.bits_of("conv_in_weight") == 4
    assert unet.bits_of("conv_out_weight") == 16
    assert (text.bits, text.layers) == (8, None)


def test_the_controlled_unet_shares_the_unet_s() -> None:
    assert parse_recipe(FILE, "controlled_unet") == parse_recipe(FILE, "unet")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"colour": 3}, "unknown field 'colour'; the fields are method, bits, layers, group_size"),
        ({"method": "magic"}, "method: one of kmeans, uniform, linear is expected, not 'magic'"),
        ({"programs": {"unet": {"method": "magic"}}}, "recipe.method: one of .* not 'magic'"),
        ({"group_size": 0}, "group_size is 0; give a number of output channels"),
        ({"group_size": True}, "recipe.group_size: int is expected, not bool"),
        ({"group_size": "16"}, "recipe.group_size: int is expected, not str"),
        ({"group_size": 16, "method": "linear"}, "does not apply; leave the group size out"),
    ],
)
def test_what_does_not_exist_is_refused_for_any_program(
    fields: dict[str, object], reason: str
) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        parse_recipe(fields, "text_encoder")


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        (Recipe(bits=3), "cat: Core ML reads 3-bit codes .* add --target macOS15, or choose 1, 2,"),
        (Recipe(layers={"conv_in_weight": 3}), "3-bit codes only on macOS 15 and later"),
        (Recipe(group_size=16), "a palette for each group .* macOS15, or leave --group-size out"),
    ],
)
def test_what_only_newer_systems_read_is_refused_for_older_ones(
    recipe: Recipe, reason: str
) -> None:
    for specification in (7, 8):
        with pytest.raises(UnsupportedError, match=reason):
            require_storable(recipe, specification, "cat")
    for specification in (9, 10):
        require_storable(recipe, specification, "cat")


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        (Recipe(bits=5), "kmeans with 5 bits cannot be stored; choose 1, 2, 3, 4, 6, 8$"),
        (Recipe(method=Method.UNIFORM, bits=0), "uniform with 0 bits"),
        (Recipe(method=Method.LINEAR, bits=3), "linear with 3 bits cannot be stored; choose 8$"),
    ],
)
def test_bits_that_no_system_reads(recipe: Recipe, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        require_storable(recipe, 9, "cat")


def test_a_palette_for_each_channel_is_the_smallest_group() -> None:
    assert parse_recipe({"group_size": 1}).group_size == 1
