"""Two storages as one, for a program whose constants lie in two places. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sdcoreml.convert.spec.model import Blob, DataType, Value
from sdcoreml.convert.storage.elements import BlobStorage

_SECOND = "second:"
"""Marks the path of a blob that the second storage has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storages:
    """Reads what is marked from the second storage, and all else from the first."""

    first: BlobStorage
    second: BlobStorage

    def read(self, blob: Blob, dtype: DataType) -> bytes | bytearray | memoryview:
        """The bytes of a blob. Raises `BadInputError` as the blob's own storage does."""
        if blob.path.startswith(_SECOND):
            own = replace(blob, path=blob.path.removeprefix(_SECOND))
            return self.second.read(own, dtype)
        return self.first.read(blob, dtype)


def in_second(value: Value) -> Value:
    """The value, to be read from the second storage when it is a blob."""
    if not isinstance(value.data, Blob):
        return value
    return replace(value, data=replace(value.data, path=f"{_SECOND}{value.data.path}"))
