"""Valid models, a thousand times smaller than real ones, from which odd cases are made.

Weights are random float16 numbers, seeded by the tensor's name. Every model has the config keys and
tensor names that its library writes.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from sdcoreml.convert.models.skeleton import parameters
from tests.convert.models import originals

Tensors = dict[str, np.ndarray]
Config = dict[str, Any]

SD1_UNET: Config = {
    "_class_name": "UNet2DConditionModel",
    "_diffusers_version": "0.23.1",
    "act_fn": "silu",
    "attention_head_dim": 8,
    "block_out_channels": [32, 32],
    "center_input_sample": False,
    "cross_attention_dim": 64,
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 4,
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-05,
    "norm_num_groups": 32,
    "out_channels": 4,
    "sample_size": 16,
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
}
SD2_UNET: Config = SD1_UNET | {"attention_head_dim": [1, 1], "use_linear_projection": True}
SDXL_UNET: Config = SD2_UNET | {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "cross_attention_dim": 96,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "projection_class_embeddings_input_dim": 6 * 256 + 64,
    "transformer_layers_per_block": [1, 2],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
}
REFINER_UNET: Config = SDXL_UNET | {
    "cross_attention_dim": 64,
    "projection_class_embeddings_input_dim": 5 * 256 + 64,
    "transformer_layers_per_block": [2, 2],
}
VAE: Config = {
    "_class_name": "AutoencoderKL",
    "_diffusers_version": "0.23.1",
    "act_fn": "silu",
    "block_out_channels": [32, 32, 32, 32],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "in_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 1,
    "norm_num_groups": 32,
    "out_channels": 3,
    "sample_size": 128,
    "scaling_factor": 0.18215,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
LETTERS = [
    *map(chr, (*range(33, 127), *range(161, 173), *range(174, 256))),
    *(chr(256 + n) for n in range(68)),
]
"""The 256 characters by which CLIP's tokenizer represents the bytes."""
MERGES = ("t h", "th e</w>", "c a", "ca t</w>", "d o", "do g</w>", "i n", "a n", "an d</w>")
WORDS = [
    *LETTERS,
    *(f"{letter}</w>" for letter in LETTERS),
    *("".join(merge.split()) for merge in MERGES),
    "<|startoftext|>",
    "<|endoftext|>",
]
TEXT: Config = {
    "architectures": ["CLIPTextModel"],
    "attention_dropout": 0.0,
    "bos_token_id": len(WORDS) - 2,
    "eos_token_id": 2,
    "hidden_act": "quick_gelu",
    "hidden_size": 64,
    "intermediate_size": 128,
    "layer_norm_eps": 1e-05,
    "max_position_embeddings": 77,
    "model_type": "clip_text_model",
    "num_attention_heads": 1,
    "num_hidden_layers": 2,
    "pad_token_id": 1,
    "projection_dim": 64,
    "vocab_size": len(WORDS),
}
SD2_TEXT: Config = TEXT | {"hidden_act": "gelu"}
FIRST_TEXT: Config = TEXT | {"hidden_size": 32, "intermediate_size": 64, "projection_dim": 32}
SECOND_TEXT: Config = SD2_TEXT | {"architectures": ["CLIPTextModelWithProjection"]}
SCHEDULER: Config = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.23.1",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
}

MODELS: Mapping[str, Mapping[str, Config]] = {
    "sd1": {"unet": SD1_UNET, "vae": VAE, "text_encoder": TEXT},
    "sd2": {"unet": SD2_UNET, "vae": VAE, "text_encoder": SD2_TEXT},
    "sdxl": {
        "unet": SDXL_UNET,
        "vae": VAE | {"scaling_factor": 0.13025},
        "text_encoder": FIRST_TEXT,
        "text_encoder_2": SECOND_TEXT,
    },
    "refiner": {
        "unet": REFINER_UNET,
        "vae": VAE | {"scaling_factor": 0.13025},
        "text_encoder_2": SECOND_TEXT,
    },
}
"""The configs of each model, by family and component."""
PIPELINES: Mapping[str, str] = {
    "sd1": "StableDiffusionPipeline",
    "sd2": "StableDiffusionPipeline",
    "sdxl": "StableDiffusionXLPipeline",
    "refiner": "StableDiffusionXLImg2ImgPipeline",
}
LATE = ("text_encoder_2", "safety_checker")


