"""Lists the members of an uncompressed zip file: name, offset, size, checksum.

Only what PyTorch writes is accepted: members that are stored (never compressed), do not overlap,
start at the file's first byte and agree with their local headers. `zipfile` reads the directory
through a file object that limits each read, so no input can request more memory.
"""

from __future__ import annotations

import io
import struct
import zipfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.files import RegularFile

MAX_DIRECTORY = 16 << 20
"""The longest central directory to read; a checkpoint of 10,000 tensors has 1.2 MB."""

_LOCAL = struct.Struct("<4s5H3I2H")  # PKWARE APPNOTE 4.3.7, local file header
_ENCRYPTED, _UTF8 = 1, 1 << 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One stored file: its bytes are `path[start : start + nbytes]`, with the CRC-32 `crc`."""

    name: str
    start: int
    nbytes: int
    crc: int


class _DamagedError(Exception):
    """The fault of a damaged zip file; `read_members` adds location and remedy."""


_ODD_ZIP = (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error)
"""Exceptions of `zipfile` for an unreadable file; ValueError means a name that is not UTF-8."""


class _BoundedFile(RegularFile):
    """A file that refuses to read more than `MAX_DIRECTORY` bytes at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_DIRECTORY:
            raise _DamagedError(
                f"a zip directory of {size:,} bytes, over the limit of {MAX_DIRECTORY:,}"
            )
        return super().read(size)


def read_members(path: Path) -> dict[str, Member]:
    """Return the members of the zip file at `path`, by name.

    Raises:
        BadInputError: the file is not a zip file, is truncated, or was not written by PyTorch.
    """
    with _BoundedFile(path) as file:
        try:
            return _members(file)
        except _DamagedError as error:
            what = str(error)
        except _ODD_ZIP as error:
            what = f"damaged zip file ({error})"
        size = file.seek(0, io.SEEK_END)
    raise BadInputError(
        f"{what} (the file has {size:,} bytes)", where=path, remedy="download the file again"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What the directory of a zip file says of a member: where its local header is, and what."""

    offset: int
    name: bytes
    flags: int


def list_headers(path: Path) -> tuple[Listed, ...]:
    """Return where the local headers of a zip file of any kind should be; none if it is damaged.

    They need not be there: of a file, only the two ends may be known.
    """
    with _BoundedFile(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return tuple(map(_listed, archive.infolist()))
        except (*_ODD_ZIP, _DamagedError, OSError):
            return ()


def _listed(entry: zipfile.ZipInfo) -> Listed:
    return Listed(offset=entry.header_offset, name=_encoded(entry), flags=entry.flag_bits)


def local_header(listed: Listed, align: int) -> bytes:
    """Return a local header that agrees with the directory, without the padding at its end.

    With that, which it counts, the member begins at a multiple of `align` bytes.
    """
    padding = -(listed.offset + _LOCAL.size + len(listed.name)) % align
    told = (b"PK\x03\x04", 0, listed.flags, zipfile.ZIP_STORED, 0, 0, 0, 0, 0)
    return _LOCAL.pack(*told, len(listed.name), padding) + listed.name


def list_names(path: Path) -> tuple[str, ...]:
    """Return the names in a zip file of any kind; none if the file is damaged, or no zip file."""
    with _BoundedFile(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return tuple(archive.namelist())
        except (*_ODD_ZIP, _DamagedError, OSError):
            return ()


def _members(file: BinaryIO) -> dict[str, Member]:
    if not zipfile.is_zipfile(file):
        raise _DamagedError("truncated: the zip directory at the end is missing")
    with zipfile.ZipFile(file) as archive:
        entries, end = archive.infolist(), archive.start_dir
    members: dict[str, Member] = {}
    for entry in entries:
        if not 0 <= entry.header_offset < end:
            raise _DamagedError(f"damaged zip file (it points to byte {entry.header_offset:,})")
        member = _member(file, entry)
        if member.name in members:
            raise _DamagedError(f"zip member {member.name!r} is listed twice")
        if member.start + member.nbytes > end:
            raise _DamagedError(f"zip member {member.name!r} ends behind the data")
        members[member.name] = member
    in_order = sorted(entries, key=lambda entry: entry.header_offset)
    if in_order and in_order[0].header_offset:
        raise _DamagedError("damaged zip file (it does not begin with a member)")
    for first, second in pairwise(in_order):
        member = members[first.orig_filename]
        if second.header_offset < member.start + member.nbytes:
            raise _DamagedError(f"zip members {member.name!r} and {second.orig_filename!r} overlap")
    return members


def _encoded(entry: zipfile.ZipInfo) -> bytes:
    return entry.orig_filename.encode("utf-8" if entry.flag_bits & _UTF8 else "cp437")


def _member(file: BinaryIO, entry: zipfile.ZipInfo) -> Member:
    """Return the member of a directory entry, after checking that its local header agrees."""
    name = entry.orig_filename
    if entry.flag_bits & _ENCRYPTED:
        raise _DamagedError(f"zip member {name!r} is encrypted")
    if entry.compress_type != zipfile.ZIP_STORED:
        raise _DamagedError(f"zip member {name!r} is compressed, which PyTorch never does")
    if entry.compress_size != entry.file_size:
        raise _DamagedError(
            f"zip member {name!r} has two sizes, {entry.compress_size:,} and {entry.file_size:,}"
        )
    file.seek(entry.header_offset)
    signature, _, flags, method, *_, name_length, extra_length = _LOCAL.unpack(
        file.read(_LOCAL.size)
    )
    written = file.read(name_length)
    if signature != b"PK\x03\x04" or written != _encoded(entry) or method or flags & _ENCRYPTED:
        raise _DamagedError(
            f"zip member {name!r} has a local header that differs from the directory"
        )
    start = entry.header_offset + _LOCAL.size + name_length + extra_length
    return Member(name=name, start=start, nbytes=entry.file_size, crc=entry.CRC)
