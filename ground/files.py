"""Opens and reads files that others made: regular files, of bounded size, never waiting for one.

Every file that is not our own source is opened here. A pipe, a device or a folder in a file's place
is bad input, as is a file larger than its kind ever is: `config.json -> /dev/zero` has no end.
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
    """What a file is that is read at once; the value is how a message names it."""

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
"""The most bytes that a file of each kind may have: ten times what the largest honest one has."""

POINTER = b"version https://git-lfs"
"""The first bytes of a Git LFS pointer, which a clone without git-lfs has in place of a file."""

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


class RegularFile(io.FileIO):
    """A regular file, or a link to one, open for reading; opening it never waits.

    An error of reading names the file: a disk that fails, or what /proc shows, opens without one.

    Raises:
        BadInputError: it is absent, something else, or not readable; `remedy` is the caller's.
    """

    def __init__(self, path: Path, *, remedy: str = "") -> None:
        super().__init__(open_handle(path, remedy=remedy))
        self._path = path
        self._remedy = remedy

    def read(self, size: int | None = -1, /) -> bytes:
        """As `FileIO.read`."""
        with self._named():
            return super().read(size)

    def readall(self) -> bytes:
        """As `FileIO.readall`."""
        with self._named():
            return super().readall()

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """As `FileIO.readinto`."""
        with self._named():
            return super().readinto(buffer)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise refusal(error, self._path, self._remedy) from None


def open_regular(path: Path, *, remedy: str = "") -> io.BufferedReader:
    """Open a regular file, or a link to one, for reading; this never waits.

    Raises:
        BadInputError: as `RegularFile`, also when it is read.
    """
    return io.BufferedReader(RegularFile(path, remedy=remedy))


def open_handle(path: Path, *, remedy: str = "") -> int:
    """As `open_regular`, a bare descriptor.

    The file is looked at before it is opened, since opening alone can do something to a device,
    and again when it is open, since another process may have replaced it meanwhile.

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
    """The content of a file.

    Raises:
        BadInputError: as `open_regular`, or it is larger than such a document ever is.
    """
    largest = LARGEST[document]
    with RegularFile(path, remedy=remedy) as stream:
        # What /proc and /sys hold has a size of 0: what was read counts.
        is_large = os.fstat(stream.fileno()).st_size > largest
        data = b"" if is_large else _read_up_to(stream, largest + 1)
    if is_large or len(data) > largest:
        what = f"larger than {largest:,} bytes, too large for {document.value}"
        raise BadInputError(what, where=path, remedy=remedy)
    return data


def read_text(path: Path, document: Document, *, remedy: str = "") -> str:
    """The content of a file in UTF-8, with or without a byte order mark; with line feeds alone.

    Raises:
        BadInputError: as `read_bytes`, or it is not UTF-8.
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
    """As `read_text`, for a text that is searched: UTF-16 is accepted, other bytes are replaced.

    PowerShell writes UTF-16 when it redirects a program's output into a file.
    """
    return decode_leniently(read_bytes(path, document, remedy=remedy))


def decode_leniently(data: bytes) -> str:
    """Decode a text as `read_leniently` does."""
    text = data.decode("utf-16" if data.startswith(_UTF16) else "utf-8-sig", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def refuse_pointer(head: bytes, path: Path) -> None:
    """Raise `BadInputError` if the file at `path` begins like a Git LFS pointer."""
    if head.startswith(POINTER):
        raise BadInputError(
            "a git-lfs pointer, not the file", where=path, remedy="run 'git lfs pull' in its folder"
        )


def refusal(error: OSError | ValueError, path: Path, remedy: str = "") -> BadInputError:
    """The error for a file that the system does not open or read.

    A `ValueError` is Python's answer to a NUL in a name.

    Raises:
        MemoryError: the system has no more memory, which is no fault of the file.
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
    """Read to the end, or `most` bytes; one call may give less than there is."""
    parts: list[bytes] = []
    left = most
    while left and (part := stream.read(min(left, 4 * MIB))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
