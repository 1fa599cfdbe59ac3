from __future__ import annotations

import pytest

from convert.compression_recipe import Method, parse_recipe
from convert.errors import UnsupportedError

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
        ({"colour": 3}, "colour unknown; known: method, bits, layers"),
        ({"method": "magic"}, "method is not 'magic'; choose kmeans, uniform, linear"),
        ({"programs": {"unet": {"method": "magic"}}}, "method is not 'magic'"),
    ],
)
def test_what_does_not_exist_is_refused_for_any_program(
    fields: dict[str, object], reason: str
) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        parse_recipe(fields, "text_encoder")
