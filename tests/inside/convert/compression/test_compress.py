"""Compressed programs run, stay close to the module, are smaller, and load in coremltools."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sdcoreml.convert.compression.clustering import cluster
from sdcoreml.convert.compression.compress import compress
from sdcoreml.convert.compression.palette import error, histogram
from sdcoreml.convert.compression.recipe import Method, Recipe
from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.packages.write import write_package
from sdcoreml.convert.parity.figures import distance
from sdcoreml.convert.programs.options import Precision, ProgramOptions, Target
from sdcoreml.convert.programs.payload import DrawnProgram
from sdcoreml.convert.spec.model import Operation
from sdcoreml.convert.weights.safetensors import TensorFile
from sdcoreml.ground.errors import UnsupportedError
from tests.inside.convert.alone import import_coremltools
from tests.inside.convert.mil.packages import open_package
from tests.inside.convert.programs.models import Checkpoint, checkpoint

NEWER = ProgramOptions(target=Target.MACOS15)


def compressed(
    made: Checkpoint, recipe: Recipe, options: ProgramOptions | None = None
) -> DrawnProgram:
    with TensorFile.open(made.weights) as tensors:
        return compress(made.build(options), tensors, recipe)


def written(
    made: Checkpoint, path: Path, recipe: Recipe, options: ProgramOptions | None = None
) -> Path:
    with TensorFile.open(made.weights) as tensors:
        write_package(compress(made.build(options), tensors, recipe), tensors, path)
    return path


def output(package: Path) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    feeds = {
        "sample": torch.randn((2, 4, 16, 16), generator=generator),
        "timestep": torch.tensor([981.0, 21.0]),
        "encoder_hidden_states": torch.randn((2, 24, 1, 77), generator=generator),
    }
    with open_package(package) as executable:
        return executable.run(feeds, Mode.FP32)["noise_pred"]


def kinds(built: DrawnProgram) -> list[Operation]:
    block = built.model.program.functions["main"].block
    return [item for item in block.operations if item.type.startswith("constexpr_")]


@pytest.mark.parametrize(
    ("recipe", "floor"),
    [
        (Recipe(bits=6), 43),
        (Recipe(bits=4), 28),
        (Recipe(bits=2), 12),
        (Recipe(bits=1), 8),
        (Recipe(method=Method.UNIFORM, bits=8), 50),
        (Recipe(method=Method.UNIFORM, bits=6), 38),
        (Recipe(method=Method.LINEAR, bits=8), 52),
    ],
    ids=str,
)
def test_a_unet_stays_close_to_itself(recipe: Recipe, floor: float, tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    whole = made.write(tmp_path / "whole.mlpackage")
    small = written(made, tmp_path / "small.mlpackage", recipe)
    psnr, _ = distance(output(whole), output(small))
    assert psnr >= floor
    sizes = [
        (package / "Data/com.apple.CoreML/weights/weight.bin").stat().st_size
        for package in (whole, small)
    ]
    assert sizes[1] < (recipe.bits / 16 + 0.2) * sizes[0]


def test_the_same_recipe_gives_the_same_bytes(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    for name in ("a", "b"):
        written(made, tmp_path / f"{name}.mlpackage", Recipe(bits=4))
    files = ("Data/com.apple.CoreML/model.mlmodel", "Data/com.apple.CoreML/weights/weight.bin")
    for file in files:
        first, second = (tmp_path / f"{name}.mlpackage" / file for name in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    "recipe", [Recipe(bits=6), Recipe(bits=2), Recipe(method=Method.LINEAR, bits=8)], ids=str
)
def test_coremltools_reads_what_was_compressed(recipe: Recipe, tmp_path: Path) -> None:
    import_coremltools()
    import coremltools
    from coremltools.converters.mil.frontend.milproto.load import load

    made = checkpoint("vae_decoder", tmp_path)
    package = written(made, tmp_path / "x.mlpackage", recipe)
    spec = coremltools.utils.load_spec(str(package))
    program = load(
        spec,
        specification_version=spec.specificationVersion,
        file_weights_dir=str(package / "Data/com.apple.CoreML/weights"),
    )
    found = [
        op for op in program.functions["main"].operations if op.op_type.startswith("constexpr")
    ]
    assert len(found) == len(kinds(compressed(made, recipe)))


@pytest.mark.parametrize("size", [4, 16, 64])
def test_clusters_are_as_good_as_those_of_coremltools(size: int) -> None:
    import_coremltools()
    from coremltools._deps import kmeans1d

    generator = np.random.default_rng(5)
    weight = (generator.standard_normal(20_000) * 0.05).astype(np.float16)
    theirs = np.sort(np.array(kmeans1d.cluster(weight, size).centroids)).astype(np.float16)
    data = histogram([weight])
    assert error(data, cluster(data, size)) <= 1.0005 * error(data, theirs)


def test_tables_masks_norms_and_embeddings_are_left_alone(tmp_path: Path) -> None:
    made = checkpoint("text_encoder", tmp_path, {"vocab_size": 4000})
    names = {operation.outputs[0].name for operation in kinds(compressed(made, Recipe(bits=4)))}
    assert names == {
        f"text_model_encoder_layers_{layer}_mlp_{linear}_weight"
        for layer in (0, 1)
        for linear in ("fc1", "fc2")
    }  # token embeddings are looked up; the projections of this tiny model are below the threshold


def test_single_layers_may_have_other_bits(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    layers = {"mid_block_resnets_0_conv1_weight": 8, "mid_block_resnets_0_conv2_weight": 16}
    built = compressed(made, Recipe(bits=4, layers=layers))
    found = {item.outputs[0].name: item for item in kinds(built)}
    assert "mid_block_resnets_0_conv2_weight" not in found
    sizes = {p.name: p.nbytes for p in built.payloads}
    count = 64 * 64 * 9
    assert sizes["mid_block_resnets_0_conv1_weight_indices"] == count
    assert sizes["mid_block_resnets_0_conv2_weight"] == 2 * count
    assert sizes["mid_block_resnets_1_conv1_weight_indices"] == count // 2


def test_refusals(tmp_path: Path) -> None:
    made = checkpoint("vae_decoder", tmp_path)
    with pytest.raises(UnsupportedError, match=r"3-bit .* --target macOS15, or choose 1, 2, 4, 6"):
        compressed(made, Recipe(bits=3))
    with pytest.raises(UnsupportedError, match=r"kmeans with 5 bits .* choose 1, 2, 3, 4, 6, 8"):
        compressed(made, Recipe(bits=5), NEWER)
    with pytest.raises(UnsupportedError, match=r"linear with 6 bits .* choose 8$"):
        compressed(made, Recipe(method=Method.LINEAR, bits=6))
    with pytest.raises(UnsupportedError, match="does not have: conv_in_weight"):
        compressed(made, Recipe(layers={"conv_in_weight": 4}))
    with TensorFile.open(made.weights) as tensors:
        full = made.build(ProgramOptions(precision=Precision.FP32))
        with pytest.raises(UnsupportedError, match="only float16 programs"):
            compress(full, tensors, Recipe())
