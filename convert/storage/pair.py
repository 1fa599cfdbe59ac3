"""Combines two storages, for a program whose constants are in two files, without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from sdcoreml.convert.spec.model import Blob, DataType, Value
from sdcoreml.convert.storage.elements import BlobStorage, Located, Mapped, as_mapped

_SECOND = "second:"
"""The prefix that marks the path of a blob in the second storage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storages:
    """Reads marked blobs from the second storage, and all others from the first."""

    first: BlobStorage
    second: BlobStorage

    def read(self, blob: Blob, dtype: DataType) -> bytes | bytearray | memoryview:
        """Read the bytes of a blob. Raises `BadInputError` like the storage that holds it."""
        storage, own = self._find(blob)
        return storage.read(own, dtype)

    @property
    def mapped(self) -> Storages:
        """The same storages, with views of mapped pages where they can map them."""
        return Storages(first=as_mapped(self.first), second=as_mapped(self.second))

    def release(self) -> None:
        """Release the mapped pages of both."""
        for storage in (self.first, self.second):
            if isinstance(storage, Mapped):
                storage.release()

    def locate(self, blob: Blob) -> tuple[Path, Blob]:
        """Return the weight file that holds a blob, and the blob as its own program states it."""
        storage, own = self._find(blob)
        if not isinstance(storage, Located):
            raise TypeError(f"{storage} has no file")
        return storage.locate(own)

    def _find(self, blob: Blob) -> tuple[BlobStorage, Blob]:
        if blob.path.startswith(_SECOND):
            return self.second, replace(blob, path=blob.path.removeprefix(_SECOND))
        return self.first, blob


def in_second(value: Value) -> Value:
    """Return the value, marked as belonging to the second storage if it is a blob."""
    if not isinstance(value.data, Blob):
        return value
    return replace(value, data=replace(value.data, path=f"{_SECOND}{value.data.path}"))
