"""A sample's folder whole: which files it has, what they say, and where its weights are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sdcoreml.convert.models import sample_folder
from sdcoreml.convert.models.configs import Config
from sdcoreml.convert.models.sample_folder import index_of, write_components
from sdcoreml.convert.weights.torch_writer import FloatTensor


def tensor(count: int, first: float) -> FloatTensor:
    return FloatTensor((count,), np.arange(first, first + count, dtype="<f4").tobytes())


def weights_of(name: str) -> Iterator[tuple[str, FloatTensor]]:
    start = {"text_encoder": 0, "unet": 100, "vae": 200}[name]
    sizes = {"text_encoder": 10, "unet": 3, "vae": 6}[name]
    for number in range(3):
        yield f"{name}.{number}", tensor(sizes, start + 10 * number)


def test_a_folder_has_configs_and_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_folder, "SHARD_BYTES", 24)
    configs: dict[str, Config] = {name: {"a": name} for name in ("text_encoder", "unet", "vae")}
    write_components(tmp_path, configs, weights_of)
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert files == {
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/pytorch_model.bin",
        "unet/config.json",
        "unet/diffusion_pytorch_model-00001-of-00002.bin",
        "unet/diffusion_pytorch_model-00002-of-00002.bin",
        "unet/diffusion_pytorch_model.bin.index.json",
        "vae/config.json",
        "vae/diffusion_pytorch_model-00001-of-00003.bin",
        "vae/diffusion_pytorch_model-00002-of-00003.bin",
        "vae/diffusion_pytorch_model-00003-of-00003.bin",
        "vae/diffusion_pytorch_model.bin.index.json",
    }
    assert json.loads((tmp_path / "unet/config.json").read_bytes()) == {"a": "unet"}
    index = json.loads((tmp_path / "unet/diffusion_pytorch_model.bin.index.json").read_bytes())
    first, last = (f"diffusion_pytorch_model-0000{number}-of-00002.bin" for number in (1, 2))
    assert index == {
        "metadata": {"total_size": 36},
        "weight_map": {"unet.0": first, "unet.1": first, "unet.2": last},
    }
    scheduler = json.loads((tmp_path / "scheduler/scheduler_config.json").read_bytes())
    assert scheduler["prediction_type"] == "epsilon"
    content = (tmp_path / "unet" / last).read_bytes()
    assert tensor(3, 120).data in content
    assert tensor(3, 110).data not in content
    assert tensor(3, 110).data in (tmp_path / "unet" / first).read_bytes()


def test_the_index_names_what_the_folder_has() -> None:
    index = index_of("us/sample")
    del index["_diffusers_version"]
    assert index == {
        "_class_name": "StableDiffusionPipeline",
        "_name_or_path": "us/sample",
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "PNDMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
