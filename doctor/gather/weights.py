"""One weight file: what it is by its first bytes, whether it is whole, and what it holds.

The containers are judged by the converter's own readers, so that the doctor and the conversion
cannot disagree. Only headers are read; nothing that a pickle names is imported.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdcoreml.doctor.core.subjects import WeightFile

SUFFIXES = (".safetensors", ".bin", ".ckpt", ".pt", ".pth")
_HEAD = 512
_SUSPECT = 64 * 1024
"""A weight file below this size may be a page or a pointer; a real one is megabytes."""

HOLDS: Mapping[str, tuple[str, ...]] = {
    "unet": ("model.diffusion_model.",),
    "vae": ("first_stage_model.",),
    "text_encoder": ("cond_stage_model.", "conditioner.embedders."),
    "ema": ("model_ema.",),
    "controlnet": ("control_model.",),
    "embedding": ("emb_params", "string_to_param"),
    "sdxl": ("conditioner.embedders.",),
    "lora": ("lora_",),
}
"""What a checkpoint in the original layout has, by the beginning of its tensors' names."""

Shapes = Mapping[str, tuple[int, ...]]


def weight_file(path: Path) -> WeightFile:
    """Judge one file."""
    return opened(path)[0]


def opened(path: Path) -> tuple[WeightFile, Shapes]:
    """The judgement of a file, and the shapes of its tensors by name when it can be read."""
    try:
        state = path.stat()
        if stat.S_ISFIFO(state.st_mode):  # opening it would wait for somebody to write
            fault = "a pipe, no file"
            return WeightFile(path=str(path), kind="unreadable", size=0, fault=fault), {}
        size = state.st_size
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        fault = error.strerror or "unreadable"
        return WeightFile(path=str(path), kind="unreadable", size=0, fault=fault), {}
    kind = kind_of(head, size, path.suffix)
    if kind not in {"safetensors", "pickle"}:
        return WeightFile(path=str(path), kind=kind, size=size), {}
    return _container(WeightFile(path=str(path), kind=kind, size=size))


def kind_of(head: bytes, size: int, suffix: str) -> str:
    """What a file with this beginning is, whatever its name says."""
    text = head.lstrip().lower()
    if not size:
        return "empty"
    if head.startswith(b"version https://git-lfs"):
        return "lfs-pointer"
    if text.startswith((b"<", b'{"error', b"{'error")) or (size < _SUSPECT and b"<html" in text):
        return "web-page"
    if head[:2] == b"PK" or head[:1] == b"\x80":
        return "pickle"
    if suffix == ".safetensors":
        return "safetensors"
    return "other"


def _container(file: WeightFile) -> tuple[WeightFile, Shapes]:
    """The file with the reader's complaint or notes, and the shapes of its tensors."""
    from sdcoreml.convert.weights.source import open_checkpoint
    from sdcoreml.ground.errors import SdcoremlError, UnsafePickleError

    try:
        checkpoint = open_checkpoint(Path(file.path))
    except UnsafePickleError as error:
        return replace(file, unsafe=(error.complaint,)), {}
    except SdcoremlError as error:
        return replace(file, fault=error.complaint), {}
    shapes = {tensor.name: tensor.shape for tensor in checkpoint.tensors}
    return replace(file, notes=checkpoint.notes), shapes


def holdings(names: Iterable[str]) -> tuple[str, ...]:
    """What a single file has in it, by its tensors' names."""
    known = tuple(names)
    found = [
        what for what, starts in HOLDS.items() if any(name.startswith(starts) for name in known)
    ]
    if "lora" not in found and any(".lora_" in name for name in known):
        found.append("lora")
    return tuple(found)


def mismatches(config: Mapping[str, Any], shapes: Shapes) -> Iterator[str]:
    """Where a UNet's tensors contradict its config.json: the signs of another model's config."""
    first = shapes.get("conv_in.weight")
    if not shapes or not {"block_out_channels", "cross_attention_dim"} <= config.keys():
        return  # not a UNet: a VAE has the first of them too
    if first is None:
        yield "conv_in.weight is missing"
        return
    match config["block_out_channels"]:
        case [int() as width, *_]:
            wanted = (width, config.get("in_channels", 4))
            if first[:2] != wanted:
                yield f"conv_in.weight is {list(first[:2])}, config.json says {list(wanted)}"
        case other:
            yield f"config.json says {other!r} of block_out_channels"
    keys = next((name for name in sorted(shapes) if name.endswith("attn2.to_k.weight")), "")
    taken, given = config["cross_attention_dim"], shapes.get(keys, ())[1:2]
    if given and isinstance(taken, int) and given != (taken,):
        yield f"text features are {given[0]} wide in the weights, {taken} in config.json"
