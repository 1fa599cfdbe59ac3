"""Compressed weights for iOS 18 and macOS 15: codes shorter than a byte, palettes for groups."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sdcoreml.convert.certificates.digest import graph_digest
from sdcoreml.convert.compile.package import compile_package
from sdcoreml.convert.compression.recipe import Method, Recipe
from sdcoreml.convert.packages.chunk import chunk
from sdcoreml.convert.packages.write import write_packages
from sdcoreml.convert.parity.figures import distance
from sdcoreml.convert.programs.payload import DrawnProgram
from sdcoreml.convert.proof.audit import audit
from sdcoreml.convert.spec.model import (
    Blob,
    DataType,
    Operation,
    TensorType,
    Value,
)
from sdcoreml.convert.storage.joined import open_whole
from sdcoreml.convert.storage.package import open_program
from sdcoreml.convert.weights.safetensors import TensorFile
from tests.inside.convert.compression.test_compress import NEWER, compressed, kinds, output, written
from tests.inside.convert.mil.packages import open_package
from tests.inside.convert.programs.models import checkpoint

UNIFORM = Recipe(method=Method.UNIFORM, bits=3, group_size=16)
LARGE = "mid_block_resnets_0_conv1_weight"  # (64, 64, 3, 3)


def arguments(built: DrawnProgram, name: str) -> tuple[Operation, dict[str, TensorType]]:
    found = next(item for item in kinds(built) if item.outputs[0].name == name)
    types = {}
    for argument, (value,) in found.inputs.items():
        assert isinstance(value, Value)
        assert isinstance(value.type, TensorType)
        types[argument] = value.type
    return found, types


def test_the_newer_form_of_palettes_is_that_of_coremltools(tmp_path: Path) -> None:
    built = compressed(checkpoint("unet", tmp_path), UNIFORM, NEWER)
    operation, types = arguments(built, LARGE)
    assert operation.type == "constexpr_lut_to_dense"
    assert operation.attributes.keys() == {"name"}
    assert types == {
        "indices": TensorType(dtype=DataType.UINT3, shape=(64, 64, 3, 3)),
        "lut": TensorType(dtype=DataType.FLOAT16, shape=(4, 1, 1, 1, 8, 1)),
    }
    apart = compressed(checkpoint("unet", tmp_path), replace(UNIFORM, group_size=48), NEWER)
    assert arguments(apart, LARGE)[1]["lut"].shape == (1, 1, 1, 1, 8, 1)  # 48 does not divide 64


def test_the_newer_form_of_integers_is_that_of_coremltools(tmp_path: Path) -> None:
    built = compressed(checkpoint("unet", tmp_path), Recipe(method=Method.LINEAR, bits=8), NEWER)
    operation, types = arguments(built, LARGE)
    assert operation.type == "constexpr_blockwise_shift_scale"
    assert types == {
        "data": TensorType(dtype=DataType.INT8, shape=(64, 64, 3, 3)),
        "scale": TensorType(dtype=DataType.FLOAT16, shape=(64, 1, 1, 1)),
    }


@pytest.mark.parametrize(
    "recipe",
    [
        *(Recipe(method=Method.UNIFORM, bits=bits) for bits in (1, 2, 4, 6, 8)),
        Recipe(method=Method.LINEAR, bits=8),
    ],
    ids=str,
)
def test_both_notations_hold_the_same_numbers(recipe: Recipe, tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    older = written(made, tmp_path / "older.mlpackage", recipe)
    newer = written(made, tmp_path / "newer.mlpackage", recipe, NEWER)
    with open_package(older) as one, open_package(newer) as other:
        assert torch.equal(one.constant(LARGE), other.constant(LARGE))


def test_a_unet_of_grouped_palettes_stays_close_to_itself(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    small = written(made, tmp_path / "small.mlpackage", Recipe(bits=3, group_size=32), NEWER)
    psnr, _ = distance(output(made.write(tmp_path / "whole.mlpackage")), output(small))
    assert psnr >= 28


@pytest.mark.parametrize(
    ("recipe", "method"),
    [
        (Recipe(bits=3), "3-bit palette"),
        (Recipe(method=Method.UNIFORM, bits=4, group_size=8), "4-bit palette"),
        (Recipe(bits=1, method=Method.UNIFORM, group_size=1), "1-bit palette"),
        (Recipe(method=Method.LINEAR, bits=8), "int8 linear"),
    ],
    ids=str,
)
def test_every_code_of_the_newer_form_is_audited(
    recipe: Recipe, method: str, tmp_path: Path
) -> None:
    made = checkpoint("unet", tmp_path)
    package = written(made, tmp_path / "x.mlpackage", recipe, NEWER)
    with TensorFile.open(made.weights) as tensors, open_program(package) as program:
        found = audit(program.function, program.storage, tensors)
    assert found.faults() == ()
    assert found.compressed.keys() <= found.placed.keys()
    assert {item.method for item in found.compressed.values()} == {method}


def test_the_certificate_of_the_whole_is_theirs(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    packages = [
        made.write(tmp_path / "whole.mlpackage", NEWER),
        written(made, tmp_path / "palettes.mlpackage", UNIFORM, NEWER),
        written(made, tmp_path / "again.mlpackage", UNIFORM, NEWER),
        written(made, tmp_path / "integers.mlpackage", Recipe(method=Method.LINEAR, bits=8), NEWER),
    ]
    digests = set()
    for package in packages:
        with TensorFile.open(made.weights) as tensors, open_program(package) as program:
            placed = audit(program.function, program.storage, tensors).placed
            digests.add(graph_digest(program, placed))
    assert len(digests) == 1
    for file in ("Data/com.apple.CoreML/model.mlmodel", "Data/com.apple.CoreML/weights/weight.bin"):
        assert (packages[1] / file).read_bytes() == (packages[2] / file).read_bytes()


def test_a_wrong_palette_of_one_group_is_found(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    recipe = Recipe(method=Method.UNIFORM, bits=4, group_size=8)
    package = written(made, tmp_path / "x.mlpackage", recipe, NEWER)
    (operation,) = (
        item for item in kinds(compressed(made, recipe, NEWER)) if item.outputs[0].name == LARGE
    )
    (table,) = operation.inputs["lut"]
    assert isinstance(table, Value)
    assert isinstance(table.data, Blob)
    weights = package / "Data/com.apple.CoreML/weights/weight.bin"
    content = bytearray(weights.read_bytes())
    second = slice(table.data.offset + 64 + 32, table.data.offset + 64 + 64)  # 16 numbers
    content[second] = (2 * np.frombuffer(content[second], "<f2")).tobytes()
    weights.write_bytes(content)
    with TensorFile.open(made.weights) as tensors, open_program(package) as program:
        found = audit(program.function, program.storage, tensors)
    assert {name for name, item in found.compressed.items() if item.wrong} == {LARGE}


def test_halves_of_a_newer_program_take_their_codes_along(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    whole = written(made, tmp_path / "whole.mlpackage", UNIFORM, NEWER)
    paths = (tmp_path / "1.mlpackage", tmp_path / "2.mlpackage")
    halves = chunk(compressed(made, UNIFORM, NEWER))
    with TensorFile.open(made.weights) as tensors:
        write_packages(dict(zip(paths, halves, strict=True)), tensors)
        with open_whole(paths) as program:
            assert audit(program.function, program.storage, tensors).faults() == ()
    sizes = [
        (package / "Data/com.apple.CoreML/weights/weight.bin").stat().st_size
        for package in (whole, *paths)
    ]
    assert 0.9 * sizes[0] < sizes[1] + sizes[2] < 1.2 * sizes[0]


@pytest.mark.parametrize(
    ("recipe", "stored", "call"),
    [
        (
            UNIFORM,
            "Mixed (Float16, Float32, Palettized (3 bits), UInt3)",
            "constexpr_lut_to_dense(indices = tensor<uint3, [64, 64, 3, 3]>(BLOBFILE(",
        ),
        (
            Recipe(method=Method.LINEAR, bits=8),
            "Mixed (Float16, Float32, Int8)",
            "constexpr_blockwise_shift_scale(data = tensor<int8, [64, 64, 3, 3]>(BLOBFILE(",
        ),
    ],
    ids=("palette", "integers"),
)
def test_a_newer_program_is_compiled_and_read_back(
    recipe: Recipe, stored: str, call: str, tmp_path: Path
) -> None:
    package = written(checkpoint("unet", tmp_path), tmp_path / "x.mlpackage", recipe, NEWER)
    compiled = compile_package(package, tmp_path / "x.mlmodelc")
    assert compiled.metadata[0]["storagePrecision"] == stored
    text = (compiled.path / "model.mil").read_text(encoding="utf-8")
    assert f"tensor<fp16, [64, 64, 3, 3]> {LARGE} = {call}" in text
