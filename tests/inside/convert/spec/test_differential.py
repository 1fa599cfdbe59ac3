"""Our reader and protobuf's get the same fields and values from real packages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coremltools
import numpy as np
import pytest
from coremltools.converters.mil import Builder as mb  # noqa: N813  its customary name
from coremltools.converters.mil.mil import get_new_symbol, types
from coremltools.proto import FeatureTypes_pb2, MIL_pb2, Model_pb2

from sdcoreml.convert.spec.blobs import open_weights
from sdcoreml.convert.spec.fields import KINDS, MODEL
from sdcoreml.convert.spec.model import DataType, Feature
from sdcoreml.convert.spec.reader import Package, read_package
from sdcoreml.convert.spec.wire import FieldKind
from sdcoreml.convert.spec.writer import serialise_program

GOLDEN = Path(__file__).resolve().parents[5] / "shared" / "golden"
REFERENCES = sorted(GOLDEN.glob("*/package.mlpackage"))

NEWER = {
    *("ModelDescription.state", "ModelDescription.functions"),
    *("ModelDescription.defaultFunctionName", "FeatureType.stateType", "ValueType.stateType"),
}
"""Fields that were added by specification 9, which coremltools 7.2 does not know."""

KIND_OF_TYPE = {
    1: FieldKind.DOUBLE,
    2: FieldKind.FLOAT,
    3: FieldKind.INT64,
    4: FieldKind.UINT64,
    5: FieldKind.INT32,
    8: FieldKind.BOOL,
    9: FieldKind.STRING,
    11: FieldKind.MESSAGE,
    12: FieldKind.BYTES,
    14: FieldKind.INT32,
}
"""Our kind for each value of protobuf's `FieldDescriptor.type`; we read enums as numbers."""


def messages() -> Iterator[tuple[str, Any]]:
    """Yield each message of the three .proto files with its short name, except map entries."""
    pending = [
        *Model_pb2.DESCRIPTOR.message_types_by_name.values(),
        *FeatureTypes_pb2.DESCRIPTOR.message_types_by_name.values(),
        *MIL_pb2.DESCRIPTOR.message_types_by_name.values(),
    ]
    while pending:
        message = pending.pop()
        yield message.name, message
        pending += message.nested_types


THEIRS = dict(messages())
NAMES = {
    "Floats": "RepeatedFloats",
    "Ints": "RepeatedInts",
    "Bools": "RepeatedBools",
    "Strings": "RepeatedStrings",
    "LongInts": "RepeatedLongInts",
    "Doubles": "RepeatedDoubles",
    "Bytes": "RepeatedBytes",
    "FunctionEntry": "FunctionsEntry",
    "BlockEntry": "BlockSpecializationsEntry",
    "ArgumentEntry": "InputsEntry",
    "ValueEntry": "AttributesEntry",
    "StringEntry": "UserDefinedEntry",
}
TABLES = sorted(set(MODEL) - {"FunctionDescription", "StateFeatureType", "StateType"})


def is_repeated(field: Any) -> bool:
    """Return True for a repeated field.

    protobuf 7 no longer has `label`, and protobuf 3 does not have `is_repeated`.
    """
    if hasattr(field, "is_repeated"):
        return bool(field.is_repeated)
    return bool(field.label == field.LABEL_REPEATED)


@pytest.mark.parametrize("table", TABLES)
def test_field_numbers_are_apples(table: str) -> None:
    fields = THEIRS[NAMES.get(table, table)].fields_by_number
    for number, field in MODEL[table].items():
        if number not in fields:
            assert any(name.startswith(f"{table}.{field.name}") for name in NEWER)
            continue
        theirs = fields[number]
        assert theirs.name.startswith(field.name), (table, number)
        assert is_repeated(theirs) == field.repeated
        kept_as_bytes = field.kind is FieldKind.BYTES and theirs.type == theirs.TYPE_MESSAGE
        assert kept_as_bytes or KIND_OF_TYPE[theirs.type] is field.kind, (table, number)


def test_element_types_are_apples() -> None:
    for name, number in MIL_pb2.DataType.items():
        assert name == "UNUSED_TYPE" or DataType[name] == number


