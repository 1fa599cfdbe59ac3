"""Writes a checkpoint as several files with an index, as diffusers and transformers read it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sdcoreml.convert.weights.replacing import judge_repeats
from sdcoreml.convert.weights.tensor import TensorInfo
from sdcoreml.convert.weights.writer import WriteOptions, Written, target_nbytes, write_safetensors
from sdcoreml.ground.aside import folder_aside, require_space
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.outputs import files_in, link_tree, require_none

_WEIGHTS = frozenset({".safetensors", ".bin", ".ckpt", ".pt", ".pth"})
"""Suffixes of weight files, which a library may load in place of shards in the same folder."""

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 1 << 10, "MI": 1 << 20, "GI": 1 << 30}


def parse_size(text: str) -> int:
    """Parse a size such as "5GB", "200MiB" or "1000" to bytes. Raises `ValueError`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]i?)?b?", text.strip(), re.IGNORECASE)
    if not found or not float(found[1]):
        raise ValueError(f"not a size: {text!r}")
    return int(float(found[1]) * _UNITS[(found[2] or "").upper()])


def split(
    tensors: Sequence[TensorInfo], limit: int, options: WriteOptions
) -> list[list[TensorInfo]]:
    """Split `tensors` into shards of at most `limit` bytes; a larger tensor gets its own shard."""
    runs: list[list[TensorInfo]] = []
    room = 0
    for tensor in tensors:
        nbytes = target_nbytes(tensor, options)
        if not runs or nbytes > room:
            runs.append([])
            room = limit
        runs[-1].append(tensor)
        room -= nbytes
    return runs


def _require_no_weights(folder: Path, stem: str) -> tuple[str, ...]:
    """List the files in a folder except an earlier run's shards; other weights are an error.

    Raises:
        BadInputError: there are other weights; the message names the first.
    """
    ours = re.compile(rf"{stem}(-\d{{5}}-of-\d{{5}}\.safetensors|\.safetensors\.index\.json)")
    others = tuple(name for name in files_in(folder) if not ours.fullmatch(name))
    require_none(folder, [name for name in others if Path(name).suffix in _WEIGHTS])
    return others


def _carry_over(stem: str, old: Path, new: Path) -> None:
    for name in _require_no_weights(old, stem):
        (new / name).parent.mkdir(parents=True, exist_ok=True)
        link_tree(old / name, new / name)


def write_shards(
    tensors: Sequence[TensorInfo],
    folder: Path,
    stem: str,
    limit: int,
    options: WriteOptions,
    emit: Emit = silent,
) -> tuple[Written, ...]:
    """Write `tensors` to `folder` as `stem-0000N-of-0000M.safetensors` and an index.

    Other files of an older folder, such as a config, are kept.

    Raises:
        BadInputError: there are no tensors, or `folder` is not an earlier output, or holds other
            weights.
        NoSpaceError: the disk has too little space.
    """
    runs = split(tensors, limit, options)
    if not runs:
        raise BadInputError(
            "no tensors to write", where=folder, remedy="give a file that has tensors"
        )
    judge_repeats(tensors, silent, is_meant=options.repeats)  # before the first shard is written
    sizes = [target_nbytes(tensor, options) for tensor in tensors]
    require_space(folder, sum(sizes))
    index = f"{stem}.safetensors.index.json"
    where: dict[str, str] = {}
    written = []
    if (folder / index).is_file():
        _require_no_weights(folder, stem)
    with folder_aside(folder, index, partial(_carry_over, stem)) as aside:
        for number, run in enumerate(runs, 1):
            name = f"{stem}-{number:05d}-of-{len(runs):05d}.safetensors"
            emit(Event(kind="step", text=f"write {name}"))
            written.append(write_safetensors(run, aside / name, options, emit))
            where |= {tensor.name: name for tensor in run}
        content = {"metadata": {"total_size": sum(sizes)}, "weight_map": where}
        text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
        (aside / index).write_text(text + "\n", encoding="utf-8")
    return tuple(written)
