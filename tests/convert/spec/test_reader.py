from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.convert.spec.model import (
    Blob,
    Block,
    DataType,
    DictionaryType,
    Elements,
    Feature,
    Function,
    ListType,
    Metadata,
    NamedType,
    Operation,
    Pairs,
    Program,
    Sequence,
    StateType,
    TensorType,
    TupleType,
    Value,
)
from sdcoreml.convert.spec.reader import parse_model, read_package
from sdcoreml.convert.spec.wire import DELIMITED, VARINT, join
from sdcoreml.ground.errors import BadInputError, UnsupportedError
from tests.convert.spec.packages import (
    F32,
    I32,
    array,
    feature,
    message,
    metadata,
    model,
    text,
    write_package,
)

STRING = TensorType(dtype=DataType.STRING)
HALF = TensorType(dtype=DataType.FLOAT16, shape=(1, 2))


def program(*operations: Operation) -> Program:
    block = Block(operations=operations, outputs=("y",))
    return Program(
        version=1,
        functions={
            "main": Function(
                inputs=(NamedType(name="x", type=HALF),),
                opset="CoreML6",
                blocks={"CoreML6": block},
            )
        },
    )


def constant(kind: TensorType, *values: float | str) -> Value:
    return Value(type=kind, data=Elements(values=values))  # type: ignore[arg-type]


ADD = Operation(
    type="add",
    inputs={"x": ("x",), "y": (Value(type=HALF, data=Elements(values=b"\x00\x3c\x00\x40")),)},
    outputs=(NamedType(name="y", type=HALF),),
    attributes={"name": constant(STRING, "sum")},
)
DESCRIPTION = (
    message(1, feature("x", array((1, 2))))
    + message(10, feature("y", array((), F32), about="the sum"))
    + message(100, metadata({1: "about", 2: "1.0", 3: "we", 4: "MIT"}, {"b": "2", "a": "1"}))
)


def test_a_model_is_read_whole() -> None:
    data = model(program(ADD), DESCRIPTION)
    parsed = parse_model(data)
    assert parsed.program == program(ADD)
    assert parsed.program.functions["main"].block.operations == (ADD,)
    assert (parsed.specification_version, parsed.is_updatable) == (7, False)
    assert parsed.description.raw == DESCRIPTION
    assert parsed.description.inputs == (Feature(name="x", dtype=DataType.FLOAT16, shape=(1, 2)),)
    assert parsed.description.outputs == (
        Feature(name="y", dtype=DataType.FLOAT32, description="the sum"),
    )
    assert parsed.description.metadata == Metadata(
        description="about",
        version="1.0",
        author="we",
        licence="MIT",
        user_defined={"a": "1", "b": "2"},
    )


@pytest.mark.parametrize(
    "value",
    [
        constant(TensorType(dtype=DataType.FLOAT32, shape=(2,)), 0.5, -1.0),
        constant(TensorType(dtype=DataType.FLOAT64), 0.1),
        constant(TensorType(dtype=DataType.INT32, shape=(3,)), -1, 0, 2**31 - 1),
        constant(TensorType(dtype=DataType.INT64), -(2**63)),
        constant(TensorType(dtype=DataType.UINT64), 2**64 - 1),
        constant(TensorType(dtype=DataType.INT16, shape=(2,)), -7, 7),
        constant(TensorType(dtype=DataType.BOOL, shape=(2,)), *(True, False)),
        constant(TensorType(dtype=DataType.STRING, shape=(2,)), "a", ""),
        constant(TensorType(dtype=DataType.INT32, shape=(0,))),
        Value(type=TensorType(dtype=DataType.INT8, shape=(2,)), data=Elements(values=b"\xff\x01")),
        Value(type=TensorType(dtype=DataType.FLOAT16, shape=(0,)), data=Elements(values=b"")),
        Value(type=TensorType(dtype=DataType.UINT8, shape=(4,)), data=Blob(path="p", offset=64)),
        Value(
            type=ListType(element=STRING, length=2),
            data=Sequence(items=(constant(STRING, "a"), constant(STRING, "b"))),
        ),
        Value(type=TupleType(elements=(STRING,)), data=Sequence(items=(constant(STRING, "a"),))),
        Value(
            type=DictionaryType(key=STRING, value=STRING),
            data=Pairs(items=((constant(STRING, "k"), constant(STRING, "v")),)),
        ),
    ],
)
def test_constants_of_every_kind(value: Value) -> None:
    operation = Operation(
        type="const",
        inputs={},
        outputs=(NamedType(name="y", type=value.type),),
        attributes={"val": value},
    )
    assert parse_model(model(program(operation), b"")).program == program(operation)


