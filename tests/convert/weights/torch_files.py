"""Writes PyTorch files opcode by opcode, without torch, so that they can be malicious."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

STORAGE_CLASSES = {
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "float64": "DoubleStorage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}
MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."


def text(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def integer(value: int) -> bytes:
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    return b"\x8a\x0c" + value.to_bytes(12, "little", signed=True)


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def group(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + group(*arguments) + b"R"


def mapping(items: Mapping[str, bytes]) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def storage(key: str, dtype: str, numel: int) -> bytes:
    kind = name("torch", STORAGE_CLASSES[dtype])
    return group(text("storage"), kind, text(key), text("cpu"), integer(numel)) + b"Q"


def tensor(
    on: bytes, shape: Sequence[int], stride: Sequence[int] | None = None, offset: int = 0
) -> bytes:
    steps = row_major(shape) if stride is None else stride
    return call(
        name("torch._utils", "_rebuild_tensor_v2"),
        on,
        integer(offset),
        group(*map(integer, shape)),
        group(*map(integer, steps)),
        b"\x89",
        call(name("collections", "OrderedDict")),
    )


def row_major(shape: Sequence[int]) -> list[int]:
    return [int(np.prod(shape[axis + 1 :], dtype=np.int64)) for axis in range(len(shape))]


def finished(root: bytes) -> bytes:
    return b"\x80\x02" + root + b"."


def state_dict(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return a pickle of `arrays`, each in a storage of its own; storages are numbered in order."""
    parts = {
        key: tensor(storage(str(number), array.dtype.name, array.size), array.shape)
        for number, (key, array) in enumerate(arrays.items())
    }
    return finished(mapping(parts))


def write_members(
    path: Path, members: Mapping[str, bytes], *, compression: int = zipfile.ZIP_STORED
) -> Path:
    """Write a zip file in which members' data start at multiples of 64 bytes, as in PyTorch's."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for member, data in members.items():
            info = zipfile.ZipInfo(member)
            info.compress_type = compression
            start = archive.fp.tell() + 30 + len(member)  # type: ignore[union-attr]
            padding = -(start + 4) % 64
            info.extra = struct.pack("<2H", 0x4246, padding) + b"Z" * padding
            archive.writestr(info, data)
    return path


def write_zip(
    path: Path, arrays: Mapping[str, np.ndarray], *, pickled: bytes | None = None
) -> Path:
    """Write what `torch.save(arrays, path)` would; `pickled` replaces the pickle in it."""
    members = {"archive/data.pkl": state_dict(arrays) if pickled is None else pickled}
    for number, array in enumerate(arrays.values()):
        members[f"archive/data/{number}"] = array.tobytes()
    members["archive/version"] = b"3\n"
    return write_members(path, members)


def write_legacy(path: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write what `torch.save(arrays, path, _use_new_zipfile_serialization=False)` would."""
    keys = b"](" + b"".join(text(str(number)) for number in range(len(arrays))) + b"e"
    system = mapping({"little_endian": b"\x88"})
    parts = [MAGIC, finished(integer(1001)), finished(system), state_dict(arrays), finished(keys)]
    for array in arrays.values():
        parts += [struct.pack("<q", array.size), array.tobytes()]
    path.write_bytes(b"".join(parts))
    return path


def are_at(path: Path, starts: Mapping[str, int], arrays: Mapping[str, np.ndarray]) -> bool:
    """Return True if the file has each array's bytes where its storage starts."""
    data = path.read_bytes()
    return all(
        data[starts[str(number)] :].startswith(array.tobytes())
        for number, array in enumerate(arrays.values())
    )
