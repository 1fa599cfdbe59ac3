"""Compares what we read from single files with the conversion of the pinned diffusers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.pipelines.stable_diffusion import convert_from_ckpt as theirs
from safetensors.torch import load_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from sdcoreml.convert.models import configs
from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.prediction import PredictionSource
from sdcoreml.convert.models.single_file import SingleFile, take_apart
from sdcoreml.convert.models.skeleton import parameters
from sdcoreml.convert.weights.source import open_checkpoint
from sdcoreml.convert.weights.writer import write_safetensors
from tests.convert.models.originals import (
    TEXT_CONFIG,
    UNETS,
    VAE_CONFIG,
    original_texts,
    original_unet,
    original_vae,
)

Tensors = dict[str, torch.Tensor]


def original(name: str) -> Tensors:
    """Return random tensors of a whole checkpoint, under their original names."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(**UNETS[name]).state_dict()
    vae = AutoencoderKL(**VAE_CONFIG).state_dict()
    text = CLIPTextModel(CLIPTextConfig(**TEXT_CONFIG)).state_dict()
    # diffusers drops the last layer of SD 2's text encoder by number, so the depth must be real.
    layers = 24 if name == "sd2" else 3
    config = CLIPTextConfig(**{**TEXT_CONFIG, "num_hidden_layers": layers})
    wide = CLIPTextModelWithProjection(config).state_dict()
    encoders = original_texts(name, text, wide, torch.cat)
    return {**original_unet(unet), **original_vae(vae), **encoders}


def theirs_of(name: str, checkpoint: Tensors, ours: SingleFile) -> Mapping[str, Tensors]:
    """Convert `checkpoint` with the pinned diffusers; return the tensors of each component.

    diffusers would download the configs of the text encoders; this passes it the ones we derived.
    """
    unet, vae = ours.parts["unet"].config, ours.parts["vae"].config
    full = {"class_embed_type": None, "addition_embed_type": None, **unet}
    found: dict[str, Tensors] = {
        "unet": theirs.convert_ldm_unet_checkpoint(dict(checkpoint), full),
        "vae": theirs.convert_ldm_vae_checkpoint(dict(checkpoint), vae),
    }
    for component, part in ours.parts.items():
        if not component.startswith("text_encoder"):
            continue
        config = CLIPTextConfig(**part.config)
        with mock.patch.object(CLIPTextConfig, "from_pretrained", return_value=config):
            encoder = _their_text(name, component, dict(checkpoint))
        found[component] = encoder.state_dict()
    return found


def _their_text(name: str, component: str, checkpoint: Tensors) -> torch.nn.Module:
    if name == "sd1" or (name == "sdxl" and component == "text_encoder"):
        return theirs.convert_ldm_clip_checkpoint(checkpoint)
    if name == "sd2":
        return theirs.convert_open_clip_checkpoint(checkpoint, "stabilityai/stable-diffusion-2")
    number = 0 if name == "refiner" else 1
    return theirs.convert_open_clip_checkpoint(
        checkpoint, "laion", f"conditioner.embedders.{number}.model.", has_projection=True
    )


@pytest.mark.parametrize("save", [torch.save, "safetensors"], ids=["ckpt", "safetensors"])
@pytest.mark.parametrize("name", ["sd1", "sd2", "sdxl", "refiner"])
def test_every_component_is_bit_for_bit_theirs(
    tmp_path: Path, name: str, save: Callable[..., None] | str
) -> None:
    checkpoint = original(name)
    path = tmp_path / ("m.safetensors" if save == "safetensors" else "m.ckpt")
    if callable(save):
        save({"state_dict": checkpoint, "global_step": 1}, path)
    else:
        from safetensors.torch import save_file

        save_file({k: t.contiguous().clone() for k, t in checkpoint.items()}, path)
    ours = take_apart(open_checkpoint(path), PredictionSource(option="v_prediction"))
    assert ours
    assert ours.faults == ()
    expected = theirs_of(name, checkpoint, ours)
    assert ours.parts.keys() == expected.keys()
    for component, part in ours.parts.items():
        write_safetensors(part.tensors, tmp_path / "part.safetensors")
        written = load_file(tmp_path / "part.safetensors")
        assert written.keys() == expected[component].keys(), component
        for key, tensor in expected[component].items():
            assert torch.equal(written[key], tensor), f"{component} {key}"


def test_a_file_without_the_unused_last_block_loses_no_used_one(tmp_path: Path) -> None:
    checkpoint = {
        name: tensor for name, tensor in original("sd2").items() if ".resblocks.23." not in name
    }
    from safetensors.torch import save_file

    path = tmp_path / "m.safetensors"
    save_file({k: t.contiguous().clone() for k, t in checkpoint.items()}, path)
    ours = take_apart(open_checkpoint(path), PredictionSource(option="v_prediction"))
    assert ours
    expected = theirs_of("sd2", checkpoint, ours)["text_encoder"]
    assert "text_model.encoder.layers.22.mlp.fc1.weight" in expected
    write_safetensors(ours.parts["text_encoder"].tensors, tmp_path / "part.safetensors")
    written = load_file(tmp_path / "part.safetensors")
    assert written.keys() == expected.keys()
    assert all(torch.equal(written[key], tensor) for key, tensor in expected.items())


