from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from sdcoreml.convert.models.folder_plan import ComponentFiles, FolderPlan
from sdcoreml.convert.weights.source import open_checkpoint
from sdcoreml.ground.errors import BadInputError
from tests.convert.models.originals import UNETS
from tests.convert.models.test_lora import CONV, LINEAR, RANK, kohya, merged

WEIGHTS = {LINEAR: (32, 32), CONV: (32, 32, 3, 3)}


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype("f4")


@pytest.fixture
def weights() -> dict[str, np.ndarray]:
    return {f"{layer}.weight": drawn(*shape) for layer, shape in WEIGHTS.items()}


@pytest.fixture
def plan(tmp_path: Path, weights: dict[str, np.ndarray]) -> FolderPlan:
    path = tmp_path / "unet.safetensors"
    safetensors.numpy.save_file(weights, path)
    tensors = open_checkpoint(path).tensors
    unet = ComponentFiles(kind="", config=UNETS["sd1"], tensors=tensors, whole=path)
    return FolderPlan(parts={"unet": unet}, files={})


@pytest.mark.parametrize("layer", [LINEAR, CONV])
def test_a_loha_is_merged(
    tmp_path: Path, plan: FolderPlan, weights: dict[str, np.ndarray], layer: str
) -> None:
    weight = weights[f"{layer}.weight"]
    stem = kohya(layer)[0].removesuffix(".lora_down.weight")
    rows, width = len(weight), weight[0].size
    parts = {
        "hada_w1_a": drawn(rows, RANK),
        "hada_w1_b": drawn(RANK, width),
        "hada_w2_a": drawn(rows, RANK) - 1,
        "hada_w2_b": drawn(RANK, width) + 1,
        "alpha": np.array(4, "f4"),
    }
    lora = {f"{stem}.{role}": array for role, array in parts.items()}
    found = merged(tmp_path, plan, lora, 0.5)["unet"][f"{layer}.weight"]
    product = (parts["hada_w1_a"] @ parts["hada_w1_b"]) * (parts["hada_w2_a"] @ parts["hada_w2_b"])
    change = 0.5 * 4 / RANK * product.reshape(weight.shape)
    np.testing.assert_allclose(found, weight + change, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("is_whole", [True, False])
@pytest.mark.parametrize("layer", [LINEAR, CONV])
def test_a_lokr_is_merged(
    tmp_path: Path, plan: FolderPlan, weights: dict[str, np.ndarray], layer: str, *, is_whole: bool
) -> None:
    weight = weights[f"{layer}.weight"]
    stem = kohya(layer)[0].removesuffix(".lora_down.weight")
    first, kernel = drawn(4, 2), weight.shape[2:]
    low, narrow = weight.shape[0] // 4, weight.shape[1] // 2
    parts = {"lokr_w1": first, "alpha": np.array(6, "f4")}
    if is_whole:
        parts["lokr_w2"] = second = drawn(low, narrow, *kernel)
    else:
        parts["lokr_w2_a"] = drawn(low, RANK)
        parts["lokr_w2_b"] = drawn(RANK, narrow * int(np.prod(kernel)))
        second = (parts["lokr_w2_a"] @ parts["lokr_w2_b"]).reshape(low, narrow, *kernel)
    lora = {f"{stem}.{role}": array for role, array in parts.items()}
    found = merged(tmp_path, plan, lora)["unet"][f"{layer}.weight"]
    product = np.kron(first.reshape(4, 2, *(1 for _ in kernel)), second)
    change = product * (1 if is_whole else 6 / RANK)
    np.testing.assert_allclose(found, weight + change, rtol=1e-4, atol=1e-4)


def test_a_lycoris_that_does_not_fit_is_refused(tmp_path: Path, plan: FolderPlan) -> None:
    stem = kohya(LINEAR)[0].removesuffix(".lora_down.weight")
    for parts in (
        {"lokr_w1": drawn(3, 2), "lokr_w2": drawn(8, 8)},
        {"lokr_w1": drawn(4, 2)},
        {"hada_w1_a": drawn(32, 2), "hada_w1_b": drawn(2, 32)},
        {"lokr_w1": drawn(4, 2), "lokr_w2_a": drawn(8, 3), "lokr_w2_b": drawn(2, 16)},
        {"lokr_w1": drawn(4, 2), "lokr_w2_a": drawn(8, 0), "lokr_w2_b": drawn(0, 16)},
        {"lokr_w1": drawn(4, 2), "lokr_w2_a": drawn(8), "lokr_w2_b": drawn(8, 16)},
        {f"hada_w{n}_{side}": drawn(2, 2) for n in (1, 2) for side in "ab"},
    ):
        lora = {f"{stem}.{role}": array for role, array in parts.items()}
        with pytest.raises(BadInputError, match=r"do not fit a tensor of shape \[32, 32\]"):
            merged(tmp_path, plan, lora)
