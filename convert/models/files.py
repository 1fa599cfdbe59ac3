"""Names of files in diffusers' layout; finds a component's weights, and which of them to use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

INDEX_NAME = "model_index.json"
CONFIG_NAME = "config.json"

SUFFIXES = frozenset({".safetensors", ".bin", ".ckpt", ".pt", ".pth"})
"""Suffixes of weight files, from any tool."""

STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")
"""The stems of weight files: diffusers', and transformers' for safetensors and for pickles."""

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

    `source` is the file or index to open; `None` for shards whose index is missing.
    """

    stem: str
    variant: str | None
    format: str
    source: Path | None
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightName:
    """The parsed name of a weight file, shard or index; `variant` is "" if there is none."""

    format: str
    variant: str


def parse_weight_name(name: str) -> WeightName | None:
    """Parse the name of a weight file; return `None` for other names."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    variant = found["variant"] or found["later_variant"] or found["index_variant"] or ""
    return WeightName(format=found["format"], variant=variant)


def is_part(folder: Path) -> bool:
    """Whether a folder is that of a model's part, with a config.json, not that of a whole model."""
    return (folder / CONFIG_NAME).is_file() and not (folder / INDEX_NAME).is_file()


def find_scheduler(model: Path) -> Path | None:
    """Return the config of the scheduler in a model's folder, which some models name as the others.

    `None` if there is none.
    """
    names = ("scheduler_config.json", CONFIG_NAME)
    places = (model / "scheduler" / name for name in names)
    return next((place for place in places if place.is_file()), None)


def find_weights(folder: Path) -> tuple[WeightFiles, ...]:
    """Find every set of weights in `folder`; the one to use comes first.

    Plain weights come before variants, safetensors before pickles, and one file before shards. The
    pinned diffusers would search in this order, if it could read shards. A folder without any
    standard name may have one index file of another name, or a single weight file, such as a
    browser's "model (1).safetensors".
    """
    groups: dict[tuple[str, str, str], list[tuple[Path, re.Match[str]]]] = {}
    for path in sorted(folder.iterdir()):
        if found := _NAME.fullmatch(path.name):
            said = parse_weight_name(path.name) or WeightName(format="", variant="")
            key = (said.variant, said.format, found["stem"])
            groups.setdefault(key, []).append((path, found))
    ordered = sorted(groups, key=lambda key: (key[0] != "", key[0], key[1] != "safetensors"))
    if not ordered:
        return tuple(_find_indexed(folder)) or tuple(_find_renamed(folder))
    return tuple(_choose(*key, groups[key]) for key in ordered)


def _find_indexed(folder: Path) -> Iterator[WeightFiles]:
    """Yield the shards of the only index file in `folder`, whatever their names."""
    match sorted(folder.glob("*.index.json")):
        case [index]:
            stem, _, form = index.name.removesuffix(".index.json").rpartition(".")
            shards = tuple(sorted(folder.glob(f"*-of-*.{form}")))
            yield WeightFiles(stem=stem, variant=None, format=form, source=index, files=shards)


_COPY = re.compile(r"( \(\d+\)| copy( \d+)?| - Copy)(?=\.\w+$)")
_STATES = ("optimizer", "random_states", "scheduler", "training_args")
"""Prefixes of files that trainers leave next to the weights, with the same suffixes."""


def _find_renamed(folder: Path) -> Iterator[WeightFiles]:
    """Yield the only weight file, or the only one whose name is standard without a copy number."""
    files = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in SUFFIXES and not path.name.startswith((".", *_STATES))
    ]
    copies = [path for path in files if _NAME.fullmatch(_COPY.sub("", path.name))]
    for only in (files, copies):
        if len(only) == 1:
            form = only[0].suffix[1:].lower()
            yield WeightFiles(
                stem=only[0].stem, variant=None, format=form, source=only[0], files=(only[0],)
            )
            return


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
