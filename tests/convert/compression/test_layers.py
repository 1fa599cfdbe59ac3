from __future__ import annotations

from sdcoreml.convert.compression.layers import group_layers


def test_layers_are_grouped_by_block_and_counted_as_people_do() -> None:
    names = (
        "up_blocks_1_resnets_10_conv1_weight",
        "up_blocks_1_resnets_9_conv1_weight",
        "conv_in_weight",
        "mid_block_attentions_0_transformer_blocks_0_attn1_to_q_weight",
        "down_blocks_0_attentions_1_transformer_blocks_0_attn1_to_q_weight",
        "text_model_encoder_layers_11_mlp_fc1_weight",
        "text_model_encoder_layers_2_mlp_fc1_weight",
    )
    assert group_layers(names) == {
        "down_blocks_0": (names[4],),
        "mid_block": (names[3],),
        "text_model_encoder_layers_2": (names[6],),
        "text_model_encoder_layers_11": (names[5],),
        "up_blocks_1": (names[1], names[0]),
        "others": (names[2],),
    }
    assert [*group_layers(names)][::5] == ["down_blocks_0", "others"]
    assert group_layers(()) == {}


def test_a_number_of_thousands_of_digits_is_sorted_too() -> None:
    assert len(group_layers(["a_blocks_" + "9" * 10_000])) == 1
