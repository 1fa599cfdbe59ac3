"""The judges: pinned modules with streamed weights, and the inputs that they are given."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from convert.errors import BadInputError, UnsupportedError
from convert.references.components import REFERENCES, reference
from convert.references.inputs import denoising, images, latents, tokens
from convert.references.modules import open_module

TEXT = {
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 9,
    "eos_token_id": 2,
}
UNET = {
    "sample_size": 8,
    "block_out_channels": (32, 32),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "layers_per_block": 1,
    "cross_attention_dim": 16,
    "attention_head_dim": 2,
}
VAE = {
    "block_out_channels": (32,),
    "down_block_types": ("DownEncoderBlock2D",),
    "up_block_types": ("UpDecoderBlock2D",),
    "layers_per_block": 1,
    "latent_channels": 4,
}
CONFIGS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, tuple[int, ...]]]] = {
    "text_encoder": (TEXT, {"input_ids": (1, 9)}),
    "unet": (
        UNET,
        {"sample": (2, 4, 8, 8), "timestep": (2,), "encoder_hidden_states": (2, 16, 1, 9)},
    ),
    "vae_decoder": (VAE, {"z": (1, 4, 8, 8)}),
    "vae_encoder": (VAE, {"x": (1, 3, 8, 8)}),
}


def saved(component: str, folder: Path) -> tuple[torch.nn.Module, Path]:
    """A module with random weights, and its weights in a file."""
    torch.manual_seed(2)
    module = reference(component).build(CONFIGS[component][0]).eval()
    path = folder / "weights.safetensors"
    save_file(module.state_dict(), path, {"format": "pt"})
    return module, path


@pytest.mark.parametrize("component", REFERENCES)
def test_a_streamed_module_computes_what_the_module_itself_does(
    component: str, tmp_path: Path
) -> None:
    plain, path = saved(component, tmp_path)
    judge, (config, shapes) = reference(component), CONFIGS[component]
    streamed = open_module(lambda: judge.build(config), path, torch.float32)
    with torch.no_grad():
        for feed in judge.feeds(config, shapes):
            expected, actual = judge.call(plain, feed), judge.call(streamed, feed)
            assert expected.keys() == actual.keys()
            assert all(torch.equal(expected[name], actual[name]) for name in expected)


def test_weights_are_rounded_and_computing_is_not(tmp_path: Path) -> None:
    plain, path = saved("unet", tmp_path)
    judge, (config, shapes) = reference("unet"), CONFIGS["unet"]
    streamed = open_module(lambda: judge.build(config), path, torch.float16)
    feed = judge.feeds(config, shapes)[0]
    with torch.no_grad():
        different = judge.call(plain, feed)["noise_pred"]
        for parameter in plain.parameters():
            parameter.copy_(parameter.half())
        for layer in plain.modules():
            if hasattr(layer, "eps"):
                layer.eps = float(np.float16(layer.eps))
        expected = judge.call(plain, feed)["noise_pred"]
        actual = judge.call(streamed, feed)["noise_pred"]
    assert actual.dtype == torch.float32
    assert torch.equal(actual, expected)
    assert not torch.equal(actual, different)


def test_weights_take_memory_only_while_their_layer_computes(tmp_path: Path) -> None:
    _, path = saved("unet", tmp_path)
    judge, (config, shapes) = reference("unet"), CONFIGS["unet"]
    streamed = open_module(lambda: judge.build(config), path, torch.float16)
    filled: list[int] = []

    def count(*_: object) -> None:
        filled.append(sum(not parameter.is_meta for parameter in streamed.parameters()))

    for layer in streamed.modules():
        if layer._parameters:
            layer.register_forward_pre_hook(count)
    with torch.no_grad():
        judge.call(streamed, judge.feeds(config, shapes)[0])
    gc.collect()
    assert len(filled) > 20
    assert max(filled) <= 2
    assert all(parameter.is_meta for parameter in streamed.parameters())
    assert all(parameter.dtype == torch.float32 for parameter in streamed.parameters())


def test_missing_and_unknown_tensors_are_all_listed(tmp_path: Path) -> None:
    module, path = saved("unet", tmp_path)
    state = module.state_dict()
    del state["conv_in.bias"], state["conv_out.weight"]
    save_file({**state, "lora.up": torch.zeros(1)}, path)
    with pytest.raises(BadInputError) as caught:
        open_module(lambda: reference("unet").build(UNET), path, torch.float32)
    assert str(caught.value) == (
        f"{path}: lacks conv_in.bias, conv_out.weight; has the unknown lora.up; the config.json"
        " beside it describes another model"
    )


def test_what_older_checkpoints_stored_beside_their_weights_is_no_fault(tmp_path: Path) -> None:
    module, path = saved("text_encoder", tmp_path)
    extra = {"text_model.embeddings.position_ids": torch.arange(9)[None]}
    save_file({**module.state_dict(), **extra}, path)
    open_module(lambda: reference("text_encoder").build(TEXT), path, torch.float32)


def test_a_vae_with_the_attention_names_of_2022_is_read(tmp_path: Path) -> None:
    plain, path = saved("vae_decoder", tmp_path)
    old = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
    state = {}
    for name, tensor in plain.state_dict().items():
        for new, former in old.items():
            name = name.replace(new, former)  # noqa: PLW2901  one name after all four renames
        state[name] = tensor
    assert len([name for name in state if ".proj_attn." in name]) == 4
    save_file(state, path)
    judge, (config, shapes) = reference("vae_decoder"), CONFIGS["vae_decoder"]
    streamed = open_module(lambda: judge.build(config), path, torch.float32)
    with torch.no_grad():
        (feed,) = judge.feeds(config, shapes)
        assert torch.equal(judge.call(plain, feed)["image"], judge.call(streamed, feed)["image"])


def test_a_component_without_a_judge_is_named() -> None:
    with pytest.raises(UnsupportedError, match="safety: no reference module is known; known are"):
        reference("safety")


def test_prompts_begin_end_and_are_padded_as_clip_does_it() -> None:
    rows = [feed["input_ids"][0].tolist() for feed in tokens(TEXT, {"input_ids": (1, 16)})]
    short, full, empty = rows
    assert all(row[0] == 38 and row[-1] == 39 and len(row) == 16 for row in rows)
    assert short.index(39) == 12
    assert full.index(39) == 15
    assert empty == [38] + [39] * 15
    assert all(0 <= word < 38 for word in full[1:-1])


def test_every_row_of_every_run_has_a_timestep_and_noise_of_its_own() -> None:
    runs = denoising(UNET, CONFIGS["unet"][1])
    steps = [step for feed in runs for step in feed["timestep"].tolist()]
    assert steps == [981.0, 1.0, 441.0, 21.0]
    rows = [row for feed in runs for row in feed["sample"]]
    assert not any(torch.equal(one, other) for one, other in itertools.pairwise(rows))


def test_a_batch_of_one_gets_one_timestep() -> None:
    shapes = {"sample": (1, 4, 8, 8), "timestep": (1,), "encoder_hidden_states": (1, 16, 1, 9)}
    assert [feed["timestep"].tolist() for feed in denoising(UNET, shapes)] == [[981.0], [441.0]]


def test_inputs_survive_half_precision_and_are_the_same_each_time() -> None:
    for component, (config, shapes) in CONFIGS.items():
        once, again = (REFERENCES[component].feeds(config, shapes) for _ in range(2))
        for first, second in zip(once, again, strict=True):
            for name, tensor in first.items():
                assert tuple(tensor.shape) == shapes[name]
                assert torch.equal(tensor, second[name])
                assert torch.equal(tensor, tensor.half().float())


def test_pixels_fill_their_range_and_latents_exceed_unit_size() -> None:
    (image,) = images(VAE, {"x": (1, 3, 32, 48)})
    assert -1 <= float(image["x"].min()) < -0.8 < 0.8 < float(image["x"].max()) <= 1
    (latent,) = latents(VAE, {"z": (1, 4, 16, 16)})
    assert 3.5 < float(latent["z"].std()) < 4.5
