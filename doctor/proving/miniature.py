"""Writes the miniature: a small Stable Diffusion 1.x folder of random weights, for tests.

It has the architectures of the pinned libraries, a thousand times smaller, weights from
`miniature_weights`, and a byte-pair tokenizer of a few words. Like the sample's, its UNet and VAE
are sharded `.bin` files. No file and no torch is needed to write it, and it has the same bytes
everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sdcoreml.convert.models.configs import (
    Config,
    tokenizer_config,
)
from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.convert.models.files import INDEX_NAME
from sdcoreml.convert.models.sample_folder import (
    KINDS,
    index_of,
    write_components,
    write_json,
)
from sdcoreml.convert.models.skeleton import parameters
from sdcoreml.convert.models.vocabulary import MERGES, SPECIAL, VOCABULARY, byte_letters
from sdcoreml.convert.weights.torch_writer import FloatTensor
from sdcoreml.doctor.proving.miniature_weights import SEED, draw_tensor

LATENT = 32
"""Height and width of its latents."""
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


def write_miniature(folder: Path) -> None:
    """Write the miniature into `folder`; `model_index.json` comes last."""
    write_tokenizer(folder / "tokenizer")
    write_components(folder, CONFIGS, weights_of)
    write_json(folder / INDEX_NAME, index_of(SEED))


def weights_of(component: str) -> Iterator[tuple[str, FloatTensor]]:
    """Yield names and weights of a component's tensors, in the order of its module."""
    shapes = parameters(KINDS[component], CONFIGS[component]) or {}
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
    write_json(folder / "tokenizer_config.json", tokenizer_config(pad))
