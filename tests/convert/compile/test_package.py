from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sdcoreml.convert.compile.check import faults
from sdcoreml.convert.compile.compiled import (
    ANALYTICS,
    COREMLDATA,
    METADATA,
    TEXT,
    WEIGHTS,
    read_compiled,
)
from sdcoreml.convert.compile.coremldata import write_analytics
from sdcoreml.convert.compile.package import compile_package
from sdcoreml.ground.errors import BadInputError, UnsupportedError
from sdcoreml.ground.events import Event
from tests.convert.compile.texts import (
    ALL,
    BLOCKWISE,
    COMPRESSED,
    GROUPED,
    OPERATIONS,
    STATEFUL,
    described,
    package,
    ports,
    source,
    weights,
)
from tests.convert.spec.packages import array, feature, message, model, text, write_package


@pytest.mark.parametrize("name", ["operations", "compressed"])
def test_a_package_becomes_a_folder(tmp_path: Path, name: str) -> None:
    given = package(tmp_path / "Unet.mlpackage", ALL[name])
    made = compile_package(given, tmp_path / "out" / "Unet.mlmodelc")
    files = sorted(p.relative_to(made.path).as_posix() for p in made.path.rglob("*") if p.is_file())
    assert files == sorted([ANALYTICS, COREMLDATA, METADATA, TEXT, WEIGHTS])
    assert (made.path / TEXT).read_text() == ALL[name]
    spec = given / "Data" / "com.apple.CoreML"
    assert (made.path / WEIGHTS).read_bytes() == (spec / "weights" / "weight.bin").read_bytes()
    assert (made.path / ANALYTICS).read_bytes() == write_analytics(
        (spec / "model.mlmodel").read_bytes(), "model"
    )
    assert json.loads((made.path / METADATA).read_text())[0]["generatedClassName"] == "Unet"


def test_how_the_weights_were_put_in_place_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    given = package(tmp_path / "Unet.mlpackage", ALL["operations"])
    compile_package(given, tmp_path / "Unet.mlmodelc", lambda event: said.append(event.text))
    assert said[0] == "compile Unet.mlpackage"
    assert said[1] in {"weights cloned", "weights hard-linked"}


def test_weights_in_arguments(tmp_path: Path) -> None:
    made = compile_package(package(tmp_path / "A.mlpackage", GROUPED, 9), tmp_path / "A.mlmodelc")
    assert (made.path / TEXT).read_text() == GROUPED
    damaged = package(tmp_path / "B.mlpackage", GROUPED.replace("uint3", "uint2"), 9)
    text = damaged / "Data" / "com.apple.CoreML" / "model.mlmodel"
    text.write_bytes((tmp_path / "A.mlpackage/Data/com.apple.CoreML/model.mlmodel").read_bytes())
    with pytest.raises(BadInputError, match="the record at offset 64 is UINT2, not UINT3"):
        compile_package(damaged, tmp_path / "B.mlmodelc")


def test_weights_of_four_bits(tmp_path: Path) -> None:
    given = package(tmp_path / "A.mlpackage", BLOCKWISE, 9)
    made = compile_package(given, tmp_path / "A.mlmodelc")
    assert (made.path / TEXT).read_text() == BLOCKWISE
    assert made.metadata[0]["mlProgramOperationTypeHistogram"] == {
        "Ios18.add": 1,
        "Ios18.constexprBlockwiseShiftScale": 1,
        "Ios18.constexprLutToDense": 1,
        "Ios18.mul": 1,
    }


def test_what_is_returned_is_what_is_there(tmp_path: Path) -> None:
    made = compile_package(package(tmp_path / "A.mlpackage"), tmp_path / "A.mlmodelc")
    assert made == read_compiled(tmp_path / "A.mlmodelc")
    assert made.weights == tmp_path / "A.mlmodelc" / WEIGHTS
    assert faults(made) == ()


def test_the_same_package_gives_the_same_bytes(tmp_path: Path) -> None:
    given = package(tmp_path / "A.mlpackage")
    one = compile_package(given, tmp_path / "one.mlmodelc").path
    two = compile_package(given, tmp_path / "two.mlmodelc").path
    for name in (ANALYTICS, COREMLDATA, METADATA, TEXT, WEIGHTS):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_steps_are_told(tmp_path: Path) -> None:
    events: list[Event] = []
    compile_package(package(tmp_path / "A.mlpackage"), tmp_path / "A.mlmodelc", events.append)
    assert events[0] == Event(kind="step", text="compile A.mlpackage")
    assert events[1].text.startswith("weights ")


def test_several_functions_with_state(tmp_path: Path) -> None:
    program = source(STATEFUL)
    state = message(6, feature("cache", message(1, array((1, 8))), number=8))
    described_functions = [
        message(
            20,
            text(1, name),
            ports(2, program.functions[name].inputs),
            message(3, feature("y", array((1, 8)))),
            state if name == "decode" else b"",
        )
        for name in ("decode", "main")
    ]
    content = model(program, b"".join((*described_functions, text(21, "main"))), 9)
    given = write_package(tmp_path / "A.mlpackage", content)
    made = compile_package(given, tmp_path / "A.mlmodelc")
    assert (made.path / TEXT).read_text() == STATEFUL
    assert made.weights is None
    assert not (made.path / "weights").exists()


def test_an_older_result_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "A.mlmodelc"
    compile_package(package(tmp_path / "A.mlpackage"), target)
    compile_package(package(tmp_path / "B.mlpackage", COMPRESSED), target)
    assert (target / TEXT).read_text() == COMPRESSED
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_anything_else_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "A.mlmodelc"
    target.mkdir()
    (target / "letter.txt").write_text("dear")
    with pytest.raises(BadInputError, match=r"A\.mlmodelc: exists"):
        compile_package(package(tmp_path / "A.mlpackage"), target)
    assert (target / "letter.txt").read_text() == "dear"


def no_weights(folder: Path) -> None:
    (folder / "weights" / "weight.bin").unlink()


def short_weights(folder: Path) -> None:
    path = folder / "weights" / "weight.bin"
    path.write_bytes(path.read_bytes()[:130])


def other_weights(folder: Path) -> None:
    path = folder / "weights" / "weight.bin"
    path.write_bytes(weights(source(COMPRESSED)))


def other_model(folder: Path) -> None:
    (folder / "model.mlmodel").write_bytes(b"\xa2\x1f\x00")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            no_weights,
            r"model\.mlmodel: it has 2 constants in a weight file, but the file is missing; make",
        ),
        (short_weights, r"weight\.bin: .*has 32 bytes at 128"),
        (other_weights, r"weight\.bin: .*is UINT8, not FLOAT16.*and 1 more"),
        (other_model, r"model\.mlmodel: contains a neural network, not an ML Program"),
    ],
)
def test_damaged_packages_leave_what_was_there(
    tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    target = tmp_path / "A.mlmodelc"
    compile_package(package(tmp_path / "A.mlpackage", COMPRESSED), target)
    given = package(tmp_path / "B.mlpackage")
    damage(given / "Data" / "com.apple.CoreML")
    with pytest.raises(BadInputError, match=message):
        compile_package(given, target)
    assert (target / TEXT).read_text() == COMPRESSED
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_refusals_name_the_file_and_leave_nothing(tmp_path: Path) -> None:
    program = source(OPERATIONS)
    content = model(program, described(program), 10)
    given = write_package(tmp_path / "A.mlpackage", content, weights(program))
    with pytest.raises(UnsupportedError, match=r"model\.mlmodel: specification version 10"):
        compile_package(given, tmp_path / "A.mlmodelc")
    assert not (tmp_path / "A.mlmodelc").exists()
