"""What is read of a finished program, whole or by its description alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.bundle.described import described_at
from sdcoreml.convert.bundle.facts import (
    PortFacts,
    is_coreml,
    list_programs,
    programs_at,
    tools_of,
)
from sdcoreml.convert.bundle.ports import Dimensions, interfaces
from sdcoreml.convert.compile.package import compile_package
from sdcoreml.ground.files import POINTER
from tests.convert.compile.texts import COMPRESSED, package
from tests.convert.stand_ins import model_of, write_stand_in

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A package with its compiled model, a package alone, and something else."""
    made = package(tmp_path / "A.mlpackage", COMPRESSED)
    compile_package(made, tmp_path / "A.mlmodelc")
    write_stand_in(tmp_path / "B.mlpackage", model_of(interfaces(SIZE)["unet"]))
    (tmp_path / "notes").mkdir()
    return tmp_path


def test_a_package_beside_its_compiled_model_counts_once(folder: Path) -> None:
    assert [path.name for path in list_programs(folder)] == ["A.mlmodelc", "B.mlpackage"]
    assert [one.path.name for one in programs_at(folder)] == ["A.mlmodelc", "B.mlpackage"]
    assert [one.path.name for one in programs_at(folder / "A.mlpackage")] == ["A.mlpackage"]
    assert (list_programs(folder / "absent"), list_programs(folder / "notes")) == ([], [])
    assert [is_coreml(folder / name) for name in ("", "A.mlpackage", "A.mlmodelc", "notes")] == [
        *(True, True, True),
        False,
    ]


def test_a_package_says_what_it_takes_and_gives(folder: Path) -> None:
    (found,) = programs_at(folder / "B.mlpackage")
    assert (found.specification, found.nbytes, found.precision) == (7, 64, "")
    assert [str(port) for port in found.inputs] == [
        "sample [2, 4, 16, 16] float16",
        "timestep [2] float16",
        "encoder_hidden_states [2, 8, 1, 77] float16",
    ]
    assert [(port.name, port.shape) for port in found.outputs] == [("noise_pred", (2, 4, 16, 16))]
    assert found.operations == {"Identity": 1}
    assert (found.faults, found.missing, found.pointers, found.hidden) == ((), (), (), "")
    assert found.weights.relative_to(found.path).as_posix() == (
        "Data/com.apple.CoreML/weights/weight.bin"
    )


def test_the_description_says_what_the_program_does(folder: Path) -> None:
    (whole,), (said,) = (read(folder / "A.mlmodelc") for read in (programs_at, described_at))
    assert said.inputs == whole.inputs
    assert [(port.name, port.dtype) for port in said.outputs] == [
        (port.name, port.dtype) for port in whole.outputs
    ]
    assert said.operations == whole.operations
    assert said.specification == whole.specification == 7
    assert said.nbytes == whole.nbytes > 0
    assert said.precision == whole.precision != ""
    assert (said.faults, said.missing, whole.faults) == ((), (), ())
    (alone,) = described_at(folder / "B.mlpackage")
    assert alone == programs_at(folder / "B.mlpackage")[0]


def test_files_that_are_absent_or_pointers_are_named(folder: Path) -> None:
    compiled = folder / "A.mlmodelc"
    (compiled / "weights" / "weight.bin").unlink()
    (compiled / "weights" / "weight.bin").write_bytes(POINTER + b"\nsize 3")
    (compiled / "coremldata.bin").unlink()
    for read in (programs_at, described_at):
        (found,) = read(compiled)
        assert (found.missing, found.pointers) == (("coremldata.bin",), ("weights/weight.bin",))
    assert programs_at(compiled)[0].faults
    assert programs_at(compiled)[0].specification == 0


def described(folder: Path, content: object) -> Any:
    (folder / "A.mlmodelc" / "metadata.json").write_text(json.dumps(content))
    (found,) = described_at(folder / "A.mlmodelc")
    return found


def test_a_description_of_another_form_says_nothing_and_is_faulty(folder: Path) -> None:
    contents: tuple[object, ...] = ({}, [], [1], [{}, {}])
    for content in contents:
        found = described(folder, content)
        assert (found.specification, found.inputs, found.outputs) == (0, (), ())
        assert (found.operations, found.precision, found.tools) == (None, "", {})
        assert {fault.remedy for fault in found.faults} == {"compile the package again"}
        assert {Path(fault.where).name for fault in found.faults} == {"metadata.json"}


def test_what_a_description_says_in_another_kind_is_left_out(folder: Path) -> None:
    ports: list[Mapping[str, Any]] = [
        {"name": "x", "shape": "[2, 4, 64, 64]", "dataType": "Float16"},
        {"name": "y", "shape": " [ 7 ] ", "dataType": 3},
        {"name": "z", "shape": "[]"},
        {"name": "w", "shape": [1]},
        {"name": "v", "shape": "[1, -2]"},
        {"name": 1, "shape": "[1]"},
    ]
    found = described(
        folder,
        [
            {
                "specificationVersion": "7",
                "computePrecision": 16,
                "inputSchema": ports,
                "outputSchema": {"name": "x"},
                "mlProgramOperationTypeHistogram": {"Ios16.conv": 3, "Ios16.add": "3"},
                "userDefinedMetadata": {
                    "com.github.apple.coremltools.version": "9.0",
                    "com.github.apple.coremltools.source": 3,
                },
            }
        ],
    )
    assert found.inputs == (
        PortFacts(name="x", shape=(2, 4, 64, 64), dtype="float16"),
        PortFacts(name="y", shape=(7,), dtype=""),
        *(PortFacts(name=name, shape=(), dtype="") for name in "zwv"),
    )
    assert (found.outputs, found.specification, found.precision) == ((), 0, "")
    assert found.operations == {"Ios16.conv": 3}
    assert found.tools == {"coremltools": "9.0"}


@pytest.mark.parametrize(
    ("metadata", "tools"),
    [
        ({}, {}),
        ({"version": "9.0", "source": "torch==2.5.0"}, {"coremltools": "9.0", "torch": "2.5.0"}),
        ({"version": "9.0", "source": "torch"}, {"coremltools": "9.0"}),
        ({"source": "==2"}, {}),
    ],
)
def test_tools_are_named_with_their_versions(
    metadata: Mapping[str, str], tools: Mapping[str, str]
) -> None:
    said = {f"com.github.apple.coremltools.{name}": text for name, text in metadata.items()}
    assert tools_of(said) == tools
