"""Downloads one file, resuming an earlier download, and checks its hash.

The file grows next to its target, under the name that the hub's own programs give an unfinished
file, and is renamed when it is complete and correct. If another program is downloading the same
file, the download waits for that program.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from sdcoreml.convert.hub.failures import Asked, no_connection
from sdcoreml.convert.hub.web import PAUSES, UNSATISFIABLE, Web
from sdcoreml.ground.aside import flush_folder, require_space
from sdcoreml.ground.errors import BadInputError, FetchError, NoSpaceError
from sdcoreml.ground.events import Event
from sdcoreml.ground.locks import lock_file
from sdcoreml.ground.refusals import FULL, translate_os_errors

if TYPE_CHECKING:
    import httpx2

UNFINISHED = ".incomplete"
_CHUNK = 1 << 20
_PART = 206
Progress = Callable[[int], None]


class Digest(Protocol):
    """A hash that is computed piece by piece, such as those of `hashlib`."""

    def update(self, data: bytes, /) -> None:
        """Add data to the hash."""

    def hexdigest(self) -> str:
        """The hash of the data so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file to download: source, target, and expected size and hash.

    `size` is in bytes, or `None` if unknown. The expected hash is `sha256` or, if that is empty,
    the hash `git` that git computes; both are "" if none is known. `lock` is the path of a lock
    file, which keeps two programs from downloading the same file at once.
    """

    url: str
    target: Path
    lock: Path
    size: int | None = None
    sha256: str = ""
    git: str = ""
    token: str = field(default="", repr=False)

    @property
    def part(self) -> Path:
        """The path of the file while it is unfinished."""
        return self.target.with_name(self.target.name + UNFINISHED)

    def digest(self) -> Digest:
        """Start a hash of the kind with which the file is checked."""
        if self.sha256 or not self.git:
            return hashlib.sha256()
        return hashlib.sha1(b"blob %d\0" % (self.size or 0), usedforsecurity=False)


def download(wanted: Wanted, web: Web, asked: Asked, progress: Progress) -> None:
    """Download a file unless it exists; `progress` gets the number of bytes so far.

    Raises:
        FetchError: the server cannot be reached, or does not provide the file.
        BadInputError: there is no such file, or the download differs from what was published.
        NoSpaceError: the disk is full; the partial download is kept and resumed later.
    """
    with translate_os_errors(wanted.target):
        wanted.target.parent.mkdir(parents=True, exist_ok=True)
        wanted.lock.parent.mkdir(parents=True, exist_ok=True)

    def wait(_: str) -> None:
        text = f"another program is downloading {asked.file or wanted.target.name}; waiting for it"
        web.emit(Event(kind="note", text=text))

    with lock_file(wanted.lock, wait):
        if wanted.target.exists():
            return
        was_begun = wanted.part.exists()
        found = _fill(wanted, web, asked, progress)
        if was_begun and not _is_right(wanted, found):
            # A partial file of a killed run may be damaged: download once more, from the start.
            wanted.part.unlink()
            found = _fill(wanted, web, asked, progress)
        if not _is_right(wanted, found):
            wanted.part.unlink()
            raise _another(wanted, found, asked)
        wanted.part.replace(wanted.target)
        flush_folder(wanted.target.parent)


def _is_right(wanted: Wanted, found: str) -> bool:
    return (wanted.sha256 or wanted.git) in ("", found)


def _another(wanted: Wanted, found: str, asked: Asked) -> BadInputError:
    stated = wanted.sha256 or wanted.git
    return BadInputError(
        f"{asked.file or wanted.target.name}: the download differs from the published file"
        f" (its hash is {found[:16]}..., not {stated[:16]}...); it was deleted",
        where=f"{asked.name}",
        remedy="run this again; if it fails again, something between here and the server"
        " changes the data: try another network, without a mirror",
    )


def _fill(wanted: Wanted, web: Web, asked: Asked, progress: Progress) -> str:
    """Download the rest of an unfinished file, and return the hash of the whole."""
    try:
        with wanted.part.open("a+b") as stream:
            require_space(wanted.target, max(0, (wanted.size or 0) - stream.tell()))
            return _pour(wanted, stream, web, asked, progress)
    except OSError as error:
        if error.errno in FULL:
            raise NoSpaceError(
                f"the disk filled up while downloading {asked.file or wanted.target.name}",
                where=wanted.target.parent,
                remedy="free space, or choose another disk with HF_HOME;"
                " the partial download is kept",
            ) from error
        with translate_os_errors(wanted.part):
            raise


def _pour(wanted: Wanted, stream: BinaryIO, web: Web, asked: Asked, progress: Progress) -> str:
    growing = _Growing(wanted, stream, progress)
    best, fruitless = growing.size, 0
    while True:
        error = _read_on(growing, web, asked)
        if growing.is_whole() or (error is None and wanted.size is None):
            os.fsync(stream.fileno())
            return growing.hash
        # A server without range support sends the file from the start each time.
        fruitless = 0 if growing.size > best else fruitless + 1
        best = max(best, growing.size)
        if fruitless >= len(PAUSES):
            raise no_connection(error, asked) if error else _short(wanted, growing.size, asked)
        web.sleep(PAUSES[fruitless])


class _Growing:
    """An unfinished file, with the size and the hash of what has been downloaded so far."""

    def __init__(self, wanted: Wanted, stream: BinaryIO, progress: Progress) -> None:
        self.wanted = wanted
        self._stream = stream
        self._progress = progress
        self._digest = wanted.digest()
        self.size = 0
        stream.seek(0)
        while chunk := stream.read(_CHUNK):
            self._count(chunk)
        if wanted.size is not None and self.size > wanted.size:
            self.begin_anew()

    def is_whole(self) -> bool:
        """Whether the file has reached its full size; false if that size is unknown."""
        return self.wanted.size is not None and self.size >= self.wanted.size

    @property
    def hash(self) -> str:
        """The hash of the file's data so far."""
        return self._digest.hexdigest()

    def add(self, chunk: bytes) -> None:
        """Append a chunk to the file."""
        self._stream.write(chunk)
        self._count(chunk)

    def begin_anew(self) -> None:
        """Discard the data so far, and start again."""
        self._stream.truncate(0)
        self._digest = self.wanted.digest()
        self.size = 0

    def flush(self) -> None:
        """Flush the data to the system, so that a killed process loses none of it."""
        self._stream.flush()

    def _count(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self.size += len(chunk)
        self._progress(self.size)


def _short(wanted: Wanted, size: int, asked: Asked) -> FetchError:
    return FetchError(
        f"{asked.file or wanted.target.name}: the server repeatedly closed the connection after"
        f" {size:,} of {wanted.size:,} bytes",
        where=f"{asked.name}",
        remedy="run this again later: the download resumes from there",
    )


def _read_on(growing: _Growing, web: Web, asked: Asked) -> Exception | None:
    """Make one request for the rest of the file; return the error if the connection broke."""
    import httpx2

    if growing.is_whole():
        return None
    have, wanted = growing.size, growing.wanted
    headers = {"Range": f"bytes={have}-"} if have else {}
    with web.answer(wanted.url, asked, wanted.token, headers) as response:
        if have and not _goes_on(response, have):
            growing.begin_anew()
        if response.status_code == UNSATISFIABLE:
            return None
        _require_file(response, wanted, asked)
        try:
            for chunk in response.iter_bytes():  # larger pieces are lost with a connection
                growing.add(chunk)
                if growing.is_whole():
                    break
        except httpx2.TransportError as error:
            return error
        finally:
            growing.flush()
    return None


def _goes_on(response: httpx2.Response, have: int) -> bool:
    """Whether the server's answer continues the file at its current end."""
    begins = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
    return response.status_code == _PART and begins


def _require_file(response: httpx2.Response, wanted: Wanted, asked: Asked) -> None:
    """Refuse what `require_plain_file` refuses, if there is no hash to check the file with."""
    if not (wanted.sha256 or wanted.git):
        require_plain_file(response, wanted.url, asked)


def require_plain_file(response: httpx2.Response, url: str, asked: Asked) -> None:
    """Refuse a web page, such as a login page, and a redirect from https to http.

    Raises:
        BadInputError: the response is one of these.
    """
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise BadInputError(
            "this is the address of a web page, not of a file",
            where=f"{asked.name}",
            remedy="copy the address of its download button",
        )
    if url.startswith("https:") and response.url.scheme != "https":
        raise BadInputError(
            "it redirects from https to http, where the data could be tampered with on the way",
            where=f"{asked.name}",
            remedy="download it with a browser, and give the file's path",
        )
