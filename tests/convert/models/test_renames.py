from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.convert.models.renames import (
    CLIP,
    OPEN_CLIP,
    UNET,
    VAE,
    Table,
    period_numbering,
    rename,
    underscore,
    unet_numbering,
    vae_numbering,
)

THREE = period_numbering(3)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("time_embed.0.weight", "time_embedding.linear_1.weight"),
        ("label_emb.0.2.bias", "add_embedding.linear_2.bias"),
        ("input_blocks.0.0.weight", "conv_in.weight"),
        ("input_blocks.1.0.in_layers.0.weight", "down_blocks.0.resnets.0.norm1.weight"),
        ("input_blocks.2.0.out_layers.3.bias", "down_blocks.0.resnets.1.conv2.bias"),
        ("input_blocks.3.0.op.weight", "down_blocks.0.downsamplers.0.conv.weight"),
        ("input_blocks.4.0.skip_connection.bias", "down_blocks.1.resnets.0.conv_shortcut.bias"),
        (
            "input_blocks.8.1.transformer_blocks.0.attn2.to_k.weight",
            "down_blocks.2.attentions.1.transformer_blocks.0.attn2.to_k.weight",
        ),
        ("middle_block.0.emb_layers.1.weight", "mid_block.resnets.0.time_emb_proj.weight"),
        ("middle_block.1.proj_in.weight", "mid_block.attentions.0.proj_in.weight"),
        ("middle_block.2.in_layers.2.weight", "mid_block.resnets.1.conv1.weight"),
        ("output_blocks.2.1.conv.bias", "up_blocks.0.upsamplers.0.conv.bias"),
        ("output_blocks.5.2.conv.weight", "up_blocks.1.upsamplers.0.conv.weight"),
        ("output_blocks.11.1.norm.weight", "up_blocks.3.attentions.2.norm.weight"),
        ("out.0.weight", "conv_norm_out.weight"),
        ("out.2.bias", "conv_out.bias"),
        ("somewhere.else", None),
    ],
)
def test_the_unet_of_sd15(old: str, new: str | None) -> None:
    assert rename(old, UNET, THREE) == new


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "encoder.down.1.block.0.nin_shortcut.weight",
            "encoder.down_blocks.1.resnets.0.conv_shortcut.weight",
        ),
        ("encoder.down.2.downsample.conv.bias", "encoder.down_blocks.2.downsamplers.0.conv.bias"),
        ("decoder.up.3.block.1.norm1.weight", "decoder.up_blocks.0.resnets.1.norm1.weight"),
        ("decoder.up.1.upsample.conv.bias", "decoder.up_blocks.2.upsamplers.0.conv.bias"),
        ("decoder.mid.attn_1.proj_out.weight", "decoder.mid_block.attentions.0.to_out.0.weight"),
        ("encoder.mid.block_2.conv1.bias", "encoder.mid_block.resnets.1.conv1.bias"),
        ("encoder.norm_out.weight", "encoder.conv_norm_out.weight"),
        ("post_quant_conv.bias", "post_quant_conv.bias"),
    ],
)
def test_the_vae(old: str, new: str) -> None:
    numbering = vae_numbering([f"decoder.up.{level}.block.0.conv1.bias" for level in range(4)])
    assert rename(old, VAE, numbering) == new


@pytest.mark.parametrize(
    ("table", "old", "new"),
    [
        (CLIP, "text_model.final_layer_norm.bias", "text_model.final_layer_norm.bias"),
        (CLIP, "final_layer_norm.bias", "text_model.final_layer_norm.bias"),
        (OPEN_CLIP, "positional_embedding", "text_model.embeddings.position_embedding.weight"),
        (
            OPEN_CLIP,
            "transformer.resblocks.11.mlp.c_fc.bias",
            "text_model.encoder.layers.11.mlp.fc1.bias",
        ),
        (
            OPEN_CLIP,
            "transformer.resblocks.0.attn.in_proj_weight",
            "text_model.encoder.layers.0.self_attn.in_proj_weight",
        ),
    ],
)
def test_the_text_encoders(table: Table, old: str, new: str) -> None:
    assert rename(old, table, {}) == new


@pytest.mark.parametrize(
    ("ends", "blocks", "level"),
    [([3, 6, 9], 12, (1, 0)), ([2, 4], 6, (1, 1)), ([], 4, (0, 3))],
)
def test_levels_are_counted_by_their_downsampling(
    ends: list[int], blocks: int, level: tuple[int, int]
) -> None:
    names = [
        f"input_blocks.{n}.0.{'op' if n in ends else 'in_layers.0'}.weight" for n in range(blocks)
    ]
    numbering = unet_numbering(names)
    assert (numbering["down"](4), numbering["down_layer"](4)) == level


@pytest.mark.parametrize("names", [[], ["input_blocks.0.0.op.weight"], ["decoder.up.x.y"]])
def test_odd_names_have_some_numbering(names: list[str]) -> None:
    assert unet_numbering(names)["down"](1) >= 0
    assert vae_numbering(names)["mirror"](0) == 0


