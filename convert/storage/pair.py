"""Combines two storages, for a program whose constants are in two files, without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sdcoreml.convert.spec.model import Blob, DataType, Value
from sdcoreml.convert.storage.elements import BlobStorage

_SECOND = "second:"
"""The prefix that marks the path of a blob in the second storage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storages:
    """Reads marked blobs from the second storage, and all others from the first."""

    first: BlobStorage
    second: BlobStorage

    def read(self, blob: Blob, dtype: DataType) -> bytes | bytearray | memoryview:
        """Read the bytes of a blob. Raises `BadInputError` like the storage that holds it."""
        if blob.path.startswith(_SECOND):
            own = replace(blob, path=blob.path.removeprefix(_SECOND))
            return self.second.read(own, dtype)
        return self.first.read(blob, dtype)


def in_second(value: Value) -> Value:
    """Return the value, marked as belonging to the second storage if it is a blob."""
    if not isinstance(value.data, Blob):
        return value
    return replace(value, data=replace(value.data, path=f"{_SECOND}{value.data.path}"))
