"""How much work a conversion is, from the headers of its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from sdcoreml.convert.jobs.foresight import foresee
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.programs.options import Target
from tests.convert.stand_ins import job_of, write_model

SHAPES = {"big.weight": (64, 512), "small.weight": (8, 8), "bias": (40_000,)}
BIG, SMALL, BIAS = 64 * 512, 64, 40_000
VAE = 8 + 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = write_model(tmp_path / "cat")
    tensors = {name: np.zeros(shape, np.float32) for name, shape in SHAPES.items()}
    save_file(tensors, folder / "unet/diffusion_pytorch_model.safetensors")
    half = {"text_model.embeddings.weight": np.zeros((100, 512), np.float16)}
    save_file(half, folder / "text_encoder/model.safetensors")
    vae = {"decoder.weight": np.zeros(8, np.float32), "encoder.weight": np.zeros(4, np.float32)}
    save_file(vae, folder / "vae/diffusion_pytorch_model.safetensors")
    return folder


def amounts(folder: Path, workers: int = 1, jobs: int = 1, **choices: Any) -> dict[str, float]:
    made = [
        job_of(open_model(folder), folder.parent / f"{number}", **choices) for number in range(jobs)
    ]
    event = foresee(made, workers)
    assert event.kind == "plan"
    assert isinstance(event.data, dict)
    assert event.data["workers"] == workers
    found: dict[str, float] = event.data["amounts"]
    return found


EMBEDDING = 51_200
UNET = BIG + SMALL + BIAS


def test_uncompressed_weights_are_read_written_and_compared(folder: Path) -> None:
    count = UNET + EMBEDDING + VAE
    assert amounts(folder) == pytest.approx(
        {
            "read": 1.05 * (4 * UNET + 2 * EMBEDDING + 4 * VAE),
            "draw": 0.25e9 + 6 * 0.3e6,
            "cluster": 0.0,
            "write": 2.9 * count,
            "audit": 0.0,
            "compare": 1.7 * count,
            "compile": 6 * 0.6e6,
            "hash": 0.78 * 2 * count,
        }
    )


def test_large_layers_are_clustered_and_audited(folder: Path) -> None:
    kept = SMALL + BIAS + EMBEDDING
    found = amounts(folder, recipe={"bits": 4})
    assert found["cluster"] == pytest.approx(3.3 * BIG + 10e6)
    assert found["audit"] == pytest.approx(6.8 * BIG)
    assert found["compare"] == pytest.approx(1.7 * (kept + VAE))
    assert found["write"] == pytest.approx(7.8 * BIG + 2.9 * (kept + VAE))
    assert found["hash"] == pytest.approx(0.78 * (BIG // 2 + 2 * (kept + VAE)))


def test_a_recipe_s_own_bits_groups_and_method_count(folder: Path) -> None:
    own = {"bits": 4, "layers": {"big_weight": 8}}
    assert amounts(folder, recipe=own)["cluster"] == pytest.approx(3.3 * BIG + 72e6)
    grouped = {"bits": 4, "group_size": 16}
    groups = amounts(folder, recipe=grouped, target=Target.MACOS15)
    assert groups["cluster"] == pytest.approx(3.3 * BIG + 4 * 10e6)
    uniform = amounts(folder, recipe={"bits": 4, "method": "uniform"})
    assert uniform["cluster"] == pytest.approx(3.3 * BIG)


def test_what_two_folders_share_is_made_once_and_audited_twice(folder: Path) -> None:
    recipe = {"bits": 4}
    one, two = (amounts(folder, recipe=recipe, jobs=jobs) for jobs in (1, 2))
    once = ("read", "write", "hash", "cluster")
    assert [two[name] for name in once] == [one[name] for name in once]
    assert two["audit"] == pytest.approx(2 * one["audit"])
    assert two["compare"] == pytest.approx(2 * one["compare"])
    assert two["draw"] - 0.25e9 == pytest.approx(2 * (one["draw"] - 0.25e9))
    shared = amounts(folder, workers=2, recipe=recipe)
    assert shared["audit"] == one["audit"] / 2
    assert shared["draw"] == one["draw"]
