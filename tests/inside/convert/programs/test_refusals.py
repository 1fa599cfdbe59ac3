"""Unsupported options are refused by name, and all mismatched tensors are listed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from sdcoreml.convert.packages.write import write_package
from sdcoreml.convert.programs import build_program, draw
from sdcoreml.convert.programs.options import Precision, ProgramOptions
from sdcoreml.convert.weights.safetensors import TensorFile
from sdcoreml.ground.errors import BadInputError, UnsupportedError
from tests.inside.convert.programs.configs import CONFIGS, UNET
from tests.inside.convert.programs.models import Checkpoint, checkpoint, save

REFUSED: Mapping[str, tuple[str, Any]] = {
    "inpainting": ("in_channels", 9),
    "latent consistency": ("time_cond_proj_dim", 256),
    "class labels": ("num_class_embeds", 1000),
    "class projection": ("class_embed_type", "projection"),
    "another activation": ("act_fn", "gelu"),
    "another middle": ("mid_block_type", "UNetMidBlock2DSimpleCrossAttn"),
    "fourier time": ("time_embedding_type", "fourier"),
    "cross-attention only": ("only_cross_attention", True),
    "two contexts": ("dual_cross_attention", True),
    "image conditions": ("addition_embed_type", "image"),
    "projected context": ("encoder_hid_dim", 1024),
    "gated attention": ("attention_type", "gated"),
    "an option that does not exist yet": ("temporal_layers", 4),
}


@pytest.mark.parametrize(("option", "value"), REFUSED.values(), ids=REFUSED.keys())
def test_an_option_of_a_unet(option: str, value: object) -> None:
    with pytest.raises(UnsupportedError) as caught:
        draw("unet", {**UNET, option: value})
    assert f"{option}={value!r}" in str(caught.value)


def test_what_the_apps_could_not_run_is_refused_with_the_reason() -> None:
    with pytest.raises(UnsupportedError) as caught:
        draw("unet", {**UNET, "time_cond_proj_dim": 256, "num_class_embeds": 3, "act_fn": "gelu"})
    assert str(caught.value) == (
        "unet: config.json has options that this converter does not implement:"
        " time_cond_proj_dim=256 (a consistency model's guidance embedding; only ComfyUI's"
        " nodes feed one, of 256 numbers: --app comfyui),"
        " num_class_embeds=3 (no app sends a class), act_fn='gelu'; convert a model without it"
    )


@pytest.mark.parametrize("name", ["dtype", "torch_dtype"])
def test_a_config_may_say_in_which_type_its_file_is(name: str) -> None:
    config = {**CONFIGS["text_encoder"], name: "float16"}
    assert (
        draw("text_encoder", config).graph.declared
        == draw("text_encoder", CONFIGS["text_encoder"]).graph.declared
    )


def test_all_options_are_named_at_once() -> None:
    with pytest.raises(UnsupportedError, match=r"in_channels=9 .*num_class_embeds=3"):
        draw("unet", {**UNET, "in_channels": 9, "num_class_embeds": 3})


def test_blocks_of_another_kind() -> None:
    blocks = ["CrossAttnDownBlock2D", "AttnDownBlock2D", "DownBlock2D"]
    with pytest.raises(UnsupportedError, match="AttnDownBlock2D;"):
        draw("unet", {**UNET, "down_block_types": blocks})


@pytest.mark.parametrize(
    ("component", "option", "value"),
    [
        ("vae_decoder", "latents_mean", [0.1, 0.2, 0.3, 0.4]),
        ("vae_encoder", "use_quant_conv", False),
        ("vae_decoder", "up_block_types", ["AttnUpDecoderBlock2D"] * 4),
        ("vae_encoder", "in_channels", 4),
        ("text_encoder", "hidden_act", "relu"),
        ("text_encoder", "use_cache", True),
    ],
)
def test_an_option_of_the_others(component: str, option: str, value: object) -> None:
    with pytest.raises(UnsupportedError) as caught:
        draw(component, {**CONFIGS[component], option: value})
    assert f"{option}={value!r}" in str(caught.value)


def test_options_that_a_config_must_have() -> None:
    config = {name: UNET[name] for name in UNET if "cross_attention" not in name}
    with pytest.raises(BadInputError, match="lacks cross_attention_dim"):
        draw("unet", config)


def test_a_component_that_nobody_builds() -> None:
    with pytest.raises(
        UnsupportedError,
        match="transformer: there is no program for this component; there are controll",
    ):
        draw("transformer", {})


@pytest.mark.parametrize("size", [(6, 8), (8, 10), (2, 2)])
def test_a_size_that_cannot_be_halved(size: tuple[int, int]) -> None:
    with pytest.raises(UnsupportedError, match="multiples of 32"):
        draw("unet", UNET, ProgramOptions(height=size[0], width=size[1]))


def test_more_tokens_than_positions() -> None:
    with pytest.raises(UnsupportedError, match="78 tokens were requested, but the model has 77"):
        draw("text_encoder", CONFIGS["text_encoder"], ProgramOptions(tokens=78))


@pytest.mark.parametrize("pad", [-1, 1000])
def test_a_token_to_pad_with_that_the_model_does_not_know(pad: int) -> None:
    config = {**CONFIGS["text_encoder"], "vocab_size": 1000}
    with pytest.raises(UnsupportedError, match=f"the padding token {pad} is not among the model's"):
        draw("text_encoder", config, ProgramOptions(pad_id=pad))


def test_a_vae_without_any_size() -> None:
    config = {name: value for name, value in CONFIGS["vae_decoder"].items() if "size" not in name}
    with pytest.raises(UnsupportedError, match="choose one with --size"):
        draw("vae_decoder", config)


def test_tensors_that_lack_or_are_too_many_or_misshapen_are_all_listed(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    state = dict(load_file(made.weights))
    del state["conv_in.bias"], state["mid_block.resnets.1.norm1.weight"]
    state["class_embedding.weight"] = torch.zeros(3, 4)
    state["mid_block.extra"] = torch.zeros(1)
    state["conv_norm_out.bias"] = torch.zeros(31)
    with (
        TensorFile.open(save(state, tmp_path / "broken.safetensors")) as tensors,
        pytest.raises(BadInputError) as caught,
    ):
        build_program("unet", made.config, tensors)
    text = str(caught.value)
    assert text.startswith("unet: 5 tensors do not fit its config.json: missing conv_in.bias 32;")
    for fault in (
        "missing mid_block.resnets.1.norm1.weight 64",
        "unused class_embedding.weight",
        "unused mid_block.extra",
        "conv_norm_out.bias is 31, expected 32",
    ):
        assert fault in text


def test_the_config_of_another_model(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    config = {**made.config, "cross_attention_dim": 16}
    with TensorFile.open(made.weights) as tensors, pytest.raises(BadInputError) as caught:
        build_program("unet", config, tensors)
    assert "attn2.to_k.weight is 32x24, expected 32x16" in str(caught.value)


def test_a_stored_buffer_is_no_tensor_too_many(tmp_path: Path) -> None:
    made = checkpoint("text_encoder", tmp_path)
    state = dict(load_file(made.weights))
    state["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    path = save(state, tmp_path / "old.safetensors")
    old = Checkpoint(component="text_encoder", config=made.config, weights=path)
    assert old.build().model == made.build().model


def test_a_weight_that_float16_cannot_hold_stops_the_conversion(tmp_path: Path) -> None:
    made = checkpoint("vae_decoder", tmp_path)
    state = {name: tensor.float() for name, tensor in load_file(made.weights).items()}
    state["decoder.conv_in.weight"][0, 0, 0, 0] = -70000.0
    weights = save(state, tmp_path / "big.safetensors", torch.float32)
    package = tmp_path / "x.mlpackage"
    with TensorFile.open(weights) as tensors:
        half = build_program("vae_decoder", made.config, tensors)
        with pytest.raises(BadInputError, match=r"decoder.conv_in.weight: holds -70000, .* fp32"):
            write_package(half, tensors, package)
        assert list(tmp_path.glob("*mlpackage*")) == []
        full = ProgramOptions(precision=Precision.FP32)
        write_package(build_program("vae_decoder", made.config, tensors, full), tensors, package)
    assert package.is_dir()