@pytest.mark.parametrize(
    "kind",
    [
        StateType(wrapped=HALF),
        TensorType(dtype=DataType.FLOAT8E5M2, shape=(None, 3)),
        ListType(element=HALF, length=None),
    ],
)
def test_types_of_every_kind(kind: StateType | TensorType | ListType) -> None:
    operation = Operation(
        type="read_state", inputs={}, outputs=(NamedType(name="y", type=kind),), attributes={}
    )
    assert parse_model(model(program(operation), b"")).program == program(operation)


def test_nested_blocks_are_kept() -> None:
    inner = Block(operations=(ADD,), outputs=("y",), inputs=(NamedType(name="i", type=HALF),))
    loop = Operation(type="while_loop", inputs={}, outputs=(), blocks=(inner, inner))
    parsed = parse_model(model(program(loop), b""))
    assert parsed.program.functions["main"].block.operations[0].blocks == (inner, inner)


def test_features_of_every_kind() -> None:
    flexible = array((1, 4), F32, ranges=[(1, 1), (2, -1)])
    listed = array((1,), I32) + message(21, message(1), message(1))
    description = b"".join(
        (
            message(1, feature("flexible", flexible)),
            message(1, feature("listed", listed)),
            message(1, feature("image", b"", number=4)),
            message(13, feature("cache", message(1, array((1, 8))), number=8)),
            message(20, text(1, "main"), message(2, feature("x", array((1,))))),
            text(21, "main"),
        )
    )
    parsed = parse_model(model(program(ADD), description)).description
    assert parsed.inputs == (
        Feature(
            name="flexible",
            dtype=DataType.FLOAT32,
            shape=(1, 4),
            flexible=True,
            ranges=((1, 1), (2, -1)),
        ),
        Feature(name="listed", dtype=DataType.INT32, shape=(1,), flexible=True, enumerated=2),
        Feature(name="image", dtype=None, kind="image"),
    )
    assert parsed.states == (
        Feature(name="cache", dtype=DataType.FLOAT16, shape=(1, 8), kind="state"),
    )
    assert [function.name for function in parsed.functions] == ["main"]
    assert parsed.default_function == "main"


VARIADIC = join(1, VARINT, 10) + join(2, VARINT, 1) + message(3, message(2, join(1, VARINT, 1)))


def nested_type(depth: int) -> bytes:
    """Return a serialised list type that is nested very deeply."""
    kind = message(1, join(1, VARINT, 10))
    for _ in range(depth):
        kind = message(2, message(1, kind), message(2))
    return kind


