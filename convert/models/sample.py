"""Writes the sample: a small Stable Diffusion 1.x folder with sharded `.bin` weights.

The sample has the architectures of the pinned libraries, a thousand times smaller, weights from
`sample_weights`, and a working CLIP byte-pair tokenizer. Its UNet and VAE are sharded `.bin` files
with an index: diffusers 0.23.1 cannot load this layout, which is why this project was started. This
module needs no torch, and writes the same bytes everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from sdcoreml.convert.models.configs import (
    Config,
    model_index,
    scheduler_config,
    tokenizer_config,
)
from sdcoreml.convert.models.family import PIXELS_PER_LATENT, Family, Task
from sdcoreml.convert.models.files import CONFIG_NAME, INDEX_NAME
from sdcoreml.convert.models.folder_plan import as_json
from sdcoreml.convert.models.sample_weights import SEED, draw_tensor
from sdcoreml.convert.models.skeleton import parameters
from sdcoreml.convert.models.vocabulary import MERGES, SPECIAL, VOCABULARY, byte_letters
from sdcoreml.convert.weights.torch_writer import FloatTensor, write_torch
from sdcoreml.ground.files import Document, read_bytes

LATENT = 32
"""Height and width of the sample's latents."""
SHARD_BYTES = 3_000_000
PAIRS = (
    *("t h", "th e</w>", "i n", "a n", "an d</w>", "o f</w>", "c a", "ca t</w>", "d o"),
    *("do g</w>", "o n</w>", "s t", "a r", "in g</w>", "p h", "ph o", "t o", "pho to</w>"),
)
"""Merges of a small but working byte-pair vocabulary, sufficient for any text and made up here."""

_CROSS, _PLAIN = "CrossAttnDownBlock2D", "DownBlock2D"
_CROSS_UP, _PLAIN_UP = "CrossAttnUpBlock2D", "UpBlock2D"
_CHANNELS = [32, 64, 64, 64]
_WIDTH = 64
_TOKENS = 2 * 256 + len(PAIRS) + len(SPECIAL)
_VERSION = "0.23.1"

CONFIGS: Mapping[str, Config] = {
    "text_encoder": {
        "architectures": ["CLIPTextModel"],
        "bos_token_id": 0,
        "eos_token_id": 2,  # as every SD 1.x config says; transformers then pools at argmax(ids)
        "hidden_act": "quick_gelu",
        "hidden_size": _WIDTH,
        "intermediate_size": 4 * _WIDTH,
        "layer_norm_eps": 1e-05,
        "max_position_embeddings": 77,
        "model_type": "clip_text_model",
        "num_attention_heads": 4,
        "num_hidden_layers": 3,
        "pad_token_id": 1,
        "projection_dim": _WIDTH,
        "vocab_size": _TOKENS,
    },
    "unet": {
        "_class_name": "UNet2DConditionModel",
        "_diffusers_version": _VERSION,
        "attention_head_dim": 8,
        "block_out_channels": _CHANNELS,
        "cross_attention_dim": _WIDTH,
        "down_block_types": [_CROSS, _CROSS, _CROSS, _PLAIN],
        "in_channels": 4,
        "layers_per_block": 2,
        "out_channels": 4,
        "sample_size": LATENT,
        "up_block_types": [_PLAIN_UP, _CROSS_UP, _CROSS_UP, _CROSS_UP],
    },
    "vae": {
        "_class_name": "AutoencoderKL",
        "_diffusers_version": _VERSION,
        "block_out_channels": _CHANNELS,
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "in_channels": 3,
        "latent_channels": 4,
        "layers_per_block": 1,
        "out_channels": 3,
        "sample_size": PIXELS_PER_LATENT * LATENT,
        "scaling_factor": 0.18215,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
    },
}
"""The config.json of each component."""

_KINDS: Mapping[str, str] = {
    "text_encoder": "CLIPTextModel",
    "unet": "UNet2DConditionModel",
    "vae": "AutoencoderKL",
}


def is_sample(folder: Path) -> bool:
    """Whether a folder is the complete sample that the current `write_sample` writes."""
    index = folder / INDEX_NAME
    return index.is_file() and read_bytes(index, Document.CONFIG) == as_json(_index())


def is_older_sample(folder: Path) -> bool:
    """Whether a folder is a sample that another version of this tool wrote."""
    index, name = folder / INDEX_NAME, SEED.rstrip("0123456789").encode()
    return index.is_file() and b'"_name_or_path": "' + name in read_bytes(index, Document.CONFIG)


def write_sample(folder: Path) -> None:
    """Write the sample into `folder`; `model_index.json` comes last."""
    write_tokenizer(folder / "tokenizer")
    for name, config in CONFIGS.items():
        tensors = weights_of(name)
        _write_json(folder / name / CONFIG_NAME, config)
        if name == "text_encoder":
            write_torch(folder / name / "pytorch_model.bin", dict(tensors))
        else:
            write_shards(tensors, folder / name, "diffusion_pytorch_model")
    _write_json(
        folder / "scheduler" / "scheduler_config.json",
        scheduler_config(Family.SD1, "epsilon", None),
    )
    _write_json(folder / INDEX_NAME, _index())


def weights_of(component: str) -> Iterator[tuple[str, FloatTensor]]:
    """Yield names and weights of a component's tensors, in the order of its module."""
    shapes = parameters(_KINDS[component], CONFIGS[component]) or {}
    for name, shape in shapes.items():
        yield name, draw_tensor(name, shape)


def write_tokenizer(folder: Path, pairs: Sequence[str] = PAIRS, pad: str = SPECIAL[1]) -> None:
    """Write CLIP tokenizer files, with these merges, in the form that published models have."""
    letters = byte_letters()
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    words += [*("".join(pair.split()) for pair in pairs), *SPECIAL]
    folder.mkdir(parents=True, exist_ok=True)
    numbered = {word: number for number, word in enumerate(words)}
    (folder / VOCABULARY).write_bytes(json.dumps(numbered, ensure_ascii=False).encode())
    (folder / MERGES).write_bytes("\n".join(("#version: 0.2", *pairs, "")).encode())
    _write_json(folder / "tokenizer_config.json", tokenizer_config(pad))


def write_shards(tensors: Iterable[tuple[str, FloatTensor]], folder: Path, stem: str) -> None:
    """Write tensors as PyTorch shards of at most `SHARD_BYTES`, and their index."""
    shards = list(_shards(tensors))
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        name = f"{stem}-{number:05d}-of-{len(shards):05d}.bin"
        write_torch(folder / name, shard)
        weight_map |= dict.fromkeys(shard, name)
    total = sum(len(tensor.data) for shard in shards for tensor in shard.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    _write_json(folder / f"{stem}.bin.index.json", index)


def _shards(tensors: Iterable[tuple[str, FloatTensor]]) -> Iterator[dict[str, FloatTensor]]:
    shard: dict[str, FloatTensor] = {}
    size = 0
    for name, tensor in tensors:
        if shard and size + len(tensor.data) > SHARD_BYTES:
            yield shard
            shard, size = {}, 0
        shard[name] = tensor
        size += len(tensor.data)
    yield shard


def _index() -> Config:
    tokenizers = {"tokenizer": "CLIPTokenizer"}
    index = model_index(Family.SD1, Task.TEXT_TO_IMAGE, _KINDS, tokenizers, "PNDMScheduler")
    return {**index, "_name_or_path": SEED}


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(as_json(content))
