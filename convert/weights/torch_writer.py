"""Writes PyTorch's zip container as `torch.save` does, without torch.

A member `data.pkl` describes tensors stored in the members `data/<n>`, each of which starts at a
multiple of 64 bytes. The pickle is written opcode by opcode (protocol 2, like torch's): it names
the three constructors of a state dict and nothing else.
"""

from __future__ import annotations

import math
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from sdcoreml.convert.weights.torch_zip import ALIGNMENT

_LOCAL_HEADER = 30
"""Bytes of a member's header before its name (PKWARE APPNOTE 4.3.7)."""
_PADDING = struct.Struct("<2H")
_PADDING_ID = 0x4246
"""The extra field that torch pads with, "FB", filled with the letter Z."""

_START, _STOP = b"\x80\x02", b"."
_DICT, _SET_ITEMS, _MARK, _TUPLE = b"}", b"u", b"(", b"t"
_CALL, _FALSE, _STORAGE = b"R", b"\x89", b"Q"
_REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
_FLOATS = b"ctorch\nFloatStorage\n"
_NO_HOOKS = b"ccollections\nOrderedDict\n" + _MARK + _TUPLE + _CALL


class FloatTensor(NamedTuple):
    """A float32 tensor: its shape, and its little-endian numbers in row-major order."""

    shape: tuple[int, ...]
    data: bytes


def write_torch(path: Path, tensors: Mapping[str, FloatTensor]) -> None:
    """Write a state dict that torch loads; equal tensors give equal bytes on every system."""
    prefix = path.stem
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, f"{prefix}/data.pkl", _pickle_tensors(tensors))
        _add(archive, f"{prefix}/byteorder", b"little")
        for number, tensor in enumerate(tensors.values()):
            _add(archive, f"{prefix}/data/{number}", tensor.data)
        _add(archive, f"{prefix}/version", b"3\n")


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name)  # dated 1980, as torch's are
    info.create_system = 3  # what Unix says, on every system
    start = archive.start_dir + _LOCAL_HEADER + len(name) + _PADDING.size
    padding = -start % ALIGNMENT
    info.extra = _PADDING.pack(_PADDING_ID, padding) + b"Z" * padding
    archive.writestr(info, data)


def _pickle_tensors(tensors: Mapping[str, FloatTensor]) -> bytes:
    return b"".join((_START, _DICT, _MARK, *_items(tensors), _SET_ITEMS, _STOP))


def _items(tensors: Mapping[str, FloatTensor]) -> Iterator[bytes]:
    for number, (name, tensor) in enumerate(tensors.items()):
        yield _text(name)
        yield _tensor(str(number), tensor.shape)


def _tensor(key: str, shape: tuple[int, ...]) -> bytes:
    numel = _integer(math.prod(shape))
    storage = _group(_text("storage"), _FLOATS, _text(key), _text("cpu"), numel) + _STORAGE
    strides = (math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
    sizes, steps = _group(*map(_integer, shape)), _group(*map(_integer, strides))
    arguments = _group(storage, _integer(0), sizes, steps, _FALSE, _NO_HOOKS)
    return _REBUILD + arguments + _CALL


def _group(*items: bytes) -> bytes:
    return _MARK + b"".join(items) + _TUPLE


def _text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _integer(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)
