"""Tables that map the names of the original checkpoints to those of diffusers.

A row holds the prefix of a name and its replacement. The first row whose prefix matches is used,
and the rest of the name follows unchanged; only inside a residual layer, the table's `inner` rows
translate it as well. `{n}` in a prefix matches a number. The replacement can contain `{n}` itself,
or values that the table's numbering computes from it, such as `{down}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

Row: TypeAlias = tuple[str, str]
Numbering: TypeAlias = Mapping[str, Callable[[int], int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The rows of a component, and the rows for the part of a new name after `inside`."""

    rows: tuple[Row, ...]
    inner: tuple[Row, ...] = ()
    inside: str = ".resnets."


_UNET_ROWS: tuple[Row, ...] = (
    ("time_embed.0.", "time_embedding.linear_1."),
    ("time_embed.2.", "time_embedding.linear_2."),
    ("label_emb.0.0.", "add_embedding.linear_1."),
    ("label_emb.0.2.", "add_embedding.linear_2."),
    ("input_blocks.0.0.", "conv_in."),
    ("input_blocks.{n}.0.op.", "down_blocks.{down}.downsamplers.0.conv."),
    ("input_blocks.{n}.0.", "down_blocks.{down}.resnets.{down_layer}."),
    ("input_blocks.{n}.1.", "down_blocks.{down}.attentions.{down_layer}."),
    ("middle_block.0.", "mid_block.resnets.0."),
    ("middle_block.1.", "mid_block.attentions.0."),
    ("middle_block.2.", "mid_block.resnets.1."),
    ("output_blocks.{n}.0.", "up_blocks.{up}.resnets.{up_layer}."),
    ("output_blocks.{n}.1.conv.", "up_blocks.{up}.upsamplers.0.conv."),
    ("output_blocks.{n}.2.conv.", "up_blocks.{up}.upsamplers.0.conv."),
    ("output_blocks.{n}.1.", "up_blocks.{up}.attentions.{up_layer}."),
    ("out.0.", "conv_norm_out."),
    ("out.2.", "conv_out."),
)

_VAE_ROWS: tuple[Row, ...] = (
    ("encoder.down.{n}.block.", "encoder.down_blocks.{n}.resnets."),
    ("encoder.down.{n}.downsample.conv.", "encoder.down_blocks.{n}.downsamplers.0.conv."),
    ("decoder.up.{n}.block.", "decoder.up_blocks.{mirror}.resnets."),
    ("decoder.up.{n}.upsample.conv.", "decoder.up_blocks.{mirror}.upsamplers.0.conv."),
    *(
        (f"{side}.{old}.", f"{side}.{new}.")
        for side in ("encoder", "decoder")
        for old, new in (
            ("conv_in", "conv_in"),
            ("conv_out", "conv_out"),
            ("norm_out", "conv_norm_out"),
            ("mid.block_1", "mid_block.resnets.0"),
            ("mid.block_2", "mid_block.resnets.1"),
            ("mid.attn_1.norm", "mid_block.attentions.0.group_norm"),
            ("mid.attn_1.q", "mid_block.attentions.0.to_q"),
            ("mid.attn_1.k", "mid_block.attentions.0.to_k"),
            ("mid.attn_1.v", "mid_block.attentions.0.to_v"),
            ("mid.attn_1.to_q", "mid_block.attentions.0.to_q"),
            ("mid.attn_1.to_k", "mid_block.attentions.0.to_k"),
            ("mid.attn_1.to_v", "mid_block.attentions.0.to_v"),
            ("mid.attn_1.to_out.0", "mid_block.attentions.0.to_out.0"),
            ("mid.attn_1.proj_out", "mid_block.attentions.0.to_out.0"),
        )
    ),
    ("quant_conv.", "quant_conv."),
    ("post_quant_conv.", "post_quant_conv."),
)

_CLIP_ROWS: tuple[Row, ...] = (
    ("text_model.", "text_model."),
    # Some early merges lost the outer name.
    ("embeddings.", "text_model.embeddings."),
    ("encoder.", "text_model.encoder."),
    ("final_layer_norm.", "text_model.final_layer_norm."),
)

_OPEN_CLIP_ROWS: tuple[Row, ...] = (
    ("positional_embedding", "text_model.embeddings.position_embedding.weight"),
    ("token_embedding.", "text_model.embeddings.token_embedding."),
    ("ln_final.", "text_model.final_layer_norm."),
    ("text_projection", "text_projection.weight"),
    *(
        (f"transformer.resblocks.{{n}}.{old}", f"text_model.encoder.layers.{{n}}.{new}")
        for old, new in (
            ("ln_1.", "layer_norm1."),
            ("ln_2.", "layer_norm2."),
            ("mlp.c_fc.", "mlp.fc1."),
            ("mlp.c_proj.", "mlp.fc2."),
            ("attn.", "self_attn."),
        )
    ),
)

