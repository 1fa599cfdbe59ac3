"""Chooses the files that a conversion needs from a model on the hub.

For each component, one set of weights is chosen: first of all one that is in the cache, then
safetensors rather than pickles, then half precision. If the model has a diffusers folder, no single
file is taken.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath

from sdcoreml.convert.models.absence import FOREIGN
from sdcoreml.convert.models.files import CONFIG_NAME, INDEX_NAME, SUFFIXES, parse_weight_name
from sdcoreml.ground.errors import BadInputError, UnsupportedError

WITH_WEIGHTS = ("unet", "vae", "text_encoder", "text_encoder_2", "transformer", "text_encoder_3")
"""Folders of a model whose weights are chosen.

Some belong to unsupported families; their configs are needed to say what the model is.
"""
TABLES = ("scheduler", "tokenizer", "tokenizer_2")
CHECKER = "safety_checker"
_TABLE_SUFFIXES = (".json", ".txt")
_HALF = "fp16"
_SHARD = re.compile(r"-of-(\d+)\b")


class Form(Enum):
    """The kind of a selection: a folder of components, one component's folder, or one file."""

    DIFFUSERS = "diffusers folder"
    COMPONENT = "component"
    SINGLE = "single file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The chosen files of a model, as paths in the model, and what they form together."""

    form: Form
    files: tuple[str, ...]


def select(
    files: Iterable[str],
    *,
    where: str,
    file: str = "",
    have: Collection[str] = (),
    with_checker: bool = False,
) -> Selection:
    """Choose from all `files` of a model, which errors name as `where`.

    If `file` is not empty, only that file is taken. `have` are the files that are on this machine
    already. `with_checker` also takes the safety checker.

    Raises:
        BadInputError: there is no such file, or the model has several single files to choose from.
        UnsupportedError: no file can be converted.
    """
    names = sorted(files)
    if file:
        return _select_named(names, file, where)
    if INDEX_NAME in names:
        parts = (*WITH_WEIGHTS, *((CHECKER,) if with_checker else ()))
        return Selection(form=Form.DIFFUSERS, files=tuple(_of_folder(names, parts, have)))
    if CONFIG_NAME in names and (weights := _weights(names, "", have)):
        return Selection(form=Form.COMPONENT, files=(CONFIG_NAME, *weights))
    return _single(names, where)


def have_weights(files: Collection[str], parts: Iterable[str]) -> bool:
    """Return True if these files of a model have a whole set of weights for each of its parts."""
    return all(_has_weights(files, f"{part}/") for part in parts)


def _has_weights(files: Collection[str], folder: str) -> bool:
    names = _weights(files, folder, files)
    counts = [int(found[1]) for name in names if (found := _SHARD.search(name))]
    if counts:
        return len(counts) >= max(counts)
    return any(_suffix(name) in SUFFIXES for name in names)


def _select_named(names: Collection[str], file: str, where: str) -> Selection:
    if file in names:
        return Selection(form=Form.SINGLE, files=(file,))
    raise BadInputError(
        f"the model has no file {file}",
        where=where,
        remedy=f"it has {_some(name for name in names if _suffix(name) in SUFFIXES)}",
    )


def _of_folder(
    names: Collection[str], parts: Iterable[str], have: Collection[str]
) -> Iterator[str]:
    yield INDEX_NAME
    for part in TABLES:
        yield from (name for name in names if _is_table(name, part))
    for part in parts:
        if f"{part}/{CONFIG_NAME}" in names:
            yield f"{part}/{CONFIG_NAME}"
        yield from _weights(names, f"{part}/", have)


def _is_table(name: str, part: str) -> bool:
    path = PurePosixPath(name)
    return str(path.parent) == part and path.suffix in _TABLE_SUFFIXES


def _weights(names: Iterable[str], folder: str, have: Collection[str]) -> tuple[str, ...]:
    """Return the best set of weight files in a folder of a model, with the index of its shards.

    `folder` ends with a slash, or is empty for the model's top folder.
    """
    sets: dict[tuple[str, str], list[str]] = {}
    for name in names:
        rest = name.removeprefix(folder)
        is_inside = name.startswith(folder) and "/" not in rest
        if is_inside and (found := parse_weight_name(rest)):
            sets.setdefault((found.format, found.variant), []).append(name)
    wholes = {key: _without_doubles(members) for key, members in sets.items()}
    best = min(wholes, key=lambda key: _rank(key, wholes[key], have), default=None)
    return tuple(wholes[best]) if best else ()


def _without_doubles(members: list[str]) -> list[str]:
    """Return the single weight file if there is one, since some models also have it in shards."""
    single = [name for name in members if "-of-" not in name and not name.endswith(".json")]
    return single[:1] or members


def _rank(
    key: tuple[str, str], members: Collection[str], have: Collection[str]
) -> tuple[bool, bool, bool, str]:
    form, variant = key
    is_here = all(name in have for name in members)
    return (not is_here, form != "safetensors", variant != _HALF, variant)


def _single(names: Collection[str], where: str) -> Selection:
    """Choose the single-file model at the top of a repository, which must be the only one."""
    files = [name for name in names if "/" not in name and _suffix(name) in SUFFIXES]
    safe = [name for name in files if _suffix(name) == ".safetensors"]
    candidates = _halves_first(safe or files)
    if len(candidates) == 1:
        return Selection(form=Form.SINGLE, files=tuple(candidates))
    if candidates:
        raise BadInputError(
            f"has {len(candidates)} single-file models: {_some(candidates)}",
            where=where,
            remedy=f"name one: hf:{where.partition('@')[0]}/{candidates[0]}",
        )
    raise _nothing(names, where)


def _halves_first(files: Iterable[str]) -> list[str]:
    """Return the files without those that also exist in half precision."""
    chosen: dict[str, str] = {}
    for name in files:
        words = re.split(r"[-_.]", name.lower())
        plain = "-".join(word for word in words if word != _HALF)
        if plain not in chosen or _HALF in words:
            chosen[plain] = name
    return sorted(chosen.values())


def _nothing(names: Collection[str], where: str) -> UnsupportedError:
    programs = [name for name in names if ".mlpackage/" in name or ".mlmodelc/" in name]
    zipped = [name for name in names if _suffix(name) == ".zip"]
    foreign = {found for name in names if (found := FOREIGN.get(_suffix(name)))}
    what, remedy = "has no weights that can be converted", "give a model of Stable Diffusion"
    if programs:
        what = "holds Core ML models already: there is nothing to convert"
        remedy = f"download it for an app: hf download {where.partition('@')[0]}"
    elif foreign:
        what = f"has weights only as {' and '.join(sorted(foreign))}, which cannot be read here"
        remedy = "give a model that has safetensors files"
    elif zipped:
        what, remedy = (
            f"has only archives ({_some(zipped)})",
            "download and unpack one, and give it",
        )
    return UnsupportedError(what, where=where, remedy=remedy)


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _some(names: Iterable[str]) -> str:
    few = list(names)
    shown = ", ".join(few[:4]) or "none"
    return f"{shown} and {len(few) - 4} more" if len(few) > 4 else shown  # noqa: PLR2004
