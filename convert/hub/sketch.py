"""Makes a folder that represents a model by its headers, before it is downloaded.

The folder has the same files as the model will have: small ones are linked, and of a safetensors
file only the header is written, in a file of its full length whose rest takes no room. Whoever
judges models by their headers judges this one likewise.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir

from sdcoreml.convert.hub.failures import Asked
from sdcoreml.convert.hub.transfer import Wanted
from sdcoreml.convert.hub.web import Web
from sdcoreml.ground.aside import scratch_folder
from sdcoreml.ground.errors import BadInputError, SdcoremlError

FIRST = 1 << 18
"""The number of bytes requested first; most files have a shorter header."""
_LONGEST = 100 << 20
_LENGTH = struct.Struct("<Q")


@contextmanager
def folder_of_links(title: str, places: Mapping[str, Path], said: str) -> Iterator[Path]:
    """A folder called `title` with links to files, by their paths in it; gone afterwards.

    Errors name it as `said`, the name that a person gave.
    """
    # What a killed run leaves is swept by the next one.
    with scratch_folder(Path(gettempdir()) / "sdcoreml-names") as outer:
        folder = outer / title
        folder.mkdir()
        for path, place in places.items():
            link = folder / path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(place)
        try:
            yield folder
        except SdcoremlError as error:
            error.move(folder, said)
            raise


def draw_header(wanted: Wanted, web: Web, asked: Asked, target: Path) -> int:
    """Write the header of a safetensors file into `target`, and give it the full length, in bytes.

    Raises:
        BadInputError: it is not such a file.
        FetchError: the server does not give it.
    """
    head, size = read_start(wanted, web, asked, FIRST)
    if len(head) < _LENGTH.size:
        raise _no_header(asked)
    (length,) = _LENGTH.unpack_from(head)
    whole = _LENGTH.size + length
    if whole > min(_LONGEST, size) or head[_LENGTH.size :][:1] not in (b"{", b""):
        raise _no_header(asked)
    if whole > len(head):
        head, _ = read_start(wanted, web, asked, whole)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as stream:
        stream.write(head[:whole])
        stream.truncate(size)
    return size


def read_start(wanted: Wanted, web: Web, asked: Asked, count: int) -> tuple[bytes, int]:
    """The first bytes of a file, and how many it has in all."""
    headers = {"Range": f"bytes=0-{count - 1}"}
    with web.answer(wanted.url, asked, wanted.token, headers) as response:
        chunks, have = [], 0
        for chunk in response.iter_bytes():
            chunks.append(chunk)
            have += len(chunk)
            if have >= count:  # a server that knows no ranges would send all of it
                break
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
        if not total.isdecimal():
            total = response.headers.get("Content-Length", "")
    size = int(total) if total.isdecimal() else (wanted.size or have)
    return b"".join(chunks)[:count], size


def _no_header(asked: Asked) -> BadInputError:
    return BadInputError(
        f"{asked.file or 'it'} does not begin as a safetensors file",
        where=f"{asked.name}",
        remedy="choose another file of it",
    )