def class_of(config: Config) -> str:
    """Return the name of the class that a config belongs to."""
    return str(config.get("_class_name") or config["architectures"][0])


def drawn(shapes: Mapping[str, tuple[int, ...]]) -> Tensors:
    """Return random float16 tensors with these shapes by name, the same in every run."""
    return {name: _drawn(name, shape) for name, shape in shapes.items()}


@cache
def _drawn(name: str, shape: tuple[int, ...]) -> np.ndarray:
    noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if len(shape) > 1:
        noise *= 0.6 / np.sqrt(np.prod(shape[1:]))
    elif "norm" in name and name.endswith("weight"):
        noise = 1 + 0.1 * noise
    else:
        noise *= 0.1
    return noise.astype("f2")


def tensors_of(config: Config) -> Tensors:
    """Return the tensors of the component with this config, named as in its library."""
    return dict(_tensors_of(json.dumps(config)))


@cache
def _tensors_of(config: str) -> Tensors:
    known = json.loads(config)
    return drawn(parameters(class_of(known), known) or {})


def controlnet(unet: Config) -> tuple[Config, Tensors]:
    """Return the config and tensors of a ControlNet for a UNet with the config `unet`."""
    dropped = ("out_channels", "sample_size", "up_block_types")
    config = {name: value for name, value in unet.items() if name not in dropped}
    config |= {"_class_name": "ControlNetModel", "controlnet_conditioning_channel_order": "rgb"}
    config["conditioning_embedding_out_channels"] = [8, 16, 24, 32]
    starts = ("conv_in.", "time_embedding.", "add_embedding.", "down_blocks.", "mid_block.")
    tensors = {n: t for n, t in tensors_of(unet).items() if n.startswith(starts)}
    embedding = "controlnet_cond_embedding"
    pairs = [(8, 8), (8, 16), (16, 16), (16, 24), (24, 24), (24, 32)]
    kernels = {f"{embedding}.conv_in": (8, 3, 3, 3), f"{embedding}.conv_out": (32, 32, 3, 3)}
    kernels |= {f"{embedding}.blocks.{n}": (b, a, 3, 3) for n, (a, b) in enumerate(pairs)}
    kernels |= {f"controlnet_down_blocks.{n}": (32, 32, 1, 1) for n in range(6)}
    kernels["controlnet_mid_block"] = (32, 32, 1, 1)
    for name, shape in kernels.items():
        tensors |= drawn({f"{name}.weight": shape, f"{name}.bias": shape[:1]})
    return config, tensors


def original(family: str, *, blocks: int = 2) -> Tensors:
    """Return the tensors of a whole model, with the original names of single files.

    `blocks` is the number of blocks of OpenCLIP's text encoder. SD 2.x gets one more, since its
    last block is not used.
    """
    return dict(_original(family, blocks))


@cache
def _original(family: str, blocks: int) -> Tensors:
    configs = MODELS[family]
    wide = SECOND_TEXT | {"num_hidden_layers": blocks + (family == "sd2")}
    text = originals.original_texts(
        family,
        tensors_of(configs.get("text_encoder", TEXT)),
        tensors_of(wide),
        np.concatenate,
    )
    return (
        originals.original_unet(tensors_of(configs["unet"]))
        | originals.original_vae(tensors_of(configs["vae"]))
        | text
    )


