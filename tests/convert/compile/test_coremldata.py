from __future__ import annotations

import base64
import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.convert.compile.coremldata import (
    order_fields,
    read_coremldata,
    write_analytics,
    write_coremldata,
)
from sdcoreml.convert.spec.reader import parse_model
from sdcoreml.ground.errors import BadInputError
from tests.convert.compile.texts import OPERATIONS, STATEFUL, described, ports, source
from tests.convert.spec.packages import message, metadata, model, text

PROGRAM = source(OPERATIONS)
DESCRIPTION = described(PROGRAM)


def written(description: bytes = DESCRIPTION, version: int = 7) -> bytes:
    return write_coremldata(parse_model(model(PROGRAM, description, version)))


@pytest.mark.parametrize(("version", "form"), [(6, 5), (7, 5), (8, 8), (9, 9)])
def test_the_frame(version: int, form: int) -> None:
    data = written(version=version)
    size = len(DESCRIPTION)
    assert data[:8] == struct.pack("<II", 502, form)
    assert data[8:28] == bytes(20)
    assert data[28:43] == struct.pack("<Q", 7) + b"generic"
    assert data[43:47] == struct.pack("<I", version)
    assert data[47:75] == bytes(28)
    assert data[75:83] == struct.pack("<Q", size)
    assert data[83 + size :] == struct.pack("<I", 502) + bytes(12)


def test_the_description_is_put_in_order() -> None:
    user = {"a": "1", "b": "2"}
    mixed = (
        message(100, message(100, text(1, "b"), text(2, "2")), text(4, "MIT"), text(1, "what"))
        + ports(10, ())
        + text(21, "main")
        + message(1, text(1, "x"))
    )
    assert order_fields(mixed) == (
        message(1, text(1, "x"))
        + text(21, "main")
        + message(100, text(1, "what"), text(4, "MIT"), message(100, text(1, "b"), text(2, "2")))
    )
    backwards = dict(reversed(user.items()))
    assert order_fields(message(100, metadata(user=backwards))) == message(100, metadata(user=user))


def test_a_description_without_metadata_gets_an_empty_one() -> None:
    assert order_fields(b"") == b"\xa2\x06\x00"


def test_each_function_has_its_own_end() -> None:
    program = source(STATEFUL)
    description = message(20, text(1, "decode")) + message(20, text(1, "main")) + text(21, "main")
    data = write_coremldata(parse_model(model(program, description, 9)))
    assert data.endswith((struct.pack("<I", 502) + bytes(12)) * 2)
    assert len(data) == 83 + len(order_fields(description)) + 32


def test_what_was_written_is_read() -> None:
    found = read_coremldata(written(), "coremldata.bin")
    assert found.specification_version == 7
    assert found.description == parse_model(model(PROGRAM, order_fields(DESCRIPTION))).description


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"version https://git-lfs.github.com/spec/v1",
        written()[:-1],
        written()[:90],
        written() + b"x",
        b"\xf4" + written()[1:],
        written()[:-16],
    ],
)
def test_what_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(BadInputError, match=r"^X/coremldata\.bin: .*; compile the package again"):
        read_coremldata(data, "X/coremldata.bin")


@given(st.integers(0, len(written()) - 1), st.integers(0, 255))
def test_a_damaged_byte_is_read_or_refused(at: int, value: int) -> None:
    data = bytearray(written())
    data[at] = value
    try:
        read_coremldata(bytes(data), "coremldata.bin")
    except BadInputError as error:
        assert "compile" in str(error)  # noqa: PT017  both outcomes are right


def test_analytics_names_the_model_by_its_hash() -> None:
    digest = base64.b64encode(hashlib.sha256(b"bytes of the model").digest())
    data = write_analytics(b"bytes of the model", "model")
    assert data == (
        b"\x19\0\0\0\0\0\0\0NeuralNetworkModelDetails\x02\0\0\0\0\0\0\0"
        b"\x13\0\0\0\0\0\0\0containsCustomLayer\x01\0\0\0\0\0\0\x000"
        b"\x0e\0\0\0\0\0\0\0modelDimension\x01\0\0\0\0\0\0\x000"
        b"\x14\0\0\0\0\0\0\0SpecificationDetails\x02\0\0\0\0\0\0\0"
        b"\x09\0\0\0\0\0\0\0modelHash\x2c\0\0\0\0\0\0\0"
        + digest
        + b"\x09\0\0\0\0\0\0\0modelName\x05\0\0\0\0\0\0\0model"
    )
    assert len(data) == 243
