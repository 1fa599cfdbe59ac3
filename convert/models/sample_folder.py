"""Writes a small model's folder: configs, sharded `.bin` weights, scheduler and index."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from sdcoreml.convert.models.configs import Config, model_index, scheduler_config
from sdcoreml.convert.models.family import Family, Task
from sdcoreml.convert.models.files import CONFIG_NAME
from sdcoreml.convert.models.folder_plan import as_json
from sdcoreml.convert.weights.torch_writer import FloatTensor, write_torch

SHARD_BYTES = 3_000_000
KINDS: Mapping[str, str] = {
    "text_encoder": "CLIPTextModel",
    "unet": "UNet2DConditionModel",
    "vae": "AutoencoderKL",
}
Tensors: TypeAlias = Iterable[tuple[str, FloatTensor]]


def write_components(
    folder: Path, configs: Mapping[str, Config], weights_of: Callable[[str], Tensors]
) -> None:
    """Write the components of a Stable Diffusion 1.x model, and its scheduler's config."""
    for name, config in configs.items():
        write_json(folder / name / CONFIG_NAME, config)
        if name == "text_encoder":
            write_torch(folder / name / "pytorch_model.bin", dict(weights_of(name)))
        else:
            write_shards(weights_of(name), folder / name, "diffusion_pytorch_model")
    write_json(
        folder / "scheduler" / "scheduler_config.json",
        scheduler_config(Family.SD1, "epsilon", None),
    )


def write_shards(tensors: Tensors, folder: Path, stem: str) -> None:
    """Write tensors as PyTorch shards of at most `SHARD_BYTES`, and their index."""
    shards = list(_shards(tensors))
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        name = f"{stem}-{number:05d}-of-{len(shards):05d}.bin"
        write_torch(folder / name, shard)
        weight_map |= dict.fromkeys(shard, name)
    total = sum(len(tensor.data) for shard in shards for tensor in shard.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    write_json(folder / f"{stem}.bin.index.json", index)


def _shards(tensors: Tensors) -> Iterator[dict[str, FloatTensor]]:
    shard: dict[str, FloatTensor] = {}
    size = 0
    for name, tensor in tensors:
        if shard and size + len(tensor.data) > SHARD_BYTES:
            yield shard
            shard, size = {}, 0
        shard[name] = tensor
        size += len(tensor.data)
    yield shard


def index_of(name: str) -> Config:
    """Return model_index.json of such a model; `name` is what it was made as."""
    tokenizers = {"tokenizer": "CLIPTokenizer"}
    index = model_index(Family.SD1, Task.TEXT_TO_IMAGE, KINDS, tokenizers, "PNDMScheduler")
    return {**index, "_name_or_path": name}


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write a JSON file in the form that published models have, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(as_json(content))
