"""A module whose weights stay in their file, and are there only while a layer computes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sdcoreml.convert.references.modules import open_module
from sdcoreml.ground.errors import BadInputError

X = torch.tensor([[1.0, 2.0]])
WEIGHT = torch.tensor([[1.0001, 0.0], [0.0, 3.0]])
BIAS = torch.tensor([0.5, 0.25])


class Small(torch.nn.Module):  # type: ignore[misc]  # torch is not typed here
    """Two layers, a norm, a parameter of its own and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(2, 2)
        self.norm = torch.nn.LayerNorm(2, eps=1e-5)
        self.scale = torch.nn.Parameter(torch.ones(2))
        self.register_buffer("shift", torch.zeros(2))
        self.seen: list[torch.device] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(self.first.weight.device)
        return self.first(x) * self.scale + self.shift


def tensors() -> dict[str, torch.Tensor]:
    return {
        "first.weight": WEIGHT.clone(),
        "first.bias": BIAS.clone(),
        "norm.weight": torch.ones(2),
        "norm.bias": torch.zeros(2),
        "scale": torch.tensor([2.0, 4.0]),
        "shift": torch.tensor([10.0, 20.0]),
        "surplus": torch.zeros(3),
    }


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    save_file(tensors(), tmp_path / "small.safetensors")
    return tmp_path / "small.safetensors"


def test_weights_are_in_memory_only_while_their_layer_computes(weights: Path) -> None:
    module = open_module(Small, weights, torch.float32)
    found = module(X)
    assert torch.equal(found, (X @ WEIGHT.T + BIAS) * tensors()["scale"] + tensors()["shift"])
    assert [device.type for device in module.seen] == ["meta"]
    assert {one.device.type for one in module.parameters()} == {"meta"}
    assert {one.dtype for one in module.parameters()} == {torch.float32}
    assert not any(one.requires_grad for one in module.parameters())
    assert not module.training
    assert torch.equal(module(X), found)


def test_weights_are_rounded_then_widened_and_so_is_a_norm_s_epsilon(weights: Path) -> None:
    module = open_module(Small, weights, torch.float16)
    rounded = WEIGHT.half().float()
    assert not torch.equal(rounded, WEIGHT)
    assert torch.equal(module.first(X), X @ rounded.T + BIAS)
    assert module.norm.eps == torch.tensor(1e-5).half().item() != 1e-5
    assert open_module(Small, weights, torch.float32).norm.eps == pytest.approx(1e-5)


def test_a_module_computes_in_the_precision_asked_for(weights: Path) -> None:
    module = open_module(Small, weights, torch.float32, precision=torch.float64)
    assert {one.dtype for one in module.parameters()} == {torch.float64}
    wide = X.double() @ WEIGHT.double().T + BIAS.double()
    assert torch.equal(module.first(X.double()), wide)


def test_tensors_may_be_replaced_by_others_of_as_many_elements(weights: Path) -> None:
    other = torch.tensor([[[5.0], [6.0]], [[7.0], [8.0]]])
    module = open_module(Small, weights, torch.float16, {"first.weight": other})
    assert torch.equal(module.first(X), X @ other.reshape(2, 2).T + BIAS)


def test_all_tensors_that_a_file_lacks_are_named(tmp_path: Path) -> None:
    kept = {name: one for name, one in tensors().items() if not name.startswith("norm")}
    save_file(kept, tmp_path / "less.safetensors")
    with pytest.raises(BadInputError) as caught:
        open_module(Small, tmp_path / "less.safetensors", torch.float32)
    assert str(caught.value) == (
        f"{tmp_path / 'less.safetensors'}: tensors are missing: norm.weight, norm.bias;"
        " use the weights and the config.json of the same model"
    )


def test_a_buffer_that_a_file_lacks_is_the_module_s_own(tmp_path: Path) -> None:
    class Own(Small):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("own", torch.full((2,), 3.0), persistent=False)

    save_file(tensors(), tmp_path / "all.safetensors")
    module = open_module(Own, tmp_path / "all.safetensors", torch.float32)
    assert torch.equal(module.own, torch.full((2,), 3.0))
    assert torch.equal(module.shift, tensors()["shift"])


class Renamed(Small):
    """A module that knows its file's names as others, as diffusers' autoencoder does."""

    def _convert_deprecated_attention_blocks(self, state: dict[str, torch.Tensor]) -> None:
        for name in [name for name in state if name.startswith("old.")]:
            state[name.replace("old.", "first.")] = state.pop(name)


def test_names_of_an_older_version_are_those_of_this_one(tmp_path: Path) -> None:
    renamed = {name.replace("first.", "old."): one for name, one in tensors().items()}
    save_file(renamed, tmp_path / "old.safetensors")
    module = open_module(Renamed, tmp_path / "old.safetensors", torch.float32)
    assert torch.equal(module.first(X), X @ WEIGHT.T + BIAS)
