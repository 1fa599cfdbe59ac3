"""A UNet alone in one file, as ComfyUI keeps them: which family it is of, and how it is laid out.

coreml-diffusion 0.1.6, which ComfyUI's Core ML nodes convert with, also takes such files
(`load_unet` in its `convert.py`): those in the original layout, and SD 1.x in diffusers'.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from sdcoreml.convert.models.contents import Kind, Shapes, recognise
from sdcoreml.convert.models.family import REFINER_CONTEXT, Family
from sdcoreml.convert.models.original_layout import UNET_PREFIX

DIFFUSERS = "conv_in.weight"
"""The first layer of a UNet in diffusers' layout."""

ORIGINAL = "input_blocks.0.0.weight"
"""The first layer of a UNet in the original layout, alone or behind `UNET_PREFIX`."""

FIRST_LAYERS = (f"{UNET_PREFIX}{ORIGINAL}", ORIGINAL, DIFFUSERS)

_ADDED = ("label_emb.0.0.weight", "add_embedding.linear_1.weight")
_PROJECTIONS = ("middle_block.1.proj_in.weight", "mid_block.attentions.0.proj_in.weight")
_CONTEXTS = tuple(
    f"{middle}.transformer_blocks.0.attn2.to_k.weight"
    for middle in ("middle_block.1", "mid_block.attentions.0")
)
_FOURTH_LEVELS = ("input_blocks.10.0.in_layers.0.weight", "down_blocks.3.resnets.0.norm1.weight")
"""A layer of the fourth level, which SDXL's refiner has (`REFINER_LEVELS`) and its base has not."""

GENERIC = frozenset({"diffusion_pytorch_model", "unet"})
"""What diffusers calls every UNet's folder and file: it says nothing of the model."""

COLLECTIONS = frozenset({"", "checkpoints", "diffusion_models", "models", "snapshots"})
"""Folders in which programs keep many models: their names say nothing of one, either."""

_CACHED = re.compile("models--.+--(.+)")
"""Matches a model's folder in the hub's cache, in which a `snapshots/COMMIT` has its files."""


def name_alone(path: Path) -> str:
    """Return what to call the model whose UNet alone is at `path`; "" if its own name says it.

    So `LCM_Dreamshaper_v7/unet` is not called `unet`, as every other. A path whose folders say no
    more keeps its own name, such as ComfyUI's `diffusion_models/unet`.
    """
    name, *above = (one.name for one in (path.resolve(), *path.resolve().parents))
    if name.partition(".")[0] not in GENERIC:
        return ""
    called, *rest = itertools.dropwhile(GENERIC.__contains__, above)
    if rest[:1] == ["snapshots"] and (cached := _CACHED.fullmatch(rest[1])):
        return cached[1]
    return "" if called in COLLECTIONS else called


def family_alone(shapes: Shapes) -> Family | None:
    """Recognise the family of a UNet alone by its structure; `None` if it is none.

    Which of two families an SD 2.x model belongs to depends on what it predicts; see
    `convert.models.original_layout.LAYOUTS`.
    """
    if recognise(shapes).kind is not Kind.UNET:
        return None
    if _shape(shapes, _ADDED):
        is_refiner = _shape(shapes, _CONTEXTS)[-1:] == (REFINER_CONTEXT,)
        has_levels = bool(_shape(shapes, _FOURTH_LEVELS))
        return Family.SDXL_REFINER if is_refiner or has_levels else Family.SDXL
    return Family.SD2_V if is_linear(shapes) else Family.SD1


def is_linear(shapes: Shapes) -> bool:
    """Whether the attention's projections are matrices, as in SD 2.x, not kernels as in SD 1.x."""
    return len(_shape(shapes, _PROJECTIONS)) == len(("out", "in"))


def _shape(shapes: Shapes, ends: tuple[str, ...]) -> tuple[int, ...]:
    """Return the shape of one of these tensors; empty if there is none."""
    names = (f"{prefix}{end}" for prefix in (UNET_PREFIX, "") for end in ends)
    return next((shapes[name] for name in names if name in shapes), ())