UNET = Table(
    rows=_UNET_ROWS,
    inner=(
        ("in_layers.0.", "norm1."),
        ("in_layers.2.", "conv1."),
        ("out_layers.0.", "norm2."),
        ("out_layers.3.", "conv2."),
        ("emb_layers.1.", "time_emb_proj."),
        ("skip_connection.", "conv_shortcut."),
    ),
)
VAE = Table(rows=_VAE_ROWS, inner=(("{n}.nin_shortcut.", "{n}.conv_shortcut."),))
CLIP = Table(rows=_CLIP_ROWS)
OPEN_CLIP = Table(rows=_OPEN_CLIP_ROWS)


def underscore(table: Table) -> Table:
    """Return `table` for names with underscores instead of dots, as some trainers write them."""

    def flat(rows: tuple[Row, ...]) -> tuple[Row, ...]:
        return tuple((old.replace(".", "_"), new.replace(".", "_")) for old, new in rows)

    inside = table.inside.replace(".", "_")
    return Table(rows=flat(table.rows), inner=flat(table.inner), inside=inside)


def period_numbering(period: int) -> Numbering:
    """Map a UNet's flat block numbers to levels of `period` blocks."""
    return {
        "down": lambda n: (n - 1) // period,
        "down_layer": lambda n: (n - 1) % period,
        "up": lambda n: n // period,
        "up_layer": lambda n: n % period,
    }


def unet_numbering(names: Sequence[str]) -> Numbering:
    """Map the flat block numbers in `names` to levels of layers.

    A level has as many residual layers as precede the first downsampling, which ends it.
    """
    ends = _numbers(r"input_blocks\.(\d+)\.0\.op\.", names)
    blocks = _numbers(r"input_blocks\.(\d+)\.", names)
    return period_numbering(max(1, min(ends, default=max(blocks, default=0) + 1)))


def vae_numbering(names: Sequence[str]) -> Numbering:
    """Map level numbers: the original decoder counts from the image, diffusers from the latents."""
    last = max(_numbers(r"decoder\.up\.(\d+)\.", names), default=0)
    return {"mirror": lambda n: last - n}


def _numbers(pattern: str, names: Sequence[str]) -> set[int]:
    """Return the numbers that `pattern`'s group matches at the start of `names`."""
    return {int(found[1]) for name in names if (found := re.match(pattern, name))}


def number_nothing(names: Sequence[str]) -> Numbering:  # noqa: ARG001  one of several
    """Return the numbering of a table that needs none."""
    return {}


@lru_cache(maxsize=12)
def rename_all(
    names: tuple[str, ...], table: Table, number: Callable[[Sequence[str]], Numbering]
) -> tuple[str | None, ...]:
    """Return what `rename` makes of each name, with the numbering that follows from all of them.

    Models of one kind have the same names, so the last answers are kept.
    """
    numbering = number(names)
    return tuple(rename(name, table, numbering) for name in names)


def rename(name: str, table: Table, numbering: Numbering) -> str | None:
    """Return the new name of `name`, or `None` if no row matches."""
    for old, new in table.rows:
        if found := _match(old, name):
            head, rest = _expand(new, found, numbering), name[found.end() :]
            return head + (_inner(rest, table) if table.inside in head else rest)
    return None


def _inner(rest: str, table: Table) -> str:
    for old, new in table.inner:
        if found := _match(old, rest):
            return _expand(new, found, {}) + rest[found.end() :]
    return rest


def _expand(new: str, found: re.Match[str], numbering: Numbering) -> str:
    if "{" not in new:
        return new
    number = int(found["n"])
    return new.format(n=number, **{key: count(number) for key, count in numbering.items()})


_PATTERNS: dict[str, tuple[str, re.Pattern[str]]] = {}
"""For the prefix of a row: the text that it begins with, and the whole as a pattern."""


def _match(old: str, name: str) -> re.Match[str] | None:
    """Match a name with the prefix of a row; most names fail at its first words, at little cost."""
    if old not in _PATTERNS:
        pattern = re.compile(re.escape(old).replace(r"\{n\}", r"(?P<n>\d+)"))
        _PATTERNS[old] = old.partition("{")[0], pattern
    first, pattern = _PATTERNS[old]
    return pattern.match(name) if name.startswith(first) else None
