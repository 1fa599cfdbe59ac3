"""Writes the sample: a small Stable Diffusion 1.x folder with sharded `.bin` weights, which draws.

`tools/sample` trained it on captioned shapes: it has the structure of the published models and
CLIP's vocabulary, of which only the words of the captions have weights. Its UNet and VAE are
sharded `.bin` files with an index: diffusers 0.23.1 cannot load this layout, which is why this
project was started. This module needs no torch, and writes the same bytes everywhere.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from sdcoreml.convert.models.configs import Config, tokenizer_config
from sdcoreml.convert.models.family import PIXELS_PER_LATENT
from sdcoreml.convert.models.files import INDEX_NAME
from sdcoreml.convert.models.folder_plan import as_json
from sdcoreml.convert.models.sample_folder import (
    KINDS,
    index_of,
    write_components,
    write_json,
)
from sdcoreml.convert.models.skeleton import parameters
from sdcoreml.convert.models.vocabulary import MERGES, SPECIAL, TOKENS, VOCABULARY
from sdcoreml.convert.weights.safetensors import TensorFile
from sdcoreml.convert.weights.torch_writer import FloatTensor
from sdcoreml.ground.files import Document, read_bytes

STORED = Path(__file__).with_name("sample.safetensors")
"""The weights in float16, with names that begin with their component's, and the words: int32."""
WORDS = "words"
"""The numbers in CLIP's vocabulary of the words that have an embedding; all others have zeros."""
EMBEDDINGS = "text_model.embeddings.token_embedding.weight"
NAME = "sdcoreml sample 3"
"""What `model_index.json` says the sample is; the number rises with each training."""

LATENT = 16
"""Height and width of the sample's latents."""

_CROSS, _PLAIN = "CrossAttnDownBlock2D", "DownBlock2D"
_CROSS_UP, _PLAIN_UP = "CrossAttnUpBlock2D", "UpBlock2D"
_WIDTH = 64
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
        "num_hidden_layers": 2,
        "pad_token_id": 1,
        "projection_dim": _WIDTH,
        "vocab_size": TOKENS,
    },
    "unet": {
        "_class_name": "UNet2DConditionModel",
        "_diffusers_version": _VERSION,
        "attention_head_dim": 4,
        "block_out_channels": [32, 64, 64, 64],
        "cross_attention_dim": _WIDTH,
        "down_block_types": [_CROSS, _CROSS, _CROSS, _PLAIN],
        "in_channels": 4,
        "layers_per_block": 2,
        # Norms of single channels, which 32 groups would be, erase the colours that noise has left.
        "norm_num_groups": 8,
        "out_channels": 4,
        "sample_size": LATENT,
        "up_block_types": [_PLAIN_UP, _CROSS_UP, _CROSS_UP, _CROSS_UP],
    },
    "vae": {
        "_class_name": "AutoencoderKL",
        "_diffusers_version": _VERSION,
        "block_out_channels": [16, 24, 48, 48],
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "in_channels": 3,
        "latent_channels": 4,
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "out_channels": 3,
        "sample_size": PIXELS_PER_LATENT * LATENT,
        "scaling_factor": 0.18215,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
    },
}
"""The config.json of each component."""


def is_sample(folder: Path) -> bool:
    """Whether a folder is the complete sample that the current `write_sample` writes."""
    index = folder / INDEX_NAME
    return index.is_file() and read_bytes(index, Document.CONFIG) == as_json(index_of(NAME))


def is_older_sample(folder: Path) -> bool:
    """Whether a folder is a sample that another version of this tool wrote."""
    index, name = folder / INDEX_NAME, NAME.rstrip("0123456789").encode()
    return index.is_file() and b'"_name_or_path": "' + name in read_bytes(index, Document.CONFIG)


def write_sample(folder: Path, vocabulary: Path, stored: Path = STORED) -> None:
    """Write the sample into `folder`, with CLIP's vocabulary from another; the index comes last."""
    tokenizer = folder / "tokenizer"
    tokenizer.mkdir(parents=True)
    for name in (VOCABULARY, MERGES):
        shutil.copyfile(vocabulary / name, tokenizer / name)
    write_json(tokenizer / "tokenizer_config.json", tokenizer_config(SPECIAL[1]))
    with TensorFile.open(stored) as weights:
        write_components(folder, CONFIGS, lambda name: weights_of(name, weights))
    write_json(folder / INDEX_NAME, index_of(NAME))


def weights_of(component: str, stored: TensorFile) -> Iterator[tuple[str, FloatTensor]]:
    """Yield names and weights of a component's tensors, in the order of its module."""
    for name, shape in (parameters(KINDS[component], CONFIGS[component]) or {}).items():
        values = stored[f"{component}.{name}"].astype("<f4")
        if name == EMBEDDINGS:
            rows, values = values, np.zeros(shape, "<f4")
            values[stored[WORDS]] = rows
        yield name, FloatTensor(shape=shape, data=values.tobytes())
