"""Writes a small model in diffusers' layout, from literal configs and a few numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from tests.convert.weights.torch_files import write_zip

UNET = {"_class_name": "UNet2DConditionModel", "in_channels": 4, "cross_attention_dim": 768}
VAE = {"_class_name": "AutoencoderKL", "latent_channels": 4}
TEXT_ENCODER = {"architectures": ["CLIPTextModel"], "hidden_size": 768}
INDEX: Mapping[str, Any] = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.23.1",
    "feature_extractor": [None, None],
    "requires_safety_checker": False,
    "scheduler": ["diffusers", "PNDMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
WEIGHTS = {
    "conv_in.weight": np.arange(36, dtype="f4").reshape(1, 4, 3, 3),
    "conv_in.bias": np.array([0.5, 70_000], "f4"),
    "position_ids": np.arange(3),
}


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def save_safetensors(path: Path, arrays: Mapping[str, np.ndarray] = WEIGHTS) -> Path:
    safetensors.numpy.save_file(dict(arrays), path, metadata={"format": "pt"})
    return path


def shard(folder: Path, stem: str, arrays: Mapping[str, np.ndarray] = WEIGHTS) -> None:
    """Save `arrays` as two pickled shards with their index (the case in DESIGN.md, section 1)."""
    weights: dict[str, str] = {}
    for number, part in enumerate((list(arrays)[:2], list(arrays)[2:]), 1):
        name = f"{stem}-{number:05d}-of-00002.bin"
        write_zip(folder / name, {key: arrays[key] for key in part})
        weights |= dict.fromkeys(part, name)
    write_json(folder / f"{stem}.bin.index.json", {"metadata": {}, "weight_map": weights})


def write_model(folder: Path, *, index: Mapping[str, Any] = INDEX) -> Path:
    """Write a model: a UNet in pickled shards, a VAE in safetensors, a text encoder in a pickle."""
    write_json(folder / "model_index.json", index)
    write_json(folder / "scheduler" / "scheduler_config.json", {"prediction_type": "epsilon"})
    write_json(folder / "tokenizer" / "vocab.json", {"a": 0})
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\n")
    write_json(folder / "unet" / "config.json", UNET)
    shard(folder / "unet", "diffusion_pytorch_model")
    write_json(folder / "vae" / "config.json", VAE)
    save_safetensors(folder / "vae" / "diffusion_pytorch_model.safetensors")
    write_json(folder / "text_encoder" / "config.json", TEXT_ENCODER)
    write_zip(folder / "text_encoder" / "pytorch_model.bin", WEIGHTS)
    return folder
