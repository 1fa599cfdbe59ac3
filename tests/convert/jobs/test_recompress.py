from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from sdcoreml.convert.bundle.families import ProgramSpec
from sdcoreml.convert.bundle.ports import Dimensions, interfaces
from sdcoreml.convert.compression.compress import compress
from sdcoreml.convert.compression.forms import Codes
from sdcoreml.convert.compression.recipe import Method, Recipe
from sdcoreml.convert.jobs.prove import StagedProgram
from sdcoreml.convert.jobs.recompress import compress_again
from sdcoreml.convert.packages.write import write_package
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.programs.payload import ComputedConstant, DrawnProgram, Payload, Weight
from sdcoreml.convert.spec.blobs import WEIGHT_FILE
from sdcoreml.convert.spec.model import (
    Blob,
    DataType,
    Elements,
    Model,
    NamedType,
    Operation,
    TensorType,
    Value,
)
from sdcoreml.convert.weights.safetensors import TensorFile
from tests.convert.stand_ins import model_of

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)
KIND = TensorType(dtype=DataType.FLOAT16, shape=(64, 64))
SIX = {"method": "kmeans", "bits": 6}
NAMES = ("first.weight", "second.weight")

Change = Callable[[DrawnProgram], DrawnProgram]


def drawn() -> DrawnProgram:
    """Return a stand-in for the UNet, with two weights of layers."""
    model = model_of(interfaces(SIZE)["unet"])
    constants, uses = [], []
    for place, name in enumerate(NAMES):
        held = name.replace(".", "_")
        offset = 64 + place * (64 + 2 * KIND.count)
        label = Value(type=TensorType(dtype=DataType.STRING), data=Elements(values=(held,)))
        content = Value(type=KIND, data=Blob(path=WEIGHT_FILE, offset=offset))
        output = (NamedType(name=held, type=KIND),)
        attributes = {"name": label, "val": content}
        constants.append(Operation(type="const", inputs={}, outputs=output, attributes=attributes))
        result = (NamedType(name=f"{held}_out", type=KIND),)
        uses.append(Operation(type="linear", inputs={"weight": (held,)}, outputs=result))
    function = model.program.main
    function = function.with_operations((*constants, *uses, *function.block.operations))
    program = replace(model.program, functions={"main": function})
    payloads = tuple(
        Payload(
            name=name.replace(".", "_"),
            type=KIND,
            offset=64 + place * (64 + 2 * KIND.count),
            source=Weight(tensor=name),
        )
        for place, name in enumerate(NAMES)
    )
    whole: Model = replace(model, program=program)
    return DrawnProgram(component="unet", model=whole, payloads=payloads, parameters=8192)


def made(place: Path, recipe: Recipe | None, change: Change = lambda it: it) -> StagedProgram:
    """Write the UNet's package, compressed if there is a recipe, and then changed."""
    numbers = (
        np.random.default_rng(5)
        .standard_normal((2, *(size or 1 for size in KIND.shape)))
        .astype(np.float32)
    )
    weights = place / "diffusion_pytorch_model.safetensors"
    save_file(dict(zip(NAMES, numbers, strict=True)), weights)
    package = place / "Unet.mlpackage"
    with TensorFile.open(weights) as tensors:
        built = drawn()
        if recipe:
            built = compress(built, tensors, recipe)
        write_package(change(built), tensors, package)
    return StagedProgram(
        part=ProgramSpec(program="unet", source="unet"),
        package=package,
        config=place / "config.json",
        settings={},
        weights=weights,
        options=ProgramOptions(),
    )


def in_table(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    """Return a change of the first weight's table, with codes that fit the table again."""

    def apply(built: DrawnProgram) -> DrawnProgram:
        payloads = [*built.payloads]
        for place, payload in enumerate(payloads):
            match payload:
                case Payload(name="first_weight_indices", source=Codes() as codes):
                    table = change(codes.palettes.copy()).astype(np.float16)
                    source: Codes | ComputedConstant = replace(codes, palettes=table)
                    payloads[place] = replace(payload, source=source)
                case Payload(name="first_weight_lut", source=ComputedConstant(array=array)):
                    payloads[place] = replace(
                        payload, source=ComputedConstant(change(array.copy()))
                    )
        return replace(built, payloads=tuple(payloads))

    return apply


def one_step(table: np.ndarray) -> np.ndarray:
    table.reshape(-1).view(np.uint16)[40] += 1
    return table


def evenly(table: np.ndarray) -> np.ndarray:
    first, last = table.reshape(-1)[[0, -1]]
    return np.linspace(first, last, table.size).astype(np.float16).reshape(table.shape)


@pytest.mark.parametrize("method", Method)
def test_what_its_recipe_gives_is_found_again(tmp_path: Path, method: Method) -> None:
    bits = 8 if method is Method.LINEAR else 4
    one = made(tmp_path, Recipe(method=method, bits=bits))
    found = compress_again(one, {"method": method.value, "bits": bits})
    assert (found.wrong, found.as_exact) == ((), ())


def test_a_worse_table_with_the_nearest_codes_is_wrong(tmp_path: Path) -> None:
    found = compress_again(made(tmp_path, Recipe(), in_table(evenly)), SIX)
    assert found.wrong == ("first_weight",)


def test_a_table_that_is_as_exact_is_told(tmp_path: Path) -> None:
    found = compress_again(made(tmp_path, Recipe(), in_table(one_step)), SIX)
    assert (found.wrong, found.as_exact) == ((), ("first_weight",))


@pytest.mark.parametrize(
    "fields",
    [
        {"method": "uniform", "bits": 6},
        {"method": "kmeans", "bits": 4},
        {"method": "kmeans", "bits": 6, "group_size": 16},
        None,
    ],
)
def test_another_recipe_gives_other_numbers(
    tmp_path: Path, fields: Mapping[str, object] | None
) -> None:
    found = compress_again(made(tmp_path, Recipe()), fields)
    assert found.wrong == ("first_weight", "second_weight")


def test_a_weight_that_the_recipe_compresses_is_not_left_as_it_is(tmp_path: Path) -> None:
    one = made(tmp_path, Recipe(layers={"second_weight": 16}))
    assert compress_again(one, SIX).wrong == ("second_weight",)
