"""Which weight files a component's folder holds, and which of them to take."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")
"""What diffusers calls weights, and what transformers calls them (safetensors, pickled)."""

_NAME = re.compile(
    rf"(?P<stem>{'|'.join(STEMS)})"
    r"(?:\.(?P<variant>\w+))?"
    r"(?:-(?P<part>\d{5})-of-(?P<parts>\d{5}))?"
    r"(?:\.(?P<later_variant>\w+))?"
    r"\.(?P<format>safetensors|bin)"
    r"(?P<index>\.index(?:\.(?P<index_variant>\w+))?\.json)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFiles:
    """One complete set of weights: a file, or an index with its shards.

    `source` is what to open: the file or the index; `None` for shards whose index is missing.
    """

    stem: str
    variant: str | None
    format: str
    source: Path | None
    files: tuple[Path, ...]


def find_weights(folder: Path) -> tuple[WeightFiles, ...]:
    """Every set of weights in `folder`, the one to take first.

    Plain before a variant, safetensors before pickles, one file before shards: the order in which
    the pinned diffusers would find them, if it could read shards.
    """
    groups: dict[tuple[str, str, str], list[tuple[Path, re.Match[str]]]] = {}
    for path in sorted(folder.iterdir()):
        if found := _NAME.fullmatch(path.name):
            variant = found["variant"] or found["later_variant"] or found["index_variant"] or ""
            groups.setdefault((variant, found["format"], found["stem"]), []).append((path, found))
    ordered = sorted(groups, key=lambda key: (key[0] != "", key[0], key[1] != "safetensors"))
    return tuple(_choose(*key, groups[key]) for key in ordered)


def _choose(
    variant: str, form: str, stem: str, found: Iterable[tuple[Path, re.Match[str]]]
) -> WeightFiles:
    whole = [path for path, match in found if not match["part"] and not match["index"]]
    index = [path for path, match in found if match["index"]]
    shards = tuple(path for path, match in found if match["part"])
    source = next(iter(whole or index), None)
    return WeightFiles(
        stem=stem,
        variant=variant or None,
        format=form,
        source=source,
        files=tuple(whole[:1]) or shards,
    )
