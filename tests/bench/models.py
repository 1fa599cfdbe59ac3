"""Writes full-size models of random numbers, in the three forms that people have.

They have the configs of the published models that are certified, and weights from a fixed seed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np

from sdcoreml.convert.models.configs import SCHEDULERS, model_index, scheduler_config
from sdcoreml.convert.models.family import Family, Task
from sdcoreml.convert.models.skeleton import parameters
from sdcoreml.convert.models.vocabulary import SPECIAL, byte_letters
from sdcoreml.doctor.proving import miniature
from tests.bench.weights import make_checkpoint
from tests.convert.models.originals import original_texts, original_unet, original_vae
from tools.certify.models import MODELS
from tools.certify.specimen import write_specimen

KINDS: Mapping[str, str] = {
    "text_encoder": "CLIPTextModel",
    "text_encoder_2": "CLIPTextModelWithProjection",
    "unet": "UNet2DConditionModel",
    "vae": "AutoencoderKL",
}
TOKENS = 49_408
"""The number of tokens of CLIP's vocabulary."""


def write_folder(folder: Path, model: str) -> None:
    """Write a model of `tools.certify.models.MODELS` in diffusers' layout, weights in float16."""
    _write_frame(folder, model)
    for name, config in MODELS[model].configs.items():
        write_specimen(_weights(folder, name), parameters(KINDS[name], config) or {})


def write_sharded(folder: Path, model: str) -> None:
    """Write the same folder with a UNet of pickled shards."""
    _write_frame(folder, model)
    for name, config in MODELS[model].configs.items():
        if name == "unet":
            make_checkpoint(folder / name, config, "float16")
        else:
            write_specimen(_weights(folder, name), parameters(KINDS[name], config) or {})


def write_file(path: Path, model: str) -> None:
    """Write the same model as a single file, with the names of the original checkpoints."""
    write_specimen(path, original_shapes(model))


def original_shapes(model: str) -> Mapping[str, tuple[int, ...]]:
    """Return the shapes of a model's tensors by their names in the original checkpoints."""
    stand_ins = {
        name: {
            tensor: np.broadcast_to(np.float16(0), shape)
            for tensor, shape in (parameters(KINDS[name], config) or {}).items()
        }
        for name, config in MODELS[model].configs.items()
    }
    texts = original_texts(
        _ORIGINALS.get(MODELS[model].family, "sd1"),
        stand_ins["text_encoder"],
        stand_ins.get("text_encoder_2", stand_ins["text_encoder"]),
        np.concatenate,
    )
    unet, vae = original_unet(stand_ins["unet"]), original_vae(stand_ins["vae"])
    return {name: array.shape for name, array in (unet | vae | texts).items()}


_ORIGINALS: Mapping[Family, str] = {
    Family.SD2_BASE: "sd2",
    Family.SD2_V: "sd2",
    Family.SDXL: "sdxl",
}
"""The family by its name in `tests.convert.models.originals`, if it is not SD 1.x."""

FORMS: Mapping[str, Callable[[Path, str], None]] = {
    "folder": write_folder,
    "file": write_file,
    "shards": write_sharded,
}
"""The forms of a model, and what writes each."""


def _weights(folder: Path, component: str) -> Path:
    stem = "model" if component.startswith("text_encoder") else "diffusion_pytorch_model"
    return folder / component / f"{stem}.safetensors"


def _write_frame(folder: Path, model: str) -> None:
    """Write everything but the weights."""
    known = MODELS[model]
    is_xl = known.family is Family.SDXL
    scheduler = scheduler_config(known.family, "epsilon", None)
    tokenizers = ("tokenizer", "tokenizer_2") if is_xl else ("tokenizer",)
    kinds = {name: KINDS[name] for name in known.configs}
    index = model_index(
        known.family,
        Task.TEXT_TO_IMAGE,
        kinds,
        dict.fromkeys(tokenizers, "CLIPTokenizer"),
        SCHEDULERS["euler" if is_xl else "pndm"],
    )
    for name, config in known.configs.items():
        _write(folder / name / "config.json", {**_named(KINDS[name]), **config})
    for name, pad in zip(tokenizers, (SPECIAL[1], "!"), strict=False):
        write_tokenizer(folder / name, pad)
    _write(folder / "scheduler" / "scheduler_config.json", scheduler)
    _write(folder / "model_index.json", index)


def _named(kind: str) -> dict[str, Any]:
    if kind.startswith("CLIP"):
        return {"architectures": [kind], "model_type": "clip_text_model"}
    return {"_class_name": kind, "_diffusers_version": "0.23.1"}


def write_tokenizer(folder: Path, pad: str = SPECIAL[1]) -> None:
    """Write a tokenizer of CLIP's size whose merges are pairs of letters."""
    letters = byte_letters()
    pairs = islice(product(letters, letters), TOKENS - 2 * len(letters) - len(SPECIAL))
    miniature.write_tokenizer(folder, [*map(" ".join, pairs)], pad)


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    return sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