def test_kinds_of_models_are_apples() -> None:
    for number in KINDS:
        assert number in Model_pb2.Model.DESCRIPTOR.fields_by_number


def assert_read_alike(package: Package) -> None:
    """Require that protobuf reads what we read, and the same program from what we write."""
    theirs = Model_pb2.Model.FromString(package.model_path.read_bytes())
    ours = package.model
    again = MIL_pb2.Program.FromString(serialise_program(ours.program))
    assert again == theirs.mlProgram
    assert ours.specification_version == theirs.specificationVersion
    assert ours.description.raw == theirs.description.SerializeToString()
    assert_features(ours.description.inputs, theirs.description.input)
    assert_features(ours.description.outputs, theirs.description.output)
    about, said = ours.description.metadata, theirs.description.metadata
    assert (about.description, about.version) == (said.shortDescription, said.versionString)
    assert (about.author, about.licence) == (said.author, said.license)
    assert dict(about.user_defined) == dict(said.userDefined)


def assert_features(ours: tuple[Feature, ...], theirs: Any) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs):  # noqa: B905  Python 3.9 and newer alike
        array = other.type.multiArrayType
        ranges = [(r.lowerBound, r.upperBound) for r in array.shapeRange.sizeRanges]
        names = {DataType.FLOAT16: "FLOAT16", DataType.FLOAT32: "FLOAT32", DataType.INT32: "INT32"}
        assert one.dtype is not None
        assert array.ArrayDataType.Name(array.dataType) == names[one.dtype]
        assert (one.name, one.shape, list(one.ranges)) == (other.name, tuple(array.shape), ranges)
        assert (one.optional, one.description) == (other.type.isOptional, other.shortDescription)


@pytest.mark.skipif(not REFERENCES, reason="the reference packages are not here")
@pytest.mark.parametrize("path", REFERENCES, ids=lambda path: path.parent.name)
def test_reference_packages_are_read_as_protobuf_reads_them(path: Path) -> None:
    assert_read_alike(read_package(path))


def elementary() -> coremltools.models.MLModel:
    """Return a program with inline constants of many types, and one constant in the weight file."""

    def steps(x: Any) -> Any:
        weight = np.linspace(-1, 1, 4 * 4 * 9).reshape(4, 4, 3, 3).astype(np.float16)
        y = mb.conv(x=x, weight=weight, pad_type="same")
        y = mb.slice_by_index(x=y, begin=[0, 0, 0, 0], end=[1, 4, 4, 4])
        y = mb.mul(x=y, y=np.float16(0.1))
        y = mb.clip(x=y, alpha=np.float16(-np.inf), beta=np.float16(65504))
        return mb.softmax(x=y, axis=-1)

    shape = mb.TensorSpec(shape=(1, 4, 8, 8), dtype=types.fp16)
    target = coremltools.target.iOS16
    program = mb.program(input_specs=[shape], opset_version=target)(steps)
    return coremltools.convert(program, convert_to="mlprogram", minimum_deployment_target=target)


def flexible() -> coremltools.models.MLModel:
    """Return a program with an input of flexible size."""

    def steps(x: Any) -> Any:
        return mb.relu(x=x)

    program = mb.program(input_specs=[mb.TensorSpec(shape=(1, get_new_symbol()))])(steps)
    shape = coremltools.Shape((1, coremltools.RangeDim(1, 32, default=4)))
    return coremltools.convert(
        program,
        convert_to="mlprogram",
        inputs=[coremltools.TensorType(name="x", shape=shape)],
        minimum_deployment_target=coremltools.target.iOS15,
    )


@pytest.mark.parametrize("make", [elementary, flexible])
def test_packages_of_coremltools_are_read_as_protobuf_reads_them(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "model.mlpackage"
    make().save(str(path))
    assert_read_alike(read_package(path))


def test_weights_of_coremltools_are_found(tmp_path: Path) -> None:
    path = tmp_path / "model.mlpackage"
    elementary().save(str(path))
    package = read_package(path)
    assert package.weights is not None
    with open_weights(package.weights) as weights:
        (record,) = weights.records()
        found = np.frombuffer(weights.data(record), np.float16)
    assert (record.dtype, record.count) == (DataType.FLOAT16, 144)
    assert found[0] == -1
    assert found[-1] == 1
