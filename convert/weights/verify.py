"""Verifies the checksums in a zip file, and the bytes actually written to the disk."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from sdcoreml.convert.weights.source import Checkpoint
from sdcoreml.convert.weights.transfer import ShortReadError, read_blocks
from sdcoreml.convert.weights.writer import Written
from sdcoreml.convert.weights.zip_directory import Member
from sdcoreml.ground.digest import sha256
from sdcoreml.ground.errors import BadInputError, SdcoremlError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.files import open_regular


def check_members(checkpoint: Checkpoint, emit: Emit = silent) -> int:
    """Compare every storage of `checkpoint` with its zip file's CRC-32.

    Returns the number of bytes read. Files of other containers have no checksums and are skipped.

    Raises:
        BadInputError: a member is damaged.
    """
    total = sum(member.nbytes for found in checkpoint.members.values() for member in found)
    done = 0
    for path, members in checkpoint.members.items():
        with open_regular(path) as file:
            for member in members:
                if _crc(file.fileno(), path, member) != member.crc:
                    raise BadInputError(
                        f"{member.name!r} is damaged (its CRC-32 is not {member.crc:08x})",
                        where=path,
                        remedy="download the file again",
                    )
                done += member.nbytes
                emit(Event(kind="progress", text=path.name, done=done, total=total, unit="B"))
    return total


def _crc(file: int, path: Path, member: Member) -> int:
    crc = 0
    try:
        for block in read_blocks(file, member.start, member.nbytes):
            crc = zlib.crc32(block, crc)
    except ShortReadError:
        raise BadInputError(
            "the file ended while it was read", where=path, remedy="try again"
        ) from None
    return crc


def check_written(written: Written) -> None:
    """Read `written` back from the disk and compare it with the digest taken while writing.

    Raises:
        SdcoremlError: the bytes on the disk differ from those that were written.
    """
    if written.sha256 is None:
        raise ValueError("written without a digest, so there is nothing to compare with")
    if sha256_of(written.path) != written.sha256:
        raise SdcoremlError(
            "the bytes read back differ from those written",
            where=written.path,
            remedy="the disk or the memory is failing, do not trust this file",
        )


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of the file at `path`, read from the disk and not from the cache."""
    if hasattr(os, "posix_fadvise"):
        with open_regular(path) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return sha256(path)
