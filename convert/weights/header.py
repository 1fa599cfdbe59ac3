"""Reads and writes the header of a safetensors file: JSON with each tensor's type, shape, offsets.

Rules of the format (its README, "Format"): 8 bytes of little-endian header length N, at most
100,000,000; N bytes of UTF-8 JSON that begin with `{` and may be padded with spaces; no duplicate
keys; `__metadata__` maps strings to strings; `data_offsets` count from the end of the header; the
data has neither holes nor overlaps nor trailing bytes.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sdcoreml.convert.weights.dtypes import RANKS, SIZES
from sdcoreml.ground.codec import DecodeError, as_object, shown
from sdcoreml.ground.documents import parse_json
from sdcoreml.ground.errors import BadInputError

MAX_HEADER = 100_000_000
MAX_RANK = 64
MAX_EXTENT = 1 << 60
"""The largest offset, size or number of elements accepted; no real tensor reaches it."""
METADATA = "__metadata__"
PYTORCH: Mapping[str, str] = {"format": "pt"}
"""The metadata that diffusers and transformers write and require."""


class HeaderError(ValueError):
    """Raised for a header that violates a rule of the format."""


class HeaderEntry(NamedTuple):
    """One tensor of a header; `begin` and `end` are in bytes from the start of the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A valid header; `nbytes` is the size that the whole file must have."""

    entries: tuple[HeaderEntry, ...]
    nbytes: int
    metadata: Mapping[str, str] = field(default_factory=dict)


def parse_length(data: bytes) -> int:
    """Parse the header's length N from the first 8 bytes of a file."""
    if len(data) < 8:  # noqa: PLR2004  the length itself
        raise HeaderError("truncated: a safetensors file starts with 8 bytes of header length")
    length: int = struct.unpack_from("<Q", data)[0]
    if length > MAX_HEADER:
        raise HeaderError(f"a header of {length:,} bytes, over the limit of {MAX_HEADER:,}")
    return length


def parse(data: bytes) -> Header:
    """Parse the header's N bytes of JSON, `data`, and check everything but the file's size.

    Raises:
        HeaderError: a rule of the format is violated.
    """
    if not data.startswith(b"{"):
        raise HeaderError("the header is not a JSON object")
    try:
        content = {**as_object(parse_json(data.decode()))}
    except UnicodeDecodeError:
        raise HeaderError("the header is not UTF-8") from None
    except (BadInputError, DecodeError) as error:
        raise HeaderError(f"the header: {error}") from None
    metadata = content.pop(METADATA, None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise HeaderError("the metadata is not a map from text to text")
    base = 8 + len(data)
    entries = sorted((_entry(name, item, base) for name, item in content.items()), key=_place)
    position, before = base, "the header"
    for entry in entries:
        if entry.begin != position:
            kind = (
                "overlaps"
                if entry.begin < position
                else f"leaves a hole of {entry.begin - position:,} bytes after"
            )
            raise HeaderError(f"tensor {shown(entry.name)} {kind} {shown(before)}")
        position, before = entry.end, entry.name
    return Header(entries=tuple(entries), nbytes=position, metadata=metadata)


def _place(entry: HeaderEntry) -> tuple[int, int]:
    return entry.begin, entry.end


def _entry(name: str, item: object, base: int) -> HeaderEntry:
    match item:
        case {
            "dtype": str() as dtype,
            "shape": list() as shape,
            "data_offsets": [int() as begin, int() as end],
        }:
            pass
        case _:
            raise HeaderError(f"tensor {shown(name)} lacks dtype, shape or data_offsets")
    if dtype not in SIZES:
        raise HeaderError(f"tensor {shown(name)} has the unknown dtype {shown(dtype)}")
    numbers = (*shape, begin, end)
    if (
        len(shape) > MAX_RANK
        or {*map(type, numbers)} != {int}
        or not 0 <= min(numbers) <= max(numbers) <= MAX_EXTENT
        or math.prod(filter(None, shape)) > MAX_EXTENT  # one side of 0 hides the others
    ):
        raise HeaderError(f"tensor {shown(name)} has an impossible shape or offset")
    needed = math.prod(shape) * SIZES[dtype]
    if needed != end - begin:
        raise HeaderError(
            f"tensor {shown(name)} of shape {shape} and type {dtype} needs {needed:,} bytes, "
            f"but its offsets span {end - begin:,}"
        )
    return HeaderEntry(name, dtype, tuple(shape), base + begin, base + end)


def order(dtype: str, name: str) -> tuple[int, bytes]:
    """Return the reference implementation's sort key for tensors in a file."""
    return -RANKS[dtype], name.encode()


def build(
    tensors: Iterable[tuple[str, str, tuple[int, ...]]], metadata: Mapping[str, str] = PYTORCH
) -> tuple[bytes, Header]:
    """Build the first bytes of a file that holds `tensors` (name, dtype, shape), and its header.

    The bytes equal those that `safetensors.torch.save_file` writes.
    """
    content: dict[str, object] = {METADATA: dict(metadata)} if metadata else {}
    offset = 0
    for name, dtype, shape in sorted(tensors, key=lambda item: order(item[1], item[0])):
        end = offset + math.prod(shape) * SIZES[dtype]
        content[name] = {"dtype": dtype, "shape": shape, "data_offsets": (offset, end)}
        offset = end
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text, parse(text)
