"""Derives the configs of a model that has none, from its family and its tensors' shapes.

Shapes give widths, depths and the levels with attention; the family gives what shapes do not show:
the number of heads, the scaling of the latents, the activation of the text encoder, the noise
schedule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sdcoreml.convert.models.family import PIXELS_PER_LATENT, Family, Task

Config = dict[str, object]
Shapes = Mapping[str, tuple[int, ...]]

IMAGE_SIZES: Mapping[Family, int] = {
    Family.SD1: 512,
    Family.SD2_BASE: 512,
    Family.SD2_V: 768,
    Family.SDXL: 1024,
    Family.SDXL_REFINER: 1024,
}
"""Side length in pixels of the images that each family was trained on."""

SCALING: Mapping[Family, float] = {Family.SDXL: 0.13025, Family.SDXL_REFINER: 0.13025}
"""The latent scale of each family whose scale is not 0.18215."""

PROJECTIONS: Mapping[Family, int] = {Family.SD1: 768, Family.SD2_BASE: 512, Family.SD2_V: 512}
"""`projection_dim` of text encoders whose projection is not in the checkpoint."""

SCHEDULERS: Mapping[str, str] = {
    "pndm": "PNDMScheduler",
    "lms": "LMSDiscreteScheduler",
    "heun": "HeunDiscreteScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler-ancestral": "EulerAncestralDiscreteScheduler",
    "dpm": "DPMSolverMultistepScheduler",
    "ddim": "DDIMScheduler",
}
"""Maps the scheduler names of diffusers' conversion script to classes."""

PIPELINES: Mapping[tuple[Family, Task], str] = {
    (Family.SD1, Task.INPAINTING): "StableDiffusionInpaintPipeline",
    (Family.SD2_BASE, Task.INPAINTING): "StableDiffusionInpaintPipeline",
    (Family.SD1, Task.INSTRUCT): "StableDiffusionInstructPix2PixPipeline",
    (Family.SDXL, Task.TEXT_TO_IMAGE): "StableDiffusionXLPipeline",
    (Family.SDXL, Task.INPAINTING): "StableDiffusionXLInpaintPipeline",
    (Family.SDXL_REFINER, Task.TEXT_TO_IMAGE): "StableDiffusionXLImg2ImgPipeline",
}

VERSION = "0.23.1"
HEAD_WIDTH = 64
"""Channels per attention head in SD 2.x, SDXL and CLIP text encoders; SD 1.x has 8 heads."""


def _count(shapes: Shapes, pattern: str) -> int:
    """Count the different numbers that the group of `pattern` matches at the start of names."""
    found = map(re.compile(pattern).match, shapes)
    return len({match[1] for match in found if match})


