"""The members of a zip file that stores them as they are: name, place, size, checksum.

Only what PyTorch writes is accepted: stored (never compressed) members that do not overlap, in one
volume, found through the central directory and confirmed by each local header. The directory is
read with a bound, so no file can ask for more memory than that. Field layouts: PKWARE APPNOTE 4.3.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from sdcoreml.ground.errors import BadInputError

MAX_DIRECTORY = 64 << 20
"""Longest central directory that is read; a checkpoint of 10,000 tensors has 1.2 MB."""

_END = struct.Struct("<4s4H2IH")  # 4.3.16 end of central directory
_END64_LOCATOR = struct.Struct("<4sIQI")  # 4.3.15
_END64 = struct.Struct("<4sQ2H2I4Q")  # 4.3.14
_ENTRY = struct.Struct("<4s6H3I5H2I")  # 4.3.12 central directory header
_LOCAL = struct.Struct("<4s5H3I2H")  # 4.3.7 local file header
_ENCRYPTED, _ZIP64_FIELD, _FULL32 = 1, 0x0001, 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One stored file: its bytes are `path[start : start + nbytes]`, with the CRC-32 `crc`."""

    name: str
    start: int
    nbytes: int
    crc: int


class _DamagedError(Exception):
    """What is wrong with the file; `read_members` adds where and what to do."""


def read_members(path: Path) -> dict[str, Member]:
    """The members of the zip file at `path`, by name.

    Raises:
        BadInputError: not a zip file, cut short, or one that PyTorch did not write.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        try:
            return _members(file, size)
        except (_DamagedError, struct.error, UnicodeDecodeError) as error:
            what = str(error) if isinstance(error, _DamagedError) else f"damaged zip file ({error})"
            raise BadInputError(
                f"{what} (the file has {size:,} bytes)",
                where=path,
                remedy="download the file again",
            ) from None


def _members(file: BinaryIO, size: int) -> dict[str, Member]:
    start, length = _find_directory(file, size)
    file.seek(start)
    directory = file.read(length)
    members: dict[str, Member] = {}
    spans: list[tuple[int, int, str]] = []
    position = 0
    while position < length:
        header, member, used = _entry(directory, position)
        position += used
        if member.name in members:
            raise _DamagedError(f"zip member {member.name!r} is listed twice")
        begin = _confirm(file, header, member, size)
        member = Member(name=member.name, start=begin, nbytes=member.nbytes, crc=member.crc)
        if begin + member.nbytes > start:
            raise _DamagedError(f"zip member {member.name!r} ends behind the data")
        members[member.name] = member
        spans.append((header, begin + member.nbytes, member.name))
    for (_, end, first), (begin, _, second) in pairwise(sorted(spans)):
        if begin < end:
            raise _DamagedError(f"zip members {first!r} and {second!r} overlap")
    return members


def _find_directory(file: BinaryIO, size: int) -> tuple[int, int]:
    """Offset and length of the central directory."""
    tail_length = min(size, _END.size + 0xFFFF + _END64_LOCATOR.size)
    file.seek(size - tail_length)
    tail = file.read(tail_length)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0:
        raise _DamagedError("truncated: the zip directory at the end is missing")
    _, _, _, _, _, length, start, _ = _END.unpack_from(tail, at)
    locator = at - _END64_LOCATOR.size
    if locator >= 0 and tail[locator : locator + 4] == b"PK\x06\x07":
        fields = _END64.unpack(
            _read_at(file, _END64_LOCATOR.unpack_from(tail, locator)[2], _END64.size, size)
        )
        if fields[0] != b"PK\x06\x06":
            raise _DamagedError("damaged zip file (the zip64 record is not where it should be)")
        length, start = fields[8], fields[9]
    if length > MAX_DIRECTORY:
        raise _DamagedError(
            f"a zip directory of {length:,} bytes, over the limit of {MAX_DIRECTORY:,}"
        )
    if start + length > size:
        raise _DamagedError("truncated: the zip directory does not lie in the file")
    return start, length


def _read_at(file: BinaryIO, offset: int, length: int, size: int) -> bytes:
    """`length` bytes at `offset`, which the file itself names: it may be anything."""
    if offset + length > size:
        raise _DamagedError(f"damaged zip file (it points to byte {offset:,})")
    file.seek(offset)
    return file.read(length)


def _entry(directory: bytes, position: int) -> tuple[int, Member, int]:
    """The offset of the local header, the member (place still unknown), and the bytes consumed."""
    fields = _ENTRY.unpack_from(directory, position)
    signature, _, _, flags, method, _, _, crc, packed, unpacked, name_length, extra_length = fields[
        :12
    ]
    if signature != b"PK\x01\x02":
        raise _DamagedError("damaged zip file (no directory entry where one should be)")
    name_at = position + _ENTRY.size
    extra_at = name_at + name_length
    name = directory[name_at:extra_at].decode()
    if flags & _ENCRYPTED:
        raise _DamagedError(f"zip member {name!r} is encrypted")
    if method:
        raise _DamagedError(f"zip member {name!r} is compressed, which PyTorch never does")
    sizes = _widen(directory[extra_at : extra_at + extra_length], [unpacked, packed, fields[16]])
    unpacked, packed, header = sizes
    if packed != unpacked:
        raise _DamagedError(f"zip member {name!r} has two sizes, {packed:,} and {unpacked:,}")
    used = _ENTRY.size + name_length + extra_length + fields[12]
    return header, Member(name=name, start=0, nbytes=unpacked, crc=crc), used


def _widen(extra: bytes, values: list[int]) -> list[int]:
    """Replace each value that 32 bits could not hold by its zip64 one (4.5.3), in order."""
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        if kind == _ZIP64_FIELD:
            wide = (
                field[0] for field in struct.iter_unpack("<Q", extra[position + 4 :][: length & ~7])
            )
            return [next(wide, value) if value == _FULL32 else value for value in values]
        position += 4 + length
    return values


def _confirm(file: BinaryIO, header: int, member: Member, size: int) -> int:
    """Where the member's bytes start, once its local header agrees with the directory."""
    fields = _LOCAL.unpack(_read_at(file, header, _LOCAL.size, size))
    name = file.read(fields[9])
    if (
        fields[0] != b"PK\x03\x04"
        or name != member.name.encode()
        or fields[3]
        or fields[2] & _ENCRYPTED
    ):
        raise _DamagedError(
            f"zip member {member.name!r} has another local header than the directory says"
        )
    return header + _LOCAL.size + int(fields[9]) + int(fields[10])