def test_names_with_underscores_follow_the_same_tables() -> None:
    flat = underscore(UNET)
    for old in ("input_blocks.4.1.proj_in.", "middle_block.0.in_layers.2.", "out.2."):
        dotted = rename(old, UNET, THREE)
        assert dotted
        assert rename(old.replace(".", "_"), flat, THREE) == dotted.replace(".", "_")


RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "emb_layers.1": "time_emb_proj",
    "skip_connection": "conv_shortcut",
}


@pytest.mark.parametrize(("old", "new"), RESNET.items())
@pytest.mark.parametrize(
    ("block", "layer"),
    [
        ("input_blocks.7.0", "down_blocks.2.resnets.0"),
        ("middle_block.0", "mid_block.resnets.0"),
        ("middle_block.2", "mid_block.resnets.1"),
        ("output_blocks.4.0", "up_blocks.1.resnets.1"),
    ],
)
def test_the_inside_of_a_residual_layer_is_the_same_everywhere(
    block: str, layer: str, old: str, new: str
) -> None:
    for end in ("weight", "bias"):
        assert rename(f"{block}.{old}.{end}", UNET, THREE) == f"{layer}.{new}.{end}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("time_embed.2.bias", "time_embedding.linear_2.bias"),
        ("label_emb.0.0.weight", "add_embedding.linear_1.weight"),
        ("out.0.bias", "conv_norm_out.bias"),
        # What lies inside of attention keeps its names, in whatever words.
        ("middle_block.1.in_layers.0.weight", "mid_block.attentions.0.in_layers.0.weight"),
        ("input_blocks.1.1.norm.bias", "down_blocks.0.attentions.0.norm.bias"),
        ("output_blocks.8.1.conv.weight", "up_blocks.2.upsamplers.0.conv.weight"),
        ("time_embed.1.weight", None),
        ("middle_block.3.weight", None),
        ("out.1.weight", None),
    ],
)
def test_what_surrounds_the_levels(old: str, new: str | None) -> None:
    assert rename(old, UNET, THREE) == new


@pytest.mark.parametrize("side", ["encoder", "decoder"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("conv_in", "conv_in"),
        ("conv_out", "conv_out"),
        ("norm_out", "conv_norm_out"),
        ("mid.block_1.norm1", "mid_block.resnets.0.norm1"),
        ("mid.block_2.conv2", "mid_block.resnets.1.conv2"),
        ("mid.attn_1.norm", "mid_block.attentions.0.group_norm"),
        ("mid.attn_1.q", "mid_block.attentions.0.to_q"),
        ("mid.attn_1.k", "mid_block.attentions.0.to_k"),
        ("mid.attn_1.v", "mid_block.attentions.0.to_v"),
        ("mid.attn_1.proj_out", "mid_block.attentions.0.to_out.0"),
    ],
)
def test_both_sides_of_the_vae(side: str, old: str, new: str) -> None:
    for end in ("weight", "bias"):
        assert rename(f"{side}.{old}.{end}", VAE, {}) == f"{side}.{new}.{end}"


@pytest.mark.parametrize("name", ["quant_conv.weight", "post_quant_conv.bias"])
def test_what_lies_between_encoder_and_latents_keeps_its_name(name: str) -> None:
    assert rename(name, VAE, {}) == name


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("token_embedding.weight", "text_model.embeddings.token_embedding.weight"),
        ("ln_final.bias", "text_model.final_layer_norm.bias"),
        ("text_projection", "text_projection.weight"),
        ("transformer.resblocks.3.ln_1.weight", "text_model.encoder.layers.3.layer_norm1.weight"),
        ("transformer.resblocks.3.ln_2.bias", "text_model.encoder.layers.3.layer_norm2.bias"),
        (
            "transformer.resblocks.3.mlp.c_proj.weight",
            "text_model.encoder.layers.3.mlp.fc2.weight",
        ),
        (
            "transformer.resblocks.23.attn.out_proj.bias",
            "text_model.encoder.layers.23.self_attn.out_proj.bias",
        ),
        ("logit_scale", None),
    ],
)
def test_open_clip(old: str, new: str | None) -> None:
    assert rename(old, OPEN_CLIP, {}) == new


@pytest.mark.parametrize(
    "name", ["embeddings.token_embedding.weight", "encoder.layers.0.mlp.fc1.bias"]
)
def test_a_text_encoder_without_its_outer_name_gets_it_back(name: str) -> None:
    assert rename(name, CLIP, {}) == f"text_model.{name}"
    assert rename(f"text_model.{name}", CLIP, {}) == f"text_model.{name}"


def test_a_row_means_the_start_of_a_name_and_its_dots() -> None:
    assert rename("xtime_embed.0.weight", UNET, THREE) is None
    assert rename("time_embedX0.weight", UNET, THREE) is None
    assert rename("quant_convXweight", VAE, {}) is None


@given(st.integers(1, 6), st.integers(1, 40))
def test_every_flat_number_has_one_level_and_layer(period: int, number: int) -> None:
    count = period_numbering(period)
    assert count["down"](number) * period + count["down_layer"](number) + 1 == number
    assert count["up"](number) * period + count["up_layer"](number) == number
    assert 0 <= count["down_layer"](number) < period
    assert 0 <= count["up_layer"](number) < period
