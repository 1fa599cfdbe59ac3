"""Packages on disk: the function that runs, and weights read from their file."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from convert.errors import BadInputError
from convert.mil.package import main_function, open_package
from convert.spec.model import Blob, Description, Function, Model, Program
from convert.spec.writer import serialise_model
from tests.inside.convert.mil.graphs import F16, Graph, Ref


def graph() -> Graph:
    """x + w, w in the weight file."""
    made = Graph(inputs={"x": (F16, (3,))})
    made.weight("w", np.array([1, 2, 3], np.float16))
    made.op("add", {"x": Ref("x"), "y": Ref("w")}, (F16, (3,)), name="y")
    return made


def model(function: Function, name: str = "main", default: str = "") -> Model:
    return Model(
        specification_version=7,
        description=Description(inputs=(), outputs=(), default_function=default),
        program=Program(version=1, functions={name: function}),
    )


def write(folder: Path, weights: bytes | None) -> Path:
    """A package in the form that Core ML's tools write."""
    package = folder / "Sum.mlpackage"
    data = package / "Data" / "com.apple.CoreML"
    (data / "weights").mkdir(parents=True)
    made = graph()
    blob = Blob(path="@model_path/weights/weight.bin", offset=64)
    value = replace(made.operations[0].attributes["val"], data=blob)
    made.operations[0] = replace(made.operations[0], attributes={"val": value})
    (data / "model.mlmodel").write_bytes(serialise_model(model(made.function("y"))))
    if weights is not None:
        (data / "weights" / "weight.bin").write_bytes(weights)
    manifest = {
        "fileFormatVersion": "1.0.0",
        "rootModelIdentifier": "A",
        "itemInfoEntries": {"A": {"path": "com.apple.CoreML/model.mlmodel"}},
    }
    (package / "Manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return package


def weight_file(kind: int = 1, size: int = 6) -> bytes:
    header = struct.pack("<II", 1, 2).ljust(64, b"\0")
    record = struct.pack("<IIQQ", 0xDEADBEEF, kind, size, 128).ljust(64, b"\0")
    return header + record + np.array([1, 2, 3], np.float16).tobytes().ljust(64, b"\0")


def test_a_package_runs_as_it_lies_on_disk(tmp_path: Path) -> None:
    with open_package(write(tmp_path, weight_file())) as program:
        result = program.run({"x": torch.tensor([10.0, 20.0, 30.0])})
    assert result["y"].tolist() == [11.0, 22.0, 33.0]


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        (None, r"constant is said to be in @model_path/weights/weight.bin, which is missing"),
        (weight_file(kind=2, size=8), "is FLOAT32, not FLOAT16"),
        (weight_file(size=600), "600 bytes at 128, of 192 in the file"),
        (weight_file()[:64] + bytes(128), "no record at offset 64"),
    ],
)
def test_damaged_weights_are_bad_input_and_say_where(
    tmp_path: Path, weights: bytes | None, reason: str
) -> None:
    package = write(tmp_path, weights)
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
