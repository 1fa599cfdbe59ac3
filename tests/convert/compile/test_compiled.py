from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdcoreml.convert.compile.compiled import (
    COREMLDATA,
    METADATA,
    TEXT,
    WEIGHTS,
    blobs,
    read_compiled,
)
from sdcoreml.convert.compile.package import compile_package
from sdcoreml.convert.compile.parse import parse
from sdcoreml.convert.spec.model import Blob, DataType, TensorType
from sdcoreml.ground.errors import BadInputError
from tests.convert.compile.texts import COMPRESSED, OPERATIONS, STATEFUL, package


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return compile_package(package(tmp_path / "A.mlpackage"), tmp_path / "A.mlmodelc").path


def test_a_compiled_folder_is_read_whole(folder: Path) -> None:
    found = read_compiled(folder)
    assert found.path == folder
    assert (found.specification_version, found.text_version) == (7, "1.0")
    assert found.program == parse((folder / TEXT).read_text()).program
    assert found.metadata == json.loads((folder / METADATA).read_text())
    assert found.weights == folder / WEIGHTS
    assert [item.name for item in found.description.inputs] == ["sample", "input_ids"]


def test_a_program_may_have_no_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    assert read_compiled(folder).weights is None


@pytest.mark.parametrize("name", [COREMLDATA, TEXT, METADATA])
def test_a_file_that_is_missing_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BadInputError) as caught:
        read_compiled(folder)
    assert str(caught.value) == (f"{folder / name}: no such file; compile the package again")


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        (TEXT, b"\xff", "not UTF-8"),
        (TEXT, b"program(9.9)", "line 1: text version '9.9' is not"),
        (TEXT, b"", "line 1: expected 'program', found ''"),
        (METADATA, b"{", "Expecting property name"),
        (METADATA, b"", "an empty file, not JSON"),
        (METADATA, b"[" * 100_000, "JSON nested more than 100 deep"),
    ],
)
def test_a_file_that_is_damaged_is_named(folder: Path, name: str, data: bytes, why: str) -> None:
    (folder / name).write_bytes(data)
    with pytest.raises(BadInputError, match=f"{name}: .*{why}.*; compile the package again"):
        read_compiled(folder)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"nothing/coremldata\.bin: no such file"):
        read_compiled(tmp_path / "nothing")


def test_constants_are_attributes_and_immediate_arguments() -> None:
    text = (
        "program(1.3)\n{ func main<ios16>(fp16 x) { fp16 y = f(a = x, b = fp16(0x1p+0),"
        ' c = (x, int32(3)))[name = string("n")]; } -> (y); }'
    )
    (operation,) = parse(text).program.functions["main"].block.operations
    kinds = [value.type for value in operation.constants]
    assert kinds == [
        TensorType(dtype=dtype) for dtype in (DataType.STRING, DataType.FLOAT16, DataType.INT32)
    ]


@pytest.mark.parametrize("text", [OPERATIONS, COMPRESSED, STATEFUL])
def test_every_place_in_a_weight_file_is_found(text: str) -> None:
    places = [place for _, place in blobs(parse(text).program)]
    assert all(isinstance(place, Blob) for place in places)
    assert len(places) == text.count("BLOBFILE")
