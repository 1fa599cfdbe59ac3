"""The quick check uses a smaller image, if the graph for that size is the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.compression.compress import compress
from sdcoreml.convert.compression.recipe import Recipe
from sdcoreml.convert.packages.chunk import chunk
from sdcoreml.convert.packages.write import write_package
from sdcoreml.convert.parity.check import (
    FULL,
    QUICK,
    CheckOptions,
    check_component,
)
from sdcoreml.convert.parity.miniature import small_size
from sdcoreml.convert.parity.outcome import Parity
from sdcoreml.convert.programs import build_program
from sdcoreml.convert.programs.options import Attention, ProgramOptions
from sdcoreml.convert.spec.reader import read_package
from sdcoreml.convert.spec.writer import serialise_model
from sdcoreml.convert.weights.safetensors import TensorFile
from tests.inside.convert.programs.models import Checkpoint, checkpoint

OPTIONS = ProgramOptions(height=32, width=40)


def check(made: Checkpoint, package: Path, options: CheckOptions) -> Parity:
    options = replace(options, program=OPTIONS)
    return check_component(made.component, package, made.config, made.weights, options)


@pytest.mark.parametrize("component", ["unet", "vae_decoder", "vae_encoder"])
def test_a_sample_is_of_a_small_picture_and_proves_the_same_graph(
    component: str, tmp_path: Path
) -> None:
    made = checkpoint(component, tmp_path)
    package = made.write(tmp_path / "x.mlpackage", OPTIONS)
    quick, full = check(made, package, QUICK), check(made, package, FULL)
    assert quick.passed
    assert quick.sample
    assert quick.proof().as_json()["sample"] == quick.sample
    assert not full.sample
    assert quick.key == full.key


def test_compressed_weights_are_those_of_the_package(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    with TensorFile.open(made.weights) as tensors:
        built = build_program("unet", made.config, tensors, OPTIONS)
        write_package(compress(built, tensors, Recipe(bits=4)), tensors, tmp_path / "x.mlpackage")
    parity = check(made, tmp_path / "x.mlpackage", QUICK)
    assert parity.sample
    assert parity.faults() == ()
    assert parity.fidelity[0].psnr < 60


@pytest.mark.parametrize("recipe", [None, Recipe(bits=6)])
def test_halves_lend_their_weights_each(recipe: Recipe | None, tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    first, second = tmp_path / "1.mlpackage", tmp_path / "2.mlpackage"
    with TensorFile.open(made.weights) as tensors:
        built = build_program("unet", made.config, tensors, OPTIONS)
        whole = compress(built, tensors, recipe) if recipe else built
        for half, package in zip(chunk(whole), (first, second), strict=True):
            write_package(half, tensors, package)
    options = replace(QUICK, program=OPTIONS)
    parity = check_component("unet", (first, second), made.config, made.weights, options)
    assert parity.sample
    assert parity.faults() == ()


def test_a_package_that_is_not_as_drawn_is_run_itself(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    package = made.write(tmp_path / "x.mlpackage", OPTIONS)
    model = read_package(package).model
    function = model.program.functions["main"]
    place = next(n for n, op in enumerate(function.block.operations) if op.type == "silu")
    operations = list(function.block.operations)
    operations[place] = replace(operations[place], type="tanh")
    block = replace(function.block, operations=tuple(operations))
    function = replace(function, blocks={function.opset: block})
    broken = replace(model, program=replace(model.program, functions={"main": function}))
    (package / "Data/com.apple.CoreML/model.mlmodel").write_bytes(serialise_model(broken))
    parity = check(made, package, QUICK)
    assert not parity.sample
    assert not parity.passed


@pytest.mark.parametrize(
    ("config", "attention", "size"),
    [
        (
            {"block_out_channels": [1] * 4, "down_block_types": ["CrossAttn"]},
            Attention.ORIGINAL,
            (16, 24),
        ),
        (
            {"block_out_channels": [1] * 3, "down_block_types": ["D", "CrossAttn"]},
            Attention.SPLIT_EINSUM,
            (8, 12),
        ),
        (
            {"block_out_channels": [1] * 4, "down_block_types": ["CrossAttn"]},
            Attention.SPLIT_EINSUM_V2,
            (32, 48),
        ),
        (
            {"block_out_channels": [1] * 3, "down_block_types": ["D", "CrossAttn"]},
            Attention.SPLIT_EINSUM_V2,
            (40, 60),
        ),
        ({"hidden_size": 768}, Attention.SPLIT_EINSUM, None),
    ],
)
def test_small_is_as_small_as_the_levels_and_the_pieces_allow(
    config: Mapping[str, Any], attention: Attention, size: tuple[int, int] | None
) -> None:
    assert small_size(config, ProgramOptions(attention=attention)) == size
