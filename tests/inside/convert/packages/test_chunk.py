"""The two halves of a program together give the same result as the whole, bit for bit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sdcoreml.convert.bundle.contract import chunk_paths
from sdcoreml.convert.compile.package import compile_package
from sdcoreml.convert.compression.compress import compress
from sdcoreml.convert.compression.recipe import Method, Recipe
from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.packages.chunk import chunk
from sdcoreml.convert.packages.cut import MARGIN
from sdcoreml.convert.packages.write import write_package
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.programs.payload import DrawnProgram
from sdcoreml.convert.spec.model import DataType
from sdcoreml.convert.weights.safetensors import TensorFile
from sdcoreml.ground.errors import UnsupportedError
from tests.inside.convert.mil.packages import open_package
from tests.inside.convert.programs.models import Checkpoint, checkpoint

Feeds = Mapping[str, torch.Tensor]


def feeds() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "sample": torch.randn((2, 4, 16, 16), generator=generator).half().float(),
        "timestep": torch.tensor([981.0, 21.0]),
        "encoder_hidden_states": torch.randn((2, 24, 1, 77), generator=generator).half().float(),
    }


def run(made: Checkpoint, built: DrawnProgram, path: Path, given: Feeds, mode: Mode) -> Feeds:
    """Run a half as apps do: pass it only those values that it declares as inputs."""
    with TensorFile.open(made.weights) as tensors:
        write_package(built, tensors, path)
    wanted = {feature.name for feature in built.model.description.inputs}
    with open_package(path) as executable:
        outputs = executable.run({name: given[name] for name in wanted}, mode)
    declared = {feature.name: feature.shape for feature in built.model.description.outputs}
    assert {name: tuple(result.shape) for name, result in outputs.items()} == declared
    return outputs


@pytest.mark.parametrize("mode", Mode)
def test_two_halves_are_the_whole(mode: Mode, tmp_path: Path) -> None:
    made, given = checkpoint("unet", tmp_path), feeds()
    whole = made.build()
    first, second = chunk(whole)
    expected = run(made, whole, tmp_path / "whole.mlpackage", given, mode)["noise_pred"]
    between = run(made, first, tmp_path / "first.mlpackage", given, mode)
    result = run(made, second, tmp_path / "second.mlpackage", {**given, **between}, mode)
    assert result.keys() == {"noise_pred"}
    assert torch.equal(result["noise_pred"], expected)


@pytest.mark.parametrize(
    "recipe", [Recipe(bits=4), Recipe(method=Method.LINEAR, bits=8)], ids=["palette", "integers"]
)
def test_compressed_first_then_cut(recipe: Recipe, tmp_path: Path) -> None:
    made, given = checkpoint("unet", tmp_path), feeds()
    with TensorFile.open(made.weights) as tensors:
        whole = compress(made.build(), tensors, recipe)
    first, second = chunk(whole)
    expected = run(made, whole, tmp_path / "whole.mlpackage", given, Mode.FP32)["noise_pred"]
    between = run(made, first, tmp_path / "first.mlpackage", given, Mode.FP32)
    result = run(made, second, tmp_path / "second.mlpackage", {**given, **between}, Mode.FP32)
    assert torch.equal(result["noise_pred"], expected)


def test_each_half_has_about_half_of_the_weights_and_none_twice(tmp_path: Path) -> None:
    whole = checkpoint("unet", tmp_path).build()
    halves = chunk(whole)
    names = [{payload.name for payload in half.payloads} for half in halves]
    assert names[0] | names[1] == {payload.name for payload in whole.payloads}
    assert all(name.startswith(("zeros", "ones")) for name in names[0] & names[1])
    total = sum(payload.nbytes for payload in whole.payloads)
    for half in halves:
        assert 0.44 < sum(payload.nbytes for payload in half.payloads) / total < 0.56


def weight_before(whole: DrawnProgram, place: int) -> float:
    """Return the fraction of all weights that precede an operation in the program."""
    sizes = {payload.name: payload.nbytes for payload in whole.payloads}
    operations = whole.model.program.main.block.operations[: place + 1]
    return sum(sizes.get(o.outputs[0].name, 0) for o in operations) / sum(sizes.values())


def apples_place(whole: DrawnProgram) -> int:
    """Return the index after which Apple's chunk_mlprogram.py (at c891f43) would cut.

    Its rule: the first operation that is not a constant, has a single output with a single
    consumer, and comes after more than half of the weights' bytes.
    """
    operations = whole.model.program.main.block.operations
    readers = Counter(name for operation in operations for name in operation.reads)
    return next(
        place
        for place, operation in enumerate(operations)
        if not operation.is_constant
        and weight_before(whole, place) > 0.5
        and [readers[result.name] for result in operation.outputs] == [1]
    )


def carried_over(whole: DrawnProgram, place: int) -> set[str]:
    """Return what Apple's first half would output: values computed up to `place`, used after it."""
    operations = whole.model.program.main.block.operations
    made = {r.name for o in operations[: place + 1] if not o.is_constant for r in o.outputs}
    return made & {name for operation in operations[place + 1 :] for name in operation.reads}


