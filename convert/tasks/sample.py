"""Makes the sample with the pinned libraries: a small Stable Diffusion 1.x folder.

It has real architectures of the pinned libraries, random weights from a fixed seed, and a working
CLIP byte-pair tokenizer. UNet and VAE are sharded `.bin` files with an index, a layout that
diffusers 0.23.1 cannot load, which is why this project was started. This module runs in the built
environment.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.ground.codec import read_field
from sdcoreml.ground.events import Emit, Event

if TYPE_CHECKING:
    import torch
    from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel

SEED = 0
CHANNELS = (32, 64, 64, 64)
LATENT = 32
HIDDEN = 64
SHARD_BYTES = 3_000_000
MERGES = (
    *("t h", "th e</w>", "i n", "a n", "an d</w>", "o f</w>", "c a", "ca t</w>", "d o"),
    *("do g</w>", "o n</w>", "s t", "a r", "in g</w>", "p h", "ph o", "t o", "pho to</w>"),
)
"""Merges of a small byte-pair vocabulary, made up here, which can tokenize any text."""


def task(request: Mapping[str, object], emit: Emit) -> str:
    """Make the sample in the folder `request["path"]`."""
    folder = Path(read_field(request, "path", str))
    emit(Event(kind="step", text="make the sample model"))
    write_sample(folder)
    return str(folder)


def write_sample(folder: Path) -> None:
    """Write the model folder. The same toolchain writes the same weights every time."""
    import torch

    torch.manual_seed(SEED)
    folder.mkdir(parents=True, exist_ok=True)
    tokens = write_tokenizer(folder / "tokenizer")
    text_encoder, unet, vae = _modules(tokens)
    for module in (text_encoder, unet, vae):
        _randomise_norms(module)
    text_encoder.save_pretrained(folder / "text_encoder", safe_serialization=False)
    for name, module in (("unet", unet), ("vae", vae)):
        module.save_config(folder / name)
        write_shards(module.state_dict(), folder / name, "diffusion_pytorch_model")
    _scheduler().save_pretrained(folder / "scheduler")
    _write_json(folder / "model_index.json", _index())


def write_tokenizer(folder: Path) -> int:
    """Write CLIP tokenizer files as published models have them; return the number of tokens."""
    from transformers import CLIPTokenizer
    from transformers.models.clip.tokenization_clip import bytes_to_unicode

    folder.mkdir()
    letters = list(bytes_to_unicode().values())
    tokens = [*letters, *(letter + "</w>" for letter in letters)]
    tokens += ["".join(merge.split(" ")) for merge in MERGES]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    vocab, merges = folder / "vocab.json", folder / "merges.txt"
    vocab.write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    merges.write_text("\n".join(("#version: 0.2", *MERGES, "")), encoding="utf-8")
    tokenizer = CLIPTokenizer(str(vocab), str(merges), model_max_length=77)
    tokenizer.save_pretrained(folder)
    return len(tokens)


def write_shards(state: Mapping[str, torch.Tensor], folder: Path, stem: str) -> None:
    """Write a state dict as PyTorch shards of at most `SHARD_BYTES`, and their index."""
    import torch

    shards = list(_shards(state))
    weight_map = {}
    for number, shard in enumerate(shards, start=1):
        name = f"{stem}-{number:05d}-of-{len(shards):05d}.bin"
        torch.save(shard, folder / name)
        weight_map.update(dict.fromkeys(shard, name))
    total = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    _write_json(
        folder / f"{stem}.bin.index.json",
        {"metadata": {"total_size": total}, "weight_map": weight_map},
    )


def _shards(state: Mapping[str, torch.Tensor]) -> Iterator[dict[str, torch.Tensor]]:
    shard: dict[str, torch.Tensor] = {}
    size = 0
    for name, tensor in state.items():
        nbytes = tensor.numel() * tensor.element_size()
        if shard and size + nbytes > SHARD_BYTES:
            yield shard
            shard, size = {}, 0
        shard[name] = tensor.clone()
        size += nbytes
    yield shard


def _modules(tokens: int) -> tuple[CLIPTextModel, UNet2DConditionModel, AutoencoderKL]:
    """Make text encoder, UNet and VAE: the architectures of SD 1.x, a thousand times smaller."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=tokens,
            hidden_size=HIDDEN,
            intermediate_size=4 * HIDDEN,
            num_hidden_layers=3,
            num_attention_heads=4,
            projection_dim=HIDDEN,
            bos_token_id=0,
            eos_token_id=2,  # as every SD 1.x config says; transformers then pools at argmax(ids)
        )
    )
    unet = UNet2DConditionModel(
        sample_size=LATENT,
        block_out_channels=CHANNELS,
        cross_attention_dim=HIDDEN,
        attention_head_dim=8,
    )
    vae = AutoencoderKL(
        block_out_channels=CHANNELS,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        sample_size=PIXELS_PER_LATENT * LATENT,
    )
    return text_encoder, unet, vae


def _randomise_norms(module: torch.nn.Module) -> None:
    """Give norms random scale and shift: fresh modules have ones and zeros, which hide faults."""
    import torch

    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, (torch.nn.GroupNorm, torch.nn.LayerNorm)):
                layer.weight.uniform_(0.5, 1.5)
                layer.bias.normal_(std=0.1)


def _scheduler() -> PNDMScheduler:
    from diffusers import PNDMScheduler

    return PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        set_alpha_to_one=False,
        skip_prk_steps=True,
        steps_offset=1,
    )


def _index() -> dict[str, object]:
    return {
        "_class_name": "StableDiffusionPipeline",
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "PNDMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
