"""What the names of tensors belong to."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge.tensors import add_kinds, describe


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cond_stage_model.transformer.text_model.embeddings.position_ids", "a whole checkpoint"),
        ("conditioner.embedders.0.transformer.x", "a whole SDXL checkpoint"),
        ("lora_unet_down_blocks_0.lora_up.weight", "a LoRA"),
        ("lora_unet_mid.hada_w1_a", "a LyCORIS"),
        ("text_model.encoder.layers.0.mlp.fc1.weight", "a text encoder (CLIP)"),
        ("string_to_param", "an embedding"),
        ("control_model.input_blocks.0.0.weight", "a ControlNet"),
        ("double_blocks.0.img_attn.qkv.weight", "a Flux model"),
        ("input_blocks.0.0.weight", "a UNet in the original layout"),
        ("down_blocks.0.resnets.0.conv1.weight", "a UNet in diffusers' layout"),
        ("encoder.down.0.block.0.conv1.weight", "a VAE"),
        ("encoder.down_blocks.0.resnets.0.conv1.weight", "a VAE in diffusers' layout"),
        ("frob.weight", ""),
    ],
)
def test_a_tensor_is_told_by_its_name(name: str, kind: str) -> None:
    assert describe(name).startswith(kind)
    assert bool(describe(name)) is bool(kind)


def test_only_what_is_told_is_added_to_what_was_captured() -> None:
    assert add_kinds({"has": "frob.weight", "name": "x"}) == {"has": "frob.weight", "name": "x"}
    assert add_kinds({"wants": "adapter.body.0"})["wants_kind"] == "a T2I-Adapter"
