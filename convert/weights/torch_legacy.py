"""Reads PyTorch's container from before 1.6: five pickles, then each storage with its length.

The pickles are magic number, protocol, system info, the object, and the list of storage keys. Then,
in the order of that list, each storage has an int64 element count and its bytes.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from sdcoreml.convert.weights.dtypes import SIZES
from sdcoreml.convert.weights.machine import MAX_BYTES, MalformedPickleError
from sdcoreml.convert.weights.opcodes import interpret
from sdcoreml.convert.weights.records import Records, Trust
from sdcoreml.convert.weights.torch_zip import PickledTensors, big_endian, name_damage
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import open_regular

MAGIC = 0x1950A86A20F9469CFC6C
MAGIC_BYTES = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")
"""The first pickle of every file in this container."""
PROTOCOL = 1001


class _Window:
    """Reads the mapped file, at most `MAX_BYTES` for each pickle."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._start = 0
        self._position = 0

    def tell(self) -> int:
        return self._position

    def open_next(self) -> None:
        """Start the next pickle where the last one ended."""
        self._start = self._position

    def _limit(self) -> int:
        return min(len(self._data), self._start + MAX_BYTES)

    def read(self, size: int = -1) -> bytes:
        end = self._limit() if size < 0 else min(self._limit(), self._position + size)
        data = self._data[self._position : end]
        self._position += len(data)
        return data

    def readline(self, size: int | None = -1) -> bytes:  # noqa: ARG002  io's signature
        end = self._data.find(b"\n", self._position, self._limit())
        return self.read(self._limit() - self._position if end < 0 else end + 1 - self._position)


def read_legacy(path: Path, trust: Trust) -> PickledTensors:
    """Read the description of a legacy checkpoint, without its tensors' data.

    Raises:
        BadInputError: the file is damaged, truncated, or of an unknown version.
        UnsafePickleError: a pickle names something that `trust` does not permit.
    """
    with open_regular(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        window = _Window(data)
        records = Records(str(path), trust)
        pickles: list[object] = []
        for part in ("magic number", "protocol", "system info", "object", "storage keys"):
            window.open_next()
            try:
                pickles.append(interpret(window, records))
            except MalformedPickleError as error:
                raise name_damage(path, f"{part}: {error}") from None
        magic, protocol, system, root, keys = pickles
        if magic != MAGIC or protocol != PROTOCOL or not isinstance(keys, list):
            raise BadInputError(
                "not a PyTorch file of a known version",
                where=path,
                remedy="save it again with torch.save",
            )
        if isinstance(system, dict) and system.get("little_endian") is False:
            raise big_endian(path)
        starts = _starts(path, data, window.tell(), [str(key) for key in keys], records)
    return PickledTensors(root, starts, records.unknown_names())


def _starts(
    path: Path, data: mmap.mmap, position: int, keys: list[str], records: Records
) -> dict[str, int]:
    """Return the offset of each storage's bytes."""
    starts: dict[str, int] = {}
    for key in keys:
        storage = records.storages.get(key)
        if storage is None or storage.dtype is None:
            raise name_damage(path, f"storage {key[:40]!r} is not in the pickle")
        if position + 8 > len(data):
            raise name_damage(path, f"truncated before storage {key!r}")
        (count,) = struct.unpack_from("<q", data, position)
        end = position + 8 + count * SIZES[storage.dtype]
        if count != storage.numel:
            raise name_damage(
                path, f"storage {key!r} has {count:,} elements, the pickle says {storage.numel:,}"
            )
        if end > len(data):
            raise name_damage(
                path, f"truncated: storage {key!r} ends at byte {end:,}, the file has {len(data):,}"
            )
        starts[key] = position + 8
        position = end
    if lost := sorted(records.storages.keys() - starts.keys()):
        raise name_damage(path, f"storage {lost[0]!r} has no bytes in the file")
    return starts