def test_the_cut_is_near_the_place_of_apple_s_rule_and_carries_what_that_rule_names(
    tmp_path: Path,
) -> None:
    whole = checkpoint("unet", tmp_path).build()
    first, second = chunk(whole)
    operations = whole.model.program.main.block.operations
    inside = {r.name for o in first.model.program.main.block.operations for r in o.outputs}
    ours = max(
        place
        for place, operation in enumerate(operations)
        if not operation.is_constant and {r.name for r in operation.outputs} <= inside
    )
    heaviest = max(payload.nbytes for payload in whole.payloads)
    lump = heaviest / sum(payload.nbytes for payload in whole.payloads)
    apples = apples_place(whole)
    assert abs(weight_before(whole, ours) - weight_before(whole, apples)) <= MARGIN + lump
    handed = [feature.name for feature in first.model.description.outputs]
    assert {name.removesuffix("_between") for name in handed} == carried_over(whole, ours)
    # Apple casts carried values to float32, names them alike in both halves, and keeps one output.
    assert {feature.dtype for feature in first.model.description.outputs} == {DataType.FLOAT32}
    assert {*handed} <= {feature.name for feature in second.model.description.inputs}
    assert len(second.model.description.outputs) == 1


def test_both_halves_keep_what_the_whole_says_of_itself(tmp_path: Path) -> None:
    whole = checkpoint("unet", tmp_path).build()
    first, second = chunk(whole)
    said = whole.model.description
    assert first.model.description.inputs == said.inputs
    assert second.model.description.outputs == said.outputs
    for number, half in enumerate((first, second), start=1):
        metadata = half.model.description.metadata
        assert metadata.description == said.metadata.description
        assert metadata.user_defined == {
            **said.metadata.user_defined,
            "sdcoreml.chunk": f"{number} of 2",
        }
        assert half.model.specification_version == 7
    between = {feature.name: feature for feature in first.model.description.outputs}
    assert all(feature.dtype is DataType.FLOAT32 for feature in between.values())
    arriving = {feature.name: feature for feature in second.model.description.inputs}
    assert between.items() <= arriving.items()


def test_a_controlled_unet_takes_its_residuals_where_they_are_used(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    controlled = Checkpoint(component="controlled_unet", config=made.config, weights=made.weights)
    first, second = chunk(controlled.build(ProgramOptions(tokens=7)))
    names = [{f.name for f in half.model.description.inputs} for half in (first, second)]
    assert "sample" in names[0]
    residuals = {f"additional_residual_{index}" for index in range(7)}
    assert residuals <= names[0] | names[1]


@pytest.mark.parametrize("recipe", [None, Recipe(bits=4)], ids=["plain", "palette"])
def test_both_halves_compile(recipe: Recipe | None, tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    with TensorFile.open(made.weights) as tensors:
        whole = made.build() if recipe is None else compress(made.build(), tensors, recipe)
        for half, package in zip(
            chunk(whole), chunk_paths(tmp_path / "Unet.mlpackage"), strict=True
        ):
            write_package(half, tensors, package)
            compiled = compile_package(package, package.with_suffix(".mlmodelc"))
            assert compiled.weights is not None
    assert {path.name for path in tmp_path.glob("*.mlmodelc")} == {
        "UnetChunk1.mlmodelc",
        "UnetChunk2.mlmodelc",
    }


@pytest.mark.parametrize("taken", ["type_fp16", "type_fp32"])
def test_names_that_are_in_use_are_left_alone(taken: str, tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    whole = made.build()
    (carried, *_) = chunk(whole)[0].model.description.outputs
    renamed = rename(whole, {"timestep": taken, "encoder_hidden_states": carried.name})
    first, second = chunk(renamed)
    for half in (first, second):
        function = half.model.program.functions["main"]
        names = [item.name for item in function.inputs]
        names += [result.name for item in function.block.operations for result in item.outputs]
        assert len(names) == len(set(names))
    given = feeds()
    given[taken] = given.pop("timestep")
    given[carried.name] = given.pop("encoder_hidden_states")
    expected = run(made, whole, tmp_path / "whole.mlpackage", feeds(), Mode.FP32)
    between = run(made, first, tmp_path / "first.mlpackage", given, Mode.FP32)
    result = run(made, second, tmp_path / "second.mlpackage", {**given, **between}, Mode.FP32)
    assert torch.equal(result["noise_pred"], expected["noise_pred"])


def rename(built: DrawnProgram, names: Mapping[str, str]) -> DrawnProgram:
    """Return the program with its inputs renamed."""
    described, function = built.model.description, built.model.program.functions["main"]
    operations = tuple(
        replace(
            item,
            inputs={
                key: tuple(names.get(b, b) if isinstance(b, str) else b for b in bindings)
                for key, bindings in item.inputs.items()
            },
        )
        for item in function.block.operations
    )
    function = replace(
        function,
        inputs=tuple(
            replace(item, name=names.get(item.name, item.name)) for item in function.inputs
        ),
        blocks={function.opset: replace(function.block, operations=operations)},
    )
    inputs = tuple(replace(port, name=names.get(port.name, port.name)) for port in described.inputs)
    model = replace(
        built.model,
        description=replace(described, inputs=inputs),
        program=replace(built.model.program, functions={"main": function}),
    )
    return replace(built, model=model)


def test_a_program_of_several_outputs_stays_whole(tmp_path: Path) -> None:
    made = checkpoint("text_encoder", tmp_path)
    with pytest.raises(UnsupportedError, match="text_encoder: has 2 outputs"):
        chunk(made.build())
