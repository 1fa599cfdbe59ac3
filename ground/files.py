"""Opens and reads untrusted files: only regular files, of limited size, without ever blocking.

Every file that is not part of this project is opened here. A pipe, a device or a folder is bad
input, as is a file far larger than its kind can be, such as `config.json -> /dev/zero`.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.refusals import DENIED

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Document(Enum):
    """The kinds of files that are read whole; the value is the kind's name in messages."""

    ANSWER = "an answer"
    CONFIG = "a config"
    FACTS = "a file of facts"
    LOCK = "a lock"
    LOG = "a log"
    MANIFEST = "a manifest"
    PROGRAM = "a program"
    RECORD = "a record"
    SETTINGS = "a settings file"
    SYSTEM = "a file of the system"
    TEXT = "a text"
    VOCABULARY = "a vocabulary"
    WEIGHT_INDEX = "an index of shards"


MIB = 1 << 20
_CHUNK = 4 * MIB
LARGEST: Mapping[Document, int] = {
    Document.ANSWER: 32 * MIB,
    Document.CONFIG: 16 * MIB,
    Document.FACTS: 32 * MIB,
    Document.LOCK: 16 * MIB,
    Document.LOG: 64 * MIB,
    Document.MANIFEST: 64 * MIB,
    Document.PROGRAM: 128 * MIB,
    Document.RECORD: 32 * MIB,
    Document.SETTINGS: MIB,
    Document.SYSTEM: MIB,
    Document.TEXT: 16 * MIB,
    Document.VOCABULARY: 32 * MIB,
    Document.WEIGHT_INDEX: 32 * MIB,
}
"""The size limit in bytes of each kind of file: ten times the largest real one."""

POINTER = b"version https://git-lfs"
"""The first bytes of a Git LFS pointer: without git-lfs, a clone has it in the file's place."""

_OTHERS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})
_REASONS: Mapping[int, str] = {
    errno.ELOOP: "links that lead in a circle",
    errno.ENAMETOOLONG: "the name is too long for any disk",
}
_MAY_READ = "see who may read it"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_WIDE = 4
"""A text of which more than one byte in so many is zero is UTF-16."""


class RegularFile(io.FileIO):
    """A regular file, or a link to one, opened for reading without blocking.

    Read errors name the file too: on a failing disk, or in /proc, they occur only after opening.

    Raises:
        BadInputError: the file is absent, not regular, or not readable; the error has `remedy`.
    """

    def __init__(self, path: Path, *, remedy: str = "") -> None:
        super().__init__(open_handle(path, remedy=remedy))
        self._path = path
        self._remedy = remedy

    def read(self, size: int | None = -1, /) -> bytes:
        """Read like `FileIO.read`, raising `BadInputError` for the system's errors."""
        with self._named():
            return super().read(size)

    def readall(self) -> bytes:
        """Read like `FileIO.readall`, raising `BadInputError` for the system's errors."""
        with self._named():
            return super().readall()

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read like `FileIO.readinto`, raising `BadInputError` for the system's errors."""
        with self._named():
            return super().readinto(buffer)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise refusal(error, self._path, self._remedy) from None


def open_regular(path: Path, *, remedy: str = "") -> io.BufferedReader:
    """Open a regular file, or a link to one, for reading, without blocking.

    Raises:
        BadInputError: as `RegularFile`; reading can raise it too.
    """
    return io.BufferedReader(RegularFile(path, remedy=remedy))


def open_handle(path: Path, *, remedy: str = "") -> int:
    """Open a file like `open_regular`, and return its descriptor.

    The kind of file is checked before opening, since opening a device can have effects, and again
    afterwards, since another process may have replaced the file in between.

    Raises:
        BadInputError: as `open_regular`.
    """
    try:
        _require_regular(path.stat(), path, remedy)
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise refusal(error, path, remedy) from None
    try:
        _require_regular(os.fstat(handle), path, remedy)
        os.set_blocking(handle, True)
    except BaseException:
        os.close(handle)
        raise
    return handle


def read_bytes(path: Path, document: Document, *, remedy: str = "") -> bytes:
    """Read a file.

    Raises:
        BadInputError: as `open_regular`, or the file exceeds the limit of its kind.
    """
    largest = LARGEST[document]
    with RegularFile(path, remedy=remedy) as stream:
        # Files in /proc and /sys have a size of 0, so the limit applies to the bytes read.
        is_large = os.fstat(stream.fileno()).st_size > largest
        data = b"" if is_large else _read_up_to(stream, largest + 1)
    if is_large or len(data) > largest:
        what = f"larger than {largest:,} bytes, too large for {document.value}"
        raise BadInputError(what, where=path, remedy=remedy)
    return data


def read_text(path: Path, document: Document, *, remedy: str = "") -> str:
    """Read a UTF-8 file, with or without a byte order mark; line ends become line feeds.

    Raises:
        BadInputError: as `read_bytes`, or the file is not UTF-8.
    """
    return decode(read_bytes(path, document, remedy=remedy), path, remedy=remedy)


def decode(data: bytes, where: str | os.PathLike[str], *, remedy: str = "") -> str:
    """Decode the content of a file as `read_text` does."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = f"not UTF-8 ({error.reason} at byte {error.start:,})"
        raise BadInputError(what, where=where, remedy=remedy) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_leniently(path: Path, document: Document, *, remedy: str = "") -> str:
    """Read a text to search in it: accepts UTF-16 too, and replaces invalid bytes.

    PowerShell writes UTF-16 when it redirects a program's output into a file.
    """
    return decode_leniently(read_bytes(path, document, remedy=remedy))


def decode_leniently(data: bytes) -> str:
    """Decode a text like `read_leniently`; of UTF-16 without its mark only ASCII is right."""
    if not data.startswith(_UTF16) and data.count(0) * _WIDE > len(data):
        data = data.replace(b"\0", b"")
    text = data.decode("utf-16" if data.startswith(_UTF16) else "utf-8-sig", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def refuse_pointer(head: bytes, path: Path) -> None:
    """Raise `BadInputError` if `head`, the start of the file at `path`, is a Git LFS pointer."""
    if head.startswith(POINTER):
        raise BadInputError(
            "a git-lfs pointer, not the file", where=path, remedy="run 'git lfs pull' in its folder"
        )


def refusal(error: OSError | ValueError, path: Path, remedy: str = "") -> BadInputError:
    """Return our error for a system's error in opening or reading a file.

    Python raises `ValueError` for a NUL character in a name.

    Raises:
        MemoryError: the system is out of memory, which is not the file's fault.
    """
    if not isinstance(error, OSError):
        return BadInputError("no file can have this name", where=ascii(str(path)), remedy=remedy)
    if error.errno == errno.ENOMEM:
        raise MemoryError from error
    if error.errno in _ABSENT:
        what = "a link to a file that is not there" if path.is_symlink() else "no such file"
        return BadInputError(what, where=path, remedy=remedy)
    reason = error.strerror or str(error)
    what = _REASONS.get(error.errno or 0, f"not readable: {reason}")
    remedy = _MAY_READ if error.errno in DENIED else remedy
    return BadInputError(what, where=path, remedy=remedy)


def _require_regular(status: os.stat_result, path: Path, remedy: str) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    found = next((name for is_it, name in _OTHERS if is_it(status.st_mode)), "something else")
    raise BadInputError(f"{found}, not a file", where=path, remedy=remedy)


def _read_up_to(stream: io.FileIO, most: int) -> bytes:
    """Read to the end, at most `most` bytes; a single `read` may return less."""
    parts: list[bytes] = []
    left = most
    while left and (part := stream.read(min(left, _CHUNK))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
