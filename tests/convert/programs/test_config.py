from __future__ import annotations

import pytest

from sdcoreml.convert.programs.config import ConfigReader
from sdcoreml.ground.errors import BadInputError


def reader(**config: object) -> ConfigReader:
    return ConfigReader(component="unet", config=config)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("layers_per_block", 10**9),
        ("layers_per_block", -2),
        ("scaling_factor", 0),
        ("norm_eps", float("nan")),
        ("freq_shift", 1e30),
    ],
)
def test_a_number_that_no_model_has_is_refused(name: str, value: float) -> None:
    with pytest.raises(BadInputError, match=f"config.json has {name}=.*; models have"):
        reader(**{name: value}).read(name, float)


def test_each_number_of_a_list_counts_and_an_empty_list_is_refused() -> None:
    name = "block_out_channels"
    assert reader(block_out_channels=[320, 640]).read(name, tuple[int, ...]) == (320, 640)
    for values in ([320, 0], []):
        with pytest.raises(BadInputError, match=f"config.json has {name}="):
            reader(block_out_channels=values).read(name, tuple[int, ...])
    assert reader().read(name, tuple[int, ...], ()) == ()


def test_a_list_has_an_entry_for_each_level() -> None:
    said = reader(layers_per_block=[2, 3], attention_head_dim=8)
    assert said.read_per_level("layers_per_block", 2, 2) == (2, 3)
    assert said.read_per_level("attention_head_dim", 3, 8) == (8, 8, 8)
    with pytest.raises(BadInputError, match="has 2 layers_per_block for 3 block_out_channels"):
        said.read_per_level("layers_per_block", 3, 2)
