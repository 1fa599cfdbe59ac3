"""Tiny models of the real architectures, and the way from one to a checked package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from sdcoreml.convert.packages.write import write_package
from sdcoreml.convert.parity.check import CheckOptions, check_component
from sdcoreml.convert.parity.outcome import Parity
from sdcoreml.convert.programs import build_program
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.programs.payload import DrawnProgram
from sdcoreml.convert.references.components import reference
from sdcoreml.convert.weights.safetensors import TensorFile

CROSS, PLAIN = "CrossAttnDownBlock2D", "DownBlock2D"
CROSS_UP, PLAIN_UP = "CrossAttnUpBlock2D", "UpBlock2D"

TEXT: Mapping[str, Any] = {
    "vocab_size": 120,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "eos_token_id": 2,
}
UNET: Mapping[str, Any] = {
    "sample_size": 16,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [32, 64, 64],
    "layers_per_block": 1,
    "down_block_types": [CROSS, CROSS, PLAIN],
    "up_block_types": [PLAIN_UP, CROSS_UP, CROSS_UP],
    "cross_attention_dim": 24,
    "attention_head_dim": 4,
}
_OF_UNETS = ("sample_size", "out_channels", "up_block_types")
XL: Mapping[str, Any] = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "attention_head_dim": [2, 4],
    "block_out_channels": [32, 64],
    "cross_attention_dim": 40,
    "down_block_types": [PLAIN, CROSS],
    "up_block_types": [CROSS_UP, PLAIN_UP],
    "projection_class_embeddings_input_dim": 24 + 6 * 8,
    "transformer_layers_per_block": [1, 3],
    "use_linear_projection": True,
}
"""What makes a UNet one of SDXL's, over `UNET`."""
VAE: Mapping[str, Any] = {
    "block_out_channels": [32, 64, 64, 64],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 1,
    "latent_channels": 4,
    "sample_size": 64,
}
CHECKER: Mapping[str, Any] = {
    "projection_dim": 24,
    "vision_config": {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 224,
        "patch_size": 32,
    },
}
CONTROLNET: Mapping[str, Any] = {
    **{name: value for name, value in UNET.items() if name not in _OF_UNETS},
    "conditioning_embedding_out_channels": [8, 16, 24, 32],
}
CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "controlled_unet": UNET,
    "controlnet": CONTROLNET,
    "safety_checker": CHECKER,
    "unet_refiner": {
        **UNET,
        **XL,
        "cross_attention_dim": 24,
        "projection_class_embeddings_input_dim": 24 + 5 * 8,
    },
    "text_encoder": TEXT,
    "unet": UNET,
    "vae_decoder": VAE,
    "vae_encoder": VAE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A component on disk."""

    component: str
    config: Mapping[str, Any]
    weights: Path

    def build(self, options: ProgramOptions | None = None) -> DrawnProgram:
        with TensorFile.open(self.weights) as tensors:
            return build_program(self.component, self.config, tensors, options)

    def write(self, path: Path, options: ProgramOptions | None = None) -> Path:
        with TensorFile.open(self.weights) as tensors:
            built = build_program(self.component, self.config, tensors, options)
            write_package(built, tensors, path)
        return path

    def check(self, path: Path, options: ProgramOptions | None = None, **choices: Any) -> Parity:
        """`choices` are those of the options that the reference is to hear of."""
        package = self.write(path, options)
        depth = CheckOptions(program=ProgramOptions(**choices))
        return check_component(self.component, package, self.config, self.weights, depth)


def module(component: str, config: Mapping[str, Any]) -> torch.nn.Module:
    """The pinned module with random weights, those of its norms included."""
    torch.manual_seed(7)
    made = reference(component).build(config).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim == 1 or not parameter.any():
                parameter.add_(0.2 * torch.randn_like(parameter))
    return made


def save(state: Mapping[str, torch.Tensor], path: Path, dtype: torch.dtype = torch.float16) -> Path:
    save_file({name: tensor.to(dtype).contiguous() for name, tensor in state.items()}, path)
    return path


def checkpoint(
    component: str, folder: Path, changes: Mapping[str, Any] | None = None
) -> Checkpoint:
    """A tiny component; `changes` to its config."""
    config = json.loads(json.dumps({**CONFIGS.get(component, {}), **(changes or {})}))
    folder.mkdir(parents=True, exist_ok=True)
    weights = save(module(component, config).state_dict(), folder / f"{component}.safetensors")
    return Checkpoint(component=component, config=config, weights=weights)
