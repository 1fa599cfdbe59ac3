from __future__ import annotations

import json
from typing import Any

import pytest

from sdcoreml.convert.compile.metadata import (
    class_name,
    metadata,
    schema,
    write_metadata,
)
from sdcoreml.convert.spec.model import DataType, Feature, Model
from sdcoreml.convert.spec.reader import parse_model
from tests.convert.compile.texts import (
    COMPRESSED,
    GOLDEN,
    GROUPED,
    OPERATIONS,
    STATEFUL,
    described,
    ports,
    source,
)
from tests.convert.spec.packages import array, feature, message, model, text

TIMES = "\u00d7"


def of(program_text: str, version: int = 7) -> Model:
    program = source(program_text)
    return parse_model(model(program, described(program), version))


def test_the_whole_text() -> None:
    golden = (GOLDEN / "compressed.json").read_text(encoding="utf-8")
    assert write_metadata(of(COMPRESSED), "7 b/Unet") == golden


def test_front_ends_find_what_they_ask_for() -> None:
    (content,) = json.loads(write_metadata(of(OPERATIONS), "Unet"))
    assert "Ios16.einsum" in content["mlProgramOperationTypeHistogram"]
    assert [entry["name"] for entry in content["inputSchema"]] == ["sample", "input_ids"]
    assert content["inputSchema"][0]["shape"] == "[1, 4, 2, 2]"
    for entry in (*content["inputSchema"], *content["outputSchema"]):
        assert all(isinstance(value, str) for value in entry.values())


def test_precisions_of_storage_and_computation() -> None:
    content = metadata(of(OPERATIONS), "Unet")
    assert content["storagePrecision"] == "Mixed (Float16, Float32)"
    assert content["computePrecision"] == "Mixed (Float16, Float32, Int32)"


def test_storage_of_palettes_and_integers_in_the_form_of_ios_18() -> None:
    content = metadata(of(GROUPED, 9), "Unet")
    assert content["storagePrecision"] == (
        "Mixed (Float16, Int8, Palettized (1 bits), Palettized (3 bits), UInt1, UInt3)"
    )
    assert content["mlProgramOperationTypeHistogram"] == {
        "Ios18.add": 2,
        "Ios18.constexprBlockwiseShiftScale": 1,
        "Ios18.constexprLutToDense": 2,
        "Ios18.mul": 1,
    }


def test_texts_that_say_nothing_are_left_out() -> None:
    program = source(OPERATIONS)
    description = ports(1, program.functions["main"].inputs)
    content = metadata(parse_model(model(program, description)), "Unet")
    assert not {"shortDescription", "author", "license", "version"} & content.keys()
    assert not {"functions", "defaultFunctionName"} & content.keys()
    assert content["userDefinedMetadata"] == {}


@pytest.mark.parametrize(
    ("version", "macos", "vision"),
    [(6, "12.0", "1.0"), (7, "13.0", "1.0"), (8, "14.0", "1.0"), (9, "15.0", "2.0")],
)
def test_the_oldest_systems(version: int, macos: str, vision: str) -> None:
    content: dict[str, Any] = metadata(of(OPERATIONS, version), "Unet")
    assert content["specificationVersion"] == version
    assert (content["availability"]["macOS"], content["availability"]["visionOS"]) == (
        macos,
        vision,
    )


def test_several_functions_are_described_one_by_one() -> None:
    program = source(STATEFUL)
    state = message(6, feature("cache", message(1, array((1, 8))), number=8))
    description = (
        message(20, text(1, "main"), ports(2, program.functions["main"].inputs))
        + message(20, text(1, "decode"), ports(2, program.functions["decode"].inputs), state)
        + text(21, "main")
    )
    content: dict[str, Any] = metadata(parse_model(model(program, description, 9)), "Unet")
    assert content["defaultFunctionName"] == "main"
    assert content["mlProgramOperationTypeHistogram"] == {"Ios18.relu": 1}
    main, decode = content["functions"]
    assert (main["name"], main["stateSchema"]) == ("main", [])
    assert decode["name"] == "decode"
    assert decode["stateSchema"] == [
        {
            "name": "cache",
            "type": "State",
            "dataType": "Float16",
            "shape": "[1, 8]",
            "formattedType": f"State (Float16 1 {TIMES} 8)",
            "isOptional": "0",
            "hasShapeFlexibility": "0",
            "shortDescription": "",
        }
    ]


def test_a_flexible_input() -> None:
    flexible = Feature(
        name="sound",
        dtype=DataType.FLOAT32,
        shape=(1, 266),
        flexible=True,
        optional=True,
        ranges=((1, 1), (2, 4000), (3, -1)),
    )
    entry = schema(flexible)
    assert entry["shapeFlexibility"] == f"1 {TIMES} 2...4000 {TIMES} 3..."
    assert entry["shapeRange"] == "[[1, 1], [2, 4000], [3, -1]]"
    assert (entry["hasShapeFlexibility"], entry["isOptional"]) == ("1", "1")


def test_an_output_without_a_shape() -> None:
    entry = schema(Feature(name="y", dtype=DataType.INT32))
    assert (entry["shape"], entry["formattedType"]) == ("[]", "MultiArray (Int32)")


@pytest.mark.parametrize(
    ("stem", "name"),
    [("Unet", "Unet"), ("a b.c-d", "a_b_c_d"), ("7b", "_7b"), ("é", "_"), ("", "")],
)
def test_class_names(stem: str, name: str) -> None:
    assert class_name(stem) == name