CLASSES: Mapping[str, Callable[[Mapping[str, Any]], torch.nn.Module]] = {
    "UNet2DConditionModel": lambda config: UNet2DConditionModel(**config),
    "AutoencoderKL": lambda config: AutoencoderKL(**config),
    "CLIPTextModel": lambda config: CLIPTextModel(CLIPTextConfig(**config)),
    "CLIPTextModelWithProjection": lambda config: CLIPTextModelWithProjection(
        CLIPTextConfig(**config)
    ),
}

# The real architectures, as their published configs describe them; nothing is allocated.
REAL: Mapping[str, tuple[Family, str, Mapping[str, Any]]] = {
    "SD 1.5": (Family.SD1, "UNet2DConditionModel", {"cross_attention_dim": 768}),
    "SD 1.5 inpainting": (
        Family.SD1,
        "UNet2DConditionModel",
        {"cross_attention_dim": 768, "in_channels": 9},
    ),
    "SD 2.1": (
        Family.SD2_V,
        "UNet2DConditionModel",
        {
            "cross_attention_dim": 1024,
            "use_linear_projection": True,
            "attention_head_dim": [5, 10, 20, 20],
        },
    ),
    "SDXL": (
        Family.SDXL,
        "UNet2DConditionModel",
        {
            "block_out_channels": [320, 640, 1280],
            "down_block_types": ["DownBlock2D"] + ["CrossAttnDownBlock2D"] * 2,
            "up_block_types": ["CrossAttnUpBlock2D"] * 2 + ["UpBlock2D"],
            "transformer_layers_per_block": [1, 2, 10],
            "use_linear_projection": True,
            "attention_head_dim": [5, 10, 20],
            "cross_attention_dim": 2048,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 2816,
        },
    ),
    "SDXL refiner": (
        Family.SDXL_REFINER,
        "UNet2DConditionModel",
        {
            "block_out_channels": [384, 768, 1536, 1536],
            "down_block_types": ["DownBlock2D"] + ["CrossAttnDownBlock2D"] * 2 + ["DownBlock2D"],
            "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 2 + ["UpBlock2D"],
            "transformer_layers_per_block": 4,
            "use_linear_projection": True,
            "attention_head_dim": [6, 12, 24, 24],
            "cross_attention_dim": 1280,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 2560,
        },
    ),
    "VAE": (
        Family.SD1,
        "AutoencoderKL",
        {
            "block_out_channels": [128, 256, 512, 512],
            "down_block_types": ["DownEncoderBlock2D"] * 4,
            "up_block_types": ["UpDecoderBlock2D"] * 4,
            "layers_per_block": 2,
        },
    ),
    "CLIP L": (
        Family.SD1,
        "CLIPTextModel",
        {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12},
    ),
    "OpenCLIP H": (
        Family.SD2_V,
        "CLIPTextModel",
        {
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_attention_heads": 16,
            "num_hidden_layers": 23,
            "hidden_act": "gelu",
            "projection_dim": 512,
        },
    ),
    "OpenCLIP bigG": (
        Family.SDXL,
        "CLIPTextModelWithProjection",
        {
            "hidden_size": 1280,
            "intermediate_size": 5120,
            "num_attention_heads": 20,
            "num_hidden_layers": 32,
            "hidden_act": "gelu",
            "projection_dim": 1280,
        },
    ),
}


def real(name: str) -> tuple[Family, str, torch.nn.Module]:
    family, kind, config = REAL[name]
    with torch.device("meta"):
        return family, kind, CLASSES[kind](config)


@pytest.mark.parametrize("name", list(REAL))
def test_the_skeleton_is_that_of_the_class(name: str) -> None:
    _, kind, module = real(name)
    expected = {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
    config = module.config if isinstance(module.config, dict) else module.config.to_dict()
    assert parameters(kind, config) == expected


@pytest.mark.parametrize("name", list(REAL))
def test_the_config_of_the_real_model_follows_from_its_shapes(name: str) -> None:
    family, kind, module = real(name)
    shapes = {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
    size = configs.IMAGE_SIZES[family]
    if kind == "UNet2DConditionModel":
        derived = configs.unet_config(shapes, family, size)
    elif kind == "AutoencoderKL":
        derived = configs.vae_config(shapes, family, size)
    else:
        derived = configs.text_config(shapes, family, kind, open_clip="Open" in name)
    again = {key: value for key, value in derived.items() if not key.startswith("_")}
    with torch.device("meta"):
        rebuilt = CLASSES[kind](again)
    assert {k: t.shape for k, t in rebuilt.state_dict().items()} == {
        key: torch.Size(shape) for key, shape in shapes.items()
    }
    published = REAL[name][2]
    assert {key: derived[key] for key in published} == dict(published)
