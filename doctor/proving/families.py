"""Writes one tiny model of each family, without torch, the same everywhere."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from shutil import copytree
from typing import Any

from sdcoreml.convert.models.skeleton import parameters
from sdcoreml.convert.weights.torch_writer import write_torch
from sdcoreml.doctor.proving.miniature import CONFIGS, write_miniature, write_tokenizer
from sdcoreml.doctor.proving.miniature_weights import draw_tensor

_CROSS, _PLAIN = "CrossAttnDownBlock2D", "DownBlock2D"
_CROSS_UP, _PLAIN_UP = "CrossAttnUpBlock2D", "UpBlock2D"

UNET: Mapping[str, Any] = {
    "sample_size": 16,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [32, 64, 64],
    "layers_per_block": 1,
    "down_block_types": [_CROSS, _CROSS, _PLAIN],
    "up_block_types": [_PLAIN_UP, _CROSS_UP, _CROSS_UP],
    "cross_attention_dim": 24,
    "attention_head_dim": 4,
}
XL: Mapping[str, Any] = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "attention_head_dim": [2, 4],
    "block_out_channels": [32, 64],
    "cross_attention_dim": 40,
    "down_block_types": [_PLAIN, _CROSS],
    "up_block_types": [_CROSS_UP, _PLAIN_UP],
    "projection_class_embeddings_input_dim": 24 + 6 * 8,
    "transformer_layers_per_block": [1, 3],
    "use_linear_projection": True,
}
"""Config values in which SDXL's tiny UNet differs from `UNET`."""
VAE: Mapping[str, Any] = {
    "block_out_channels": [32, 64, 64, 64],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 1,
    "latent_channels": 4,
    "sample_size": 64,
}
TEXT = {**CONFIGS["text_encoder"], "hidden_size": 32, "intermediate_size": 128}
SECOND = {
    **TEXT,
    "architectures": ["CLIPTextModelWithProjection"],
    "hidden_act": "gelu",
    "projection_dim": 32,
}
_ADDED = "projection_class_embeddings_input_dim"
_BASE = {**UNET, **XL, "cross_attention_dim": 64, _ADDED: 32 + 6 * 8}
_REFINER = {**UNET, **XL, "cross_attention_dim": 32, _ADDED: 32 + 5 * 8}
_XL_VAE = {**VAE, "scaling_factor": 0.13025, "force_upcast": True}

Parts = Mapping[str, tuple[str, Mapping[str, Any]]]
"""Maps each component to its class and its config."""

_CLASSES = {
    "unet": "UNet2DConditionModel",
    "vae": "AutoencoderKL",
    "text_encoder": "CLIPTextModel",
    "text_encoder_2": "CLIPTextModelWithProjection",
}


def write_sd1(folder: Path) -> None:
    """Write the built-in sample."""
    write_miniature(folder)


def write_sd2(folder: Path) -> None:
    """Write a model that predicts v, with heads of one width and linear projections."""
    unet = {
        **UNET,
        "attention_head_dim": [2, 4, 4],
        "cross_attention_dim": 32,
        "use_linear_projection": True,
    }
    text = {**TEXT, "hidden_act": "gelu"}
    parts = {"unet": unet, "vae": {**VAE, "scaling_factor": 0.18215}, "text_encoder": text}
    _write(folder, "StableDiffusionPipeline", parts)
    write_json(
        folder / "scheduler" / "scheduler_config.json",
        {
            "_class_name": "DDIMScheduler",
            "beta_schedule": "scaled_linear",
            "beta_start": 0.00085,
            "beta_end": 0.012,
            "num_train_timesteps": 1000,
            "prediction_type": "v_prediction",
        },
    )


def write_sdxl(folder: Path) -> None:
    """Write an SDXL base model."""
    parts = {"unet": _BASE, "vae": _XL_VAE, "text_encoder": TEXT, "text_encoder_2": SECOND}
    _write(folder, "StableDiffusionXLPipeline", parts)


def write_refiner(folder: Path) -> None:
    """Write an SDXL refiner, whose tokenizer is the second one."""
    parts = {"unet": _REFINER, "vae": _XL_VAE, "text_encoder_2": SECOND}
    _write(folder, "StableDiffusionXLImg2ImgPipeline", parts)
    copytree(folder / "tokenizer", folder / "tokenizer_2")


def write_controlnet(folder: Path) -> None:
    """Write a ControlNet for the sample."""
    of_unets = ("out_channels", "sample_size", "up_block_types")
    config = {name: one for name, one in CONFIGS["unet"].items() if name not in of_unets}
    config |= {
        "_class_name": "ControlNetModel",
        "conditioning_embedding_out_channels": [8, 16, 24, 32],
    }
    _write_part(
        folder, "ControlNetModel", config, "diffusion_pytorch_model.bin", shapes_of_net(config)
    )


FAMILIES: Mapping[str, Callable[[Path], None]] = {
    "sd1": write_sd1,
    "sd2": write_sd2,
    "sdxl": write_sdxl,
    "refiner": write_refiner,
}
"""The families of models, each with the function that writes one into a folder."""


def _write(folder: Path, pipeline: str, parts: Mapping[str, Mapping[str, Any]]) -> None:
    index: dict[str, Any] = {"_class_name": pipeline}
    for name, config in parts.items():
        kind, is_text = _CLASSES[name], name.startswith("text")
        stem = "pytorch_model" if is_text else "diffusion_pytorch_model"
        named = config if is_text else {**config, "_class_name": kind}
        _write_part(folder / name, kind, named, f"{stem}.bin")
        index[name] = ["transformers" if is_text else "diffusers", kind]
    write_tokenizer(folder / "tokenizer")
    write_json(folder / "model_index.json", index)


def shapes_of_net(config: Mapping[str, Any]) -> Mapping[str, tuple[int, ...]]:
    """Return the shapes of what a ControlNet has beside the parts of a UNet."""
    hints, levels = config["conditioning_embedding_out_channels"], config["block_out_channels"]
    steps = [(hints[0], 3)]
    for before, after in itertools.pairwise(hints):
        steps += [(before, before), (after, before)]
    names = ["conv_in", *(f"blocks.{n}" for n in range(len(steps) - 1)), "conv_out"]
    convolutions = {
        f"controlnet_cond_embedding.{name}": (*widths, 3, 3)
        for name, widths in zip(names, [*steps, (levels[0], hints[-1])], strict=True)
    }
    outputs = [levels[0]]
    for level in levels:
        outputs += [level] * (config["layers_per_block"] + 1)
    for number, width in enumerate(outputs[:-1]):  # the last level is not sampled down
        convolutions[f"controlnet_down_blocks.{number}"] = (width, width, 1, 1)
    convolutions["controlnet_mid_block"] = (levels[-1], levels[-1], 1, 1)
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in convolutions.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


def _write_part(
    folder: Path,
    kind: str,
    config: Mapping[str, Any],
    file: str,
    more: Mapping[str, tuple[int, ...]] = {},
) -> None:
    shapes = {**(parameters(kind, config) or {}), **more}
    folder.mkdir(parents=True)
    write_torch(folder / file, {name: draw_tensor(name, shape) for name, shape in shapes.items()})
    write_json(folder / "config.json", config)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
