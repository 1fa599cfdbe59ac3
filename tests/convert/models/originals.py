"""Makes checkpoints in the original layout by applying the rename tables in reverse.

Tests in the built environment pass these checkpoints to the conversion of the pinned diffusers,
which does not use our tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sdcoreml.convert.models.renames import (
    CLIP,
    OPEN_CLIP,
    UNET,
    VAE,
    Table,
)

UNETS: Mapping[str, dict[str, Any]] = {
    "sd1": {
        "block_out_channels": [32, 64, 64],
        "down_block_types": ["CrossAttnDownBlock2D"] * 2 + ["DownBlock2D"],
        "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 2,
        "cross_attention_dim": 64,
        "attention_head_dim": 8,
        "in_channels": 4,
        "out_channels": 4,
        "layers_per_block": 2,
    },
}
UNETS["sd2"] = UNETS["sd1"] | {"use_linear_projection": True, "attention_head_dim": [1, 1, 1]}  # type: ignore[index]
UNETS["sdxl"] = UNETS["sd2"] | {  # type: ignore[index]
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "transformer_layers_per_block": [1, 1, 2],
    "addition_embed_type": "text_time",
    "cross_attention_dim": 128,
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 160,
}
UNETS["refiner"] = UNETS["sdxl"] | {  # type: ignore[index]
    "cross_attention_dim": 64,
    "block_out_channels": [32, 64, 64, 64],
    "down_block_types": ["DownBlock2D"] + ["CrossAttnDownBlock2D"] * 2 + ["DownBlock2D"],
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 2 + ["UpBlock2D"],
    "transformer_layers_per_block": [2, 2, 2, 2],
    "attention_head_dim": [1, 1, 1, 1],
}
VAE_CONFIG: dict[str, Any] = {
    "block_out_channels": [32, 32, 64, 64],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
}
TEXT_CONFIG: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 1,
    "vocab_size": 99,
    "max_position_embeddings": 77,
    "projection_dim": 32,
}
PERIOD = 3

Tensors = Mapping[str, Any]
Join = Callable[[Sequence[Any]], Any]


def backwards(
    tensors: Tensors, table: Table, numbering: Mapping[str, Callable[[int], int]]
) -> dict[str, Any]:
    """Return `tensors`, named as in diffusers, under their names in the original layout."""
    heads: dict[str, str] = {}
    for old, new in reversed(table.rows):
        for n in range(40):
            values = {"n": n} | {key: count(n) for key, count in numbering.items()}
            heads[new.format(**values)] = old.replace("{n}", str(n))
    ordered = sorted(heads, key=len, reverse=True)
    found = {}
    for name, tensor in tensors.items():
        head = next(head for head in ordered if name.startswith(head))
        found[heads[head] + _inner(head, name[len(head) :], table)] = tensor
    return found


def _inner(head: str, rest: str, table: Table) -> str:
    if ".resnets." not in head:
        return rest
    for old, new in table.inner:
        number = rest.split(".", maxsplit=1)[0]
        if rest.startswith(new.replace("{n}", number)):
            return old.replace("{n}", number) + rest[len(new.replace("{n}", number)) :]
    return rest


def original_unet(tensors: Tensors) -> dict[str, Any]:
    found = backwards(
        tensors,
        UNET,
        {
            "down": lambda n: (n - 1) // PERIOD,
            "down_layer": lambda n: (n - 1) % PERIOD,
            "up": lambda n: n // PERIOD,
            "up_layer": lambda n: n % PERIOD,
        },
    )
    # The upsampler follows the attention, or takes its place where there is none.
    for name in list(found):
        if at := re.fullmatch(r"output_blocks\.(\d+)\.[12]\.conv\.(\w+)", name):
            attends = f"output_blocks.{at[1]}.1.norm.weight" in found
            found[f"output_blocks.{at[1]}.{2 if attends else 1}.conv.{at[2]}"] = found.pop(name)
    return {f"model.diffusion_model.{name}": tensor for name, tensor in found.items()}


def original_vae(tensors: Tensors, levels: int = 4) -> dict[str, Any]:
    found = backwards(tensors, VAE, {"mirror": lambda n: levels - 1 - n})
    kernels = {
        name: tensor[:, :, None, None]
        for name, tensor in found.items()
        if ".attn_1." in name and tensor.ndim == 2
    }
    return {f"first_stage_model.{name}": tensor for name, tensor in (found | kernels).items()}


def original_clip(tensors: Tensors, prefix: str) -> dict[str, Any]:
    return {
        prefix + name: tensor
        for name, tensor in backwards(tensors, Table(rows=CLIP.rows[:1]), {}).items()
    }


def original_open_clip(tensors: Tensors, prefix: str, join: Join) -> dict[str, Any]:
    found = backwards(tensors, OPEN_CLIP, {})
    for name in list(found):
        if ".q_proj." in name:
            parts = [
                found.pop(name.replace("q_proj", part)) for part in ("q_proj", "k_proj", "v_proj")
            ]
            found[name.replace("q_proj.", "in_proj_")] = join(parts)
    if "text_projection" in found:
        found["text_projection"] = found["text_projection"].T
    return {prefix + name: tensor for name, tensor in found.items()}


def original_texts(name: str, text: Tensors, wide: Tensors, join: Join) -> dict[str, Any]:
    """Return the tensors of a family's text encoders (CLIP: `text`, OpenCLIP: `wide`), renamed."""
    match name:
        case "sd1":
            return original_clip(text, "cond_stage_model.transformer.")
        case "sd2":
            return original_open_clip(wide, "cond_stage_model.model.", join)
        case "refiner":
            return original_open_clip(wide, "conditioner.embedders.0.model.", join)
        case _:
            first = original_clip(text, "conditioner.embedders.0.transformer.")
            return first | original_open_clip(wide, "conditioner.embedders.1.model.", join)
