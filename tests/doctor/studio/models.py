"""Tiny models of all families, in a folder, as single files, and what can be merged into them."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sdcoreml.convert.models.skeleton import parameters
from sdcoreml.convert.weights.tensor import TensorInfo
from sdcoreml.doctor.proving.families import (
    FAMILIES,
    write_controlnet,
    write_json,
    write_sd1,
)
from sdcoreml.doctor.studio.bench import Bench
from sdcoreml.doctor.studio.examine import examine
from tests.convert.models.test_single_file import original, save


def examined(bench: Bench, path: Path) -> dict[str, Any]:
    """Examine a path; what is returned must be JSON."""
    found: dict[str, Any] = json.loads(json.dumps(examine(bench, path)))
    return found


def _folder(write: Callable[[Path], None], parent: Path) -> Path:
    write(parent / "model")
    return parent / "model"


def _file(name: str, parent: Path) -> Path:
    return save(parent / f"{name}.safetensors", original(name))


def write_lcm(parent: Path) -> Path:
    """Write a consistency model, which only ComfyUI's nodes run."""
    model = _folder(write_sd1, parent)
    place = model / "unet" / "config.json"
    config = {**json.loads(place.read_text()), "time_cond_proj_dim": 256}
    shutil.rmtree(model / "unet")
    shapes = parameters("UNet2DConditionModel", config) or {}
    (model / "unet").mkdir()
    save(
        model / "unet" / "diffusion_pytorch_model.safetensors",
        {name: np.zeros(shape, "f2") for name, shape in shapes.items()},
    )
    write_json(place, config)
    return model


def write_sparse(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Path:
    """Write a file of float16 tensors that is all header: its weights are a hole in the disk."""
    at, header = 0, {}
    for name, shape in shapes.items():
        end = at + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + at)
    return path


def write_lora(path: Path, tensors: Iterable[TensorInfo]) -> Path:
    """Write a LoRA of rank 1 for the first query of a UNet with these tensors."""
    found = next(one for one in tensors if one.name.endswith("attn1.to_q.weight"))
    layer = "lora_unet_" + found.name.removesuffix(".weight").replace(".", "_")
    rows, columns = found.shape
    return save(
        path,
        {
            f"{layer}.lora_up.weight": np.ones((rows, 1), "f4"),
            f"{layer}.lora_down.weight": np.ones((1, columns), "f4"),
        },
    )


MODELS: Mapping[str, Callable[[Path], Path]] = {
    **{f"{name} folder": partial(_folder, write) for name, write in FAMILIES.items()},
    **{f"{name} file": partial(_file, name) for name in ("sd1", "sd2", "sdxl", "refiner")},
    "controlnet": partial(_folder, write_controlnet),
}
"""Writes one model of each family into a folder, and returns its path."""
