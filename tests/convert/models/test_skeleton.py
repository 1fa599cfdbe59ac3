from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.convert.models.skeleton import MOST, parameters
from tests.convert.models.originals import TEXT_CONFIG, UNETS, VAE_CONFIG

SD15 = {
    "block_out_channels": [320, 640, 1280, 1280],
    "cross_attention_dim": 768,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
}


def elements(found: dict[str, tuple[int, ...]] | None) -> int:
    total = 0
    for shape in (found or {}).values():
        count = 1
        for size in shape:
            count *= size
        total += count
    return total


def test_the_unet_of_sd15_has_its_known_size() -> None:
    found = parameters("UNet2DConditionModel", SD15)
    net = parameters("ControlNetModel", SD15) or {}
    assert {name.split(".")[0] for name in net} == {
        *("conv_in", "time_embedding", "down_blocks", "mid_block")
    }
    assert net.items() <= (found or {}).items()
    assert (len(found or {}), elements(found)) == (686, 859_520_964)


def test_the_text_encoder_of_sd15_has_its_known_size() -> None:
    config = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12}
    assert elements(parameters("CLIPTextModel", config)) == 123_060_480


def test_the_vae_of_sd15_has_its_known_size() -> None:
    config = {"block_out_channels": [128, 256, 512, 512], "layers_per_block": 2}
    assert elements(parameters("AutoencoderKL", config)) == 83_653_863


def test_a_projection_is_one_parameter_more() -> None:
    plain = parameters("CLIPTextModel", TEXT_CONFIG) or {}
    wide = parameters("CLIPTextModelWithProjection", TEXT_CONFIG) or {}
    assert wide.keys() - plain.keys() == {"text_projection.weight"}
    assert wide["text_projection.weight"] == (32, 64)


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("UNet3DConditionModel", SD15),
        ("UNet2DConditionModel", SD15 | {"class_embed_type": "projection"}),
        ("UNet2DConditionModel", {"in_channels": 4}),
        ("UNet2DConditionModel", SD15 | {"block_out_channels": "wide"}),
        ("UNet2DConditionModel", SD15 | {"layers_per_block": 10**9}),
        ("CLIPTextModel", TEXT_CONFIG | {"num_hidden_layers": 10**9}),
        ("AutoencoderKL", VAE_CONFIG | {"layers_per_block": 10**9}),
    ],
)
def test_what_is_not_described_here_or_not_believable_is_none(
    kind: str, config: dict[str, Any]
) -> None:
    assert parameters(kind, config) is None


def test_a_consistency_model_has_one_parameter_more() -> None:
    plain = parameters("UNet2DConditionModel", SD15) or {}
    found = parameters("UNet2DConditionModel", SD15 | {"time_cond_proj_dim": 256})
    assert found == plain | {"time_embedding.cond_proj.weight": (320, 256)}


JSON = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.lists(st.integers(), max_size=4)
)


@given(
    st.sampled_from(
        [
            ("UNet2DConditionModel", UNETS["sdxl"]),
            ("AutoencoderKL", VAE_CONFIG),
            ("CLIPTextModel", TEXT_CONFIG),
        ]
    ),
    st.data(),
)
def test_no_config_breaks_it(base: tuple[str, dict[str, Any]], data: st.DataObject) -> None:
    kind, config = base
    changed = config | {data.draw(st.sampled_from(sorted(config))): data.draw(JSON)}
    found = parameters(kind, changed)
    assert found is None or len(found) < MOST
