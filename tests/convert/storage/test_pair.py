from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sdcoreml.convert.spec.model import (
    Blob,
    DataType,
    Elements,
    TensorType,
    Value,
)
from sdcoreml.convert.storage.pair import Storages, in_second


@dataclass(frozen=True)
class Named:
    """A storage whose data of a blob is a text: the storage's name, and the requested place."""

    name: str

    def read(self, blob: Blob, dtype: DataType) -> bytes:
        return f"{self.name}: {blob.path} at {blob.offset} as {dtype.name}".encode()


BLOB = Blob(path="@model_path/weights/weight.bin", offset=64)
BOTH = Storages(first=Named("first"), second=Named("second"))


def value(data: Blob | Elements) -> Value:
    return Value(type=TensorType(dtype=DataType.FLOAT16, shape=(2,)), data=data)


@pytest.mark.parametrize(
    ("given", "whose"), [(value(BLOB), "first"), (in_second(value(BLOB)), "second")]
)
def test_a_blob_is_read_where_it_lies_under_its_own_name(given: Value, whose: str) -> None:
    assert isinstance(given.data, Blob)
    told = BOTH.read(given.data, DataType.FLOAT16)
    assert told == f"{whose}: {BLOB.path} at 64 as FLOAT16".encode()


def test_two_of_two_find_their_own() -> None:
    """A pair of storages whose second half is itself a pair."""
    outer = Storages(first=Named("third"), second=BOTH)
    inner = in_second(in_second(value(BLOB))).data
    assert isinstance(inner, Blob)
    assert bytes(outer.read(inner, DataType.INT32)).startswith(b"second: @model_path")


def test_what_is_no_blob_stays_as_it_is() -> None:
    plain = value(Elements(values=bytes(4)))
    assert in_second(plain) is plain


@dataclass(frozen=True)
class InFile(Named):
    """A storage in a file, which can be mapped, and notes that its pages are released."""

    released: list[str] = field(default_factory=list)

    def locate(self, blob: Blob) -> tuple[Path, Blob]:
        return Path(self.name), blob

    @property
    def mapped(self) -> InFile:
        return InFile(f"mapped {self.name}", self.released)

    def release(self) -> None:
        self.released.append(self.name)


def test_a_blob_is_located_where_it_lies_under_its_own_name() -> None:
    storages = Storages(first=InFile("a"), second=InFile("b"))
    marked = in_second(value(BLOB)).data
    assert isinstance(marked, Blob)
    assert storages.locate(BLOB) == (Path("a"), BLOB)
    assert storages.locate(marked) == (Path("b"), BLOB)
    with pytest.raises(TypeError, match=r"^Named\(name='first'\) has no file$"):
        BOTH.locate(BLOB)


def test_both_are_mapped_and_released_where_they_can_be() -> None:
    one, other = InFile("a"), InFile("b")
    mapped = Storages(first=one, second=other).mapped
    assert mapped == Storages(first=InFile("mapped a"), second=InFile("mapped b"))
    mapped.release()
    assert (one.released, other.released) == (["mapped a"], ["mapped b"])
    half = Storages(first=Named("first"), second=other)
    assert half.mapped == Storages(first=Named("first"), second=InFile("mapped b", ["mapped b"]))
    half.release()
    assert other.released == ["mapped b", "b"]
