"""Recognises the family and text encoders of a single-file checkpoint by its tensors' names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.renames import CLIP, OPEN_CLIP, Table

UNET_PREFIX = "model.diffusion_model."
ADDED = f"{UNET_PREFIX}label_emb."
"""The prefix that marks the UNets of SDXL and its refiner: they take sizes and a pooled state."""

PROJECTED = "CLIPTextModelWithProjection"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPart:
    """A text encoder: the prefix of its tensors, and their naming scheme."""

    component: str
    prefix: str
    table: Table
    kind: str = "CLIPTextModel"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLayout:
    """A family, the text encoders of its files, and whether its UNet has an added embedding."""

    family: Family
    texts: tuple[TextPart, ...]
    is_added: bool


def _first(prefix: str, table: Table) -> TextPart:
    return TextPart(component="text_encoder", prefix=prefix, table=table)


def _second(number: int) -> TextPart:
    prefix = f"conditioner.embedders.{number}.model."
    return TextPart(component="text_encoder_2", prefix=prefix, table=OPEN_CLIP, kind=PROJECTED)


_SGM_CLIP = _first("conditioner.embedders.0.transformer.", CLIP)

LAYOUTS: tuple[FileLayout, ...] = (
    FileLayout(family=Family.SDXL, texts=(_SGM_CLIP, _second(1)), is_added=True),
    FileLayout(family=Family.SDXL_REFINER, texts=(_second(0),), is_added=True),
    FileLayout(
        family=Family.SD2_V, texts=(_first("cond_stage_model.model.", OPEN_CLIP),), is_added=False
    ),
    FileLayout(
        family=Family.SD2_V,
        texts=(_first("conditioner.embedders.0.model.", OPEN_CLIP),),
        is_added=False,
    ),
    FileLayout(
        family=Family.SD1, texts=(_first("cond_stage_model.transformer.", CLIP),), is_added=False
    ),
    FileLayout(family=Family.SD1, texts=(_SGM_CLIP,), is_added=False),
)
"""The known layouts of single-file checkpoints.

Stability's newer code (sgm) calls the text encoders of every family `conditioner.embedders`. Which
of two families an SD 2.x file belongs to depends on what its UNet predicts.
"""


def layout_of(names: Iterable[str]) -> tuple[Family, tuple[TextPart, ...]] | None:
    """Recognise the family and text encoders of a whole checkpoint by its tensors' names."""
    known = "".join(f"\n{name}" for name in names)
    if not _begins(known, UNET_PREFIX):
        return None
    is_added = _begins(known, ADDED)
    for layout in LAYOUTS:
        fits = all(_begins(known, text.prefix) for text in layout.texts)
        if fits and layout.is_added == is_added:
            return layout.family, layout.texts
    return None


def _begins(lines: str, prefix: str) -> bool:
    """Whether one of the names begins with `prefix`; each has a line, and there are thousands."""
    return f"\n{prefix}" in lines


OPEN_CLIP_BLOCKS = 24
"""The number of blocks in SD 2.x's text encoder (ViT-H/14); SD 2.x does not use the last one."""

_BLOCK = re.compile(r"text_model\.encoder\.layers\.(\d+)\.")


def block_of(name: str) -> int:
    """Return the block of a CLIP text encoder that a tensor belongs to, or -1."""
    found = _BLOCK.match(name)
    return int(found[1]) if found else -1


def count_used_blocks(names: Collection[str], prefix: str) -> int:
    """Count the blocks of the OpenCLIP encoder under `prefix` that SD 2.x uses.

    SD 2.x never uses the last block, and files can omit it. In the real encoder of 24 blocks, 23
    are used, whether the file has 24 or 23. A reduced encoder has its last block, which is then not
    counted, if it has a projection or a logit scale: both follow that block and are unused as well.
    """
    blocks = _count_blocks(names, prefix)
    if blocks in (OPEN_CLIP_BLOCKS, OPEN_CLIP_BLOCKS - 1):
        return OPEN_CLIP_BLOCKS - 1
    behind = (f"{prefix}text_projection", f"{prefix}logit_scale")
    return blocks - 1 if any(name.startswith(behind) for name in names) else blocks


def describe_blocks(names: Collection[str], prefix: str) -> str:
    """Return a note on an encoder that does not have 24 blocks; empty if it has 24."""
    blocks, used = _count_blocks(names, prefix), count_used_blocks(names, prefix)
    if blocks == OPEN_CLIP_BLOCKS:
        return ""
    return f"text_encoder: of the usual 24 blocks the file holds {blocks}; {used} are used"


def _count_blocks(names: Iterable[str], prefix: str) -> int:
    pattern = re.compile(rf"{re.escape(prefix)}transformer\.resblocks\.(\d+)\.")
    found = (pattern.match(name) for name in names)
    return 1 + max((int(match[1]) for match in found if match), default=-1)
