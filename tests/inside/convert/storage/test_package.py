"""Packages on disk: which function runs, and weights read from the weight file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sdcoreml.convert.storage.package import main_function
from sdcoreml.ground.errors import BadInputError
from tests.inside.convert.mil.graphs import F16, Graph, Ref
from tests.inside.convert.mil.packages import model, open_package, weight_file, write_package


def graph() -> Graph:
    """Return a program that computes x + w, with w in the weight file."""
    made = Graph(inputs={"x": (F16, (3,))})
    made.weight("w", np.array([1, 2, 3], np.float16))
    made.op("add", {"x": Ref("x"), "y": Ref("w")}, (F16, (3,)), name="y")
    return made


RIGHT, _ = weight_file(graph())
WRONG_TYPE = RIGHT[:68] + b"\x04" + RIGHT[69:]
TOO_LONG = RIGHT[:72] + (600).to_bytes(8, "little") + RIGHT[80:]
NO_RECORD = RIGHT[:64] + bytes(128)


def written(folder: Path, weights: bytes | None = RIGHT) -> Path:
    package = write_package(graph(), "y", folder / "Sum.mlpackage")
    path = package / "Data" / "com.apple.CoreML" / "weights" / "weight.bin"
    path.unlink()
    if weights is not None:
        path.write_bytes(weights)
    return package


def test_a_package_runs_as_it_lies_on_disk(tmp_path: Path) -> None:
    with open_package(written(tmp_path)) as program:
        result = program.run({"x": torch.tensor([10.0, 20.0, 30.0])})
    assert result["y"].tolist() == [11.0, 22.0, 33.0]


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        (None, "constant is stored in @model_path/weights/weight.bin, which is missing"),
        (WRONG_TYPE, "is INT8, not FLOAT16"),
        (TOO_LONG, "600 bytes at 128: misaligned, or beyond the file's 192 bytes"),
        (NO_RECORD, "no record at offset 64"),
    ],
)
def test_damaged_weights_are_bad_input_and_say_where(
    tmp_path: Path, weights: bytes | None, reason: str
) -> None:
    package = written(tmp_path, weights)
    with open_package(package) as program, pytest.raises(BadInputError, match=reason) as caught:
        program.run({"x": torch.zeros(3)})
    assert str(package) in str(caught.value)
    assert "operation 1, add -> y" in str(caught.value)


def test_the_default_function_runs_when_one_is_named() -> None:
    function = graph().function("y")
    assert main_function(model(function)) is function
    assert main_function(model(function, name="fast", default="fast")) is function


def test_a_program_without_its_function_is_bad_input() -> None:
    with pytest.raises(BadInputError, match="no function main, only other"):
        main_function(model(graph().function("y"), name="other"))