_DTYPES = {"float16": "F16", "float32": "F32", "float64": "F64", "int64": "I64", "int8": "I8"}
_DTYPES |= {"uint8": "U8", "int32": "I32", "bool": "BOOL"}


def safetensors(
    tensors: Mapping[str, np.ndarray],
    metadata: Mapping[str, str] | None = None,
    dtypes: Mapping[str, str] | None = None,
) -> bytes:
    """Return the bytes of a safetensors file; `dtypes` names those numpy lacks (F8, BF16)."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt", **(metadata or {})}}
    start, parts = 0, []
    for name, tensor in tensors.items():
        data = tensor.tobytes()
        dtype = (dtypes or {}).get(name) or _DTYPES[tensor.dtype.name]
        header[name] = {
            "dtype": dtype,
            "shape": list(tensor.shape),
            "data_offsets": [start, start + len(data)],
        }
        start += len(data)
        parts.append(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(parts)


@cache
def component_bytes(family: str, name: str) -> bytes:
    """Return the bytes of a safetensors file with one component's weights."""
    return safetensors(tensors_of(MODELS[family][name]))


@cache
def file_bytes(family: str) -> bytes:
    """Return the bytes of a safetensors file with a whole model in the original layout."""
    return safetensors(original(family))


def write(path: Path, content: bytes | str | object) -> Path:
    """Write bytes, a text, or any other value as JSON; create missing folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        text = content if isinstance(content, str) else json.dumps(content, indent=2)
        path.write_text(text, encoding="utf-8")
    return path


def edit(path: Path, **changes: Any) -> None:
    """Set keys of a JSON file; a value of `...` removes the key."""
    content = json.loads(path.read_text()) | changes
    write(path, {name: value for name, value in content.items() if value is not ...})


def weights_name(component: str) -> str:
    """Return the file name, without suffix, that a component's library gives to its weights."""
    return "model" if component.startswith("text_encoder") else "diffusion_pytorch_model"


def weights(folder: Path, component: str) -> Path:
    """Return the path of a component's weight file."""
    return folder / component / f"{weights_name(component)}.safetensors"


def write_tokenizer(folder: Path, pad: str = "<|endoftext|>") -> Path:
    """Write CLIP's tokenizer files with a small vocabulary."""
    write(folder / "vocab.json", {word: number for number, word in enumerate(WORDS)})
    write(folder / "merges.txt", "\n".join(("#version: 0.2", *MERGES, "")))
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": pad}
    write(folder / "special_tokens_map.json", special | {"unk_token": "<|endoftext|>"})
    kind = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77}
    write(folder / "tokenizer_config.json", special | kind)
    return folder


def write_folder(folder: Path, family: str = "sd1") -> Path:
    """Write a valid model in diffusers' layout."""
    configs = MODELS[family]
    index: Config = {"_class_name": PIPELINES[family], "_diffusers_version": "0.23.1"}
    for name, config in configs.items():
        kind = class_of(config)
        index[name] = ["transformers" if kind.startswith("CLIP") else "diffusers", kind]
        write(folder / name / "config.json", config)
        write(weights(folder, name), component_bytes(family, name))
        if name.startswith("text_encoder"):
            tokenizer = name.replace("text_encoder", "tokenizer")
            index[tokenizer] = ["transformers", "CLIPTokenizer"]
            pad = "!" if family == "sd2" or name in LATE else "<|endoftext|>"
            write_tokenizer(folder / tokenizer, pad)
    index["scheduler"] = ["diffusers", "PNDMScheduler"]
    write(folder / "scheduler" / "scheduler_config.json", SCHEDULER)
    write(folder / "model_index.json", index)
    return folder


def write_file(
    folder: Path, family: str = "sd1", name: str = "model.safetensors", content: bytes | None = None
) -> Path:
    """Write a single-file model, and a folder with its small tokenizer beside it."""
    write_tokenizer(folder / "tokenizer")
    return write(folder / name, file_bytes(family) if content is None else content)