def unet_config(shapes: Shapes, family: Family, image_size: int) -> Config:
    """Derive the config of a UNet from the shapes of its parameters (in diffusers' names)."""
    levels = _count(shapes, r"down_blocks\.(\d+)\.")
    widths = [shapes[f"down_blocks.{i}.resnets.0.conv1.weight"][0] for i in range(levels)]
    depths = [
        _count(shapes, rf"down_blocks\.{i}\.attentions\.0\.transformer_blocks\.(\d+)\.")
        for i in range(levels)
    ]
    middle = _count(shapes, r"mid_block\.attentions\.0\.transformer_blocks\.(\d+)\.")
    attends = [depth > 0 for depth in depths]
    # A level without attention shows no depth; the middle takes its entry from the last level.
    idle = middle if family is Family.SDXL_REFINER else 1
    depths = [depth or idle for depth in depths[:-1]] + [middle]
    linear = len(shapes["mid_block.attentions.0.proj_in.weight"]) == 2  # noqa: PLR2004  a matrix
    context = shapes["mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"][1]
    config: Config = {
        "_class_name": "UNet2DConditionModel",
        "_diffusers_version": VERSION,
        "attention_head_dim": [max(1, width // HEAD_WIDTH) for width in widths] if linear else 8,
        "block_out_channels": widths,
        "cross_attention_dim": context,
        "down_block_types": ["CrossAttnDownBlock2D" if on else "DownBlock2D" for on in attends],
        "in_channels": shapes["conv_in.weight"][1],
        "layers_per_block": _count(shapes, r"down_blocks\.0\.resnets\.(\d+)\."),
        "out_channels": shapes["conv_out.weight"][0],
        "sample_size": image_size // PIXELS_PER_LATENT,
        "transformer_layers_per_block": depths[0] if len(set(depths)) == 1 else depths,
        "up_block_types": ["CrossAttnUpBlock2D" if on else "UpBlock2D" for on in attends[::-1]],
        "use_linear_projection": linear,
    }
    if guidance := shapes.get("time_embedding.cond_proj.weight"):
        config["time_cond_proj_dim"] = guidance[1]
    if added := shapes.get("add_embedding.linear_1.weight"):
        config |= {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": added[1],
        }
    return config


def vae_config(shapes: Shapes, family: Family, image_size: int) -> Config:
    """Derive the config of a VAE from the shapes of its parameters (in diffusers' names)."""
    levels = _count(shapes, r"encoder\.down_blocks\.(\d+)\.")
    return {
        "_class_name": "AutoencoderKL",
        "_diffusers_version": VERSION,
        "block_out_channels": [
            shapes[f"encoder.down_blocks.{i}.resnets.0.conv1.weight"][0] for i in range(levels)
        ],
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "in_channels": shapes["encoder.conv_in.weight"][1],
        "latent_channels": shapes["decoder.conv_in.weight"][1],
        "layers_per_block": _count(shapes, r"encoder\.down_blocks\.0\.resnets\.(\d+)\."),
        "out_channels": shapes["decoder.conv_out.weight"][0],
        "sample_size": image_size,
        "scaling_factor": SCALING.get(family, 0.18215),
        "up_block_types": ["UpDecoderBlock2D"] * levels,
    }


def text_config(shapes: Shapes, family: Family, kind: str, *, open_clip: bool) -> Config:
    """Derive the config of a CLIP text encoder of class `kind` from its parameters' shapes."""
    vocabulary, width = shapes["text_model.embeddings.token_embedding.weight"]
    projection = shapes.get("text_projection.weight")
    return {
        "architectures": [kind],
        "bos_token_id": 0,
        "eos_token_id": 2,
        "hidden_act": "gelu" if open_clip else "quick_gelu",
        "hidden_size": width,
        "intermediate_size": shapes["text_model.encoder.layers.0.mlp.fc1.weight"][0],
        "layer_norm_eps": 1e-05,
        "max_position_embeddings": shapes["text_model.embeddings.position_embedding.weight"][0],
        "model_type": "clip_text_model",
        "num_attention_heads": max(1, width // HEAD_WIDTH),
        "num_hidden_layers": _count(shapes, r"text_model\.encoder\.layers\.(\d+)\."),
        "pad_token_id": 1,
        "projection_dim": projection[0] if projection else PROJECTIONS.get(family, width),
        "vocab_size": vocabulary,
    }


def scheduler_config(family: Family, prediction: str, name: str | None) -> Config:
    """Return the config of the scheduler `name`. All families share one noise schedule."""
    is_xl = family in (Family.SDXL, Family.SDXL_REFINER)
    name = name or ("euler" if is_xl else "pndm")
    config: Config = {
        "_class_name": SCHEDULERS[name],
        "_diffusers_version": VERSION,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "clip_sample": False,
        "num_train_timesteps": 1000,
        "prediction_type": prediction,
        "set_alpha_to_one": False,
        "steps_offset": 1,
        "timestep_spacing": "leading",
        "trained_betas": None,
    }
    return config | ({"skip_prk_steps": True} if name == "pndm" or is_xl else {})


def tokenizer_config(pad: str) -> Config:
    """Return the tokenizer's config; `pad` is the token that fills a prompt up to 77 tokens."""
    return {
        "add_prefix_space": False,
        "bos_token": "<|startoftext|>",
        "do_lower_case": True,
        "eos_token": "<|endoftext|>",
        "model_max_length": 77,
        "pad_token": pad,
        "tokenizer_class": "CLIPTokenizer",
        "unk_token": "<|endoftext|>",
    }


def model_index(
    family: Family,
    task: Task,
    kinds: Mapping[str, str],
    tokenizers: Mapping[str, str],
    scheduler: str,
) -> Config:
    """Return the `model_index.json` for components `kinds` (name → class) and tokenizers."""
    is_xl = family in (Family.SDXL, Family.SDXL_REFINER)
    index: Config = {
        "_class_name": PIPELINES.get((family, task), "StableDiffusionPipeline"),
        "_diffusers_version": VERSION,
    }
    if is_xl:
        index["force_zeros_for_empty_prompt"] = family is Family.SDXL
        absent = {"text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"}
    else:
        index["requires_safety_checker"] = False
        absent = {"feature_extractor", "safety_checker"}
    if family is Family.SDXL_REFINER:
        index["requires_aesthetics_score"] = True
    entries = {"scheduler": ["diffusers", scheduler]}
    entries |= {name: ["transformers", kind] for name, kind in tokenizers.items()}
    for name, kind in kinds.items():
        entries[name] = ["transformers" if kind.startswith("CLIP") else "diffusers", kind]
    missing: Mapping[str, list[None]] = {name: [None, None] for name in absent - entries.keys()}
    return index | dict(sorted({**entries, **missing}.items()))