def with_output_type(kind: bytes) -> bytes:
    operation = message(3, text(1, "op"), message(3, text(1, "y"), message(2, kind)))
    block = message(3, text(1, "CoreML6"), message(2, operation))
    function = message(2, text(1, "main"), message(2, text(2, "CoreML6"), block))
    return join(1, VARINT, 7) + message(502, function)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x08", "truncated"),
        (b"", "the file contains no model"),
        (model(program(ADD), message(1, text(1, "x"))), "feature 'x' has 0 types"),
        (model(program(ADD), message(1, feature("x", array((1,), 5)))), "unknown element type 5"),
        (message(502, message(2, text(1, "main"))), "function 'main' has no value"),
        (message(502, message(2, text(1, "a"), message(2, text(2, "CoreML6")))), "has blocks"),
        (with_output_type(b""), "no type, an unknown one, or several"),
        (with_output_type(message(1, join(1, VARINT, 98))), "unknown element type 98"),
        (with_output_type(message(1, join(2, VARINT, 4))), "rank 4 has 0 dimensions"),
        (
            with_output_type(message(1, join(1, VARINT, 10), message(4, text(1, "a"), message(2)))),
            "a tensor type has attributes",
        ),
        (
            with_output_type(
                message(
                    1, join(1, VARINT, 10), join(2, VARINT, 1), message(3, message(2, VARIADIC))
                )
            ),
            "a dimension is variadic: it stands for any number of dimensions",
        ),
        (with_output_type(nested_type(200)), "nested more than 100 deep"),
    ],
)
def test_damaged_models_are_refused(data: bytes, what: str) -> None:
    with pytest.raises(BadInputError, match=what) as caught:
        parse_model(data, "model.mlmodel")
    assert str(caught.value).startswith("model.mlmodel: ")


@pytest.mark.parametrize(
    ("field", "name"),
    [(500, "a neural network"), (202, "a pipeline"), (300, "model type 300")],
)
def test_other_kinds_of_models_are_refused_with_the_kind(field: int, name: str) -> None:
    with pytest.raises(
        UnsupportedError, match=f"contains {name}, not an ML Program; convert it"
    ) as caught:
        parse_model(join(1, VARINT, 4) + join(field, DELIMITED, b""))
    assert str(caught.value).startswith("model.mlmodel: ")


def test_a_file_of_two_kinds_is_refused_with_both() -> None:
    both = join(202, DELIMITED, b"") + join(500, DELIMITED, b"")
    with pytest.raises(UnsupportedError, match="contains a pipeline and a neural network, not"):
        parse_model(join(1, VARINT, 4) + both)


@given(st.data())
def test_a_damaged_byte_is_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(model(program(ADD), DESCRIPTION))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255))
    try:
        parse_model(bytes(content))
    except BadInputError as error:
        assert "; " in str(error)  # noqa: PT017  both outcomes are right


def test_a_package_is_resolved_by_its_manifest(tmp_path: Path) -> None:
    path = write_package(tmp_path / "A.mlpackage", model(program(ADD), DESCRIPTION), b"weights")
    package = read_package(path)
    assert package.model.program == program(ADD)
    assert package.model_path == path / "Data" / "com.apple.CoreML" / "model.mlmodel"
    assert package.weights == package.model_path.parent / "weights" / "weight.bin"


def test_a_package_may_have_no_weights(tmp_path: Path) -> None:
    path = write_package(tmp_path / "A.mlpackage", model(program(ADD), DESCRIPTION))
    assert read_package(path).weights is None


@pytest.mark.parametrize(
    ("manifest", "what"),
    [
        ({"rootModelIdentifier": "B"}, "does not name a root model"),
        ({"itemInfoEntries": []}, "does not name a root model"),
        ({"itemInfoEntries": {"A": {"path": 1}}}, "does not name a root model"),
        ({"itemInfoEntries": {"A": {"path": "../../x"}}}, "leads out of the package"),
        ({"itemInfoEntries": {"A": {"path": "/x"}}}, "leads out of the package"),
        ({"itemInfoEntries": {"A": {"path": "gone"}}}, "gone: no such file"),
    ],
)
def test_bad_manifests_are_refused(tmp_path: Path, manifest: dict[str, object], what: str) -> None:
    path = write_package(tmp_path / "A.mlpackage", model(program(ADD), b""), manifest=manifest)
    with pytest.raises(BadInputError, match=what):
        read_package(path)


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"Manifest\.json: no such file.*give a \.mlpackage"):
        read_package(tmp_path)
    (tmp_path / "Manifest.json").write_text("{")
    with pytest.raises(BadInputError, match=r"Manifest\.json: not valid JSON"):
        read_package(tmp_path)
    (tmp_path / "Manifest.json").write_text(json.dumps([]))
    with pytest.raises(BadInputError, match="does not name a root model"):
        read_package(tmp_path)
