"""Makes a folder that represents a model by its headers, before its weights are downloaded.

The folder has the same files as the model. Small files are links. A safetensors file has its header
and its full length, but no data: the rest is a hole in the file, which takes no disk space. So code
that judges models by their headers works on such a folder unchanged.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir

from sdcoreml.convert.hub.failures import Asked
from sdcoreml.convert.hub.transfer import Wanted
from sdcoreml.convert.hub.web import Web, stated_size
from sdcoreml.ground.aside import scratch_folder
from sdcoreml.ground.errors import BadInputError, SdcoremlError

FIRST = 1 << 18
"""The number of bytes of a file that are requested first; most headers are shorter."""
_LONGEST = 100 << 20
_LENGTH = struct.Struct("<Q")


@contextmanager
def folder_of_links(title: str, places: Mapping[str, Path], said: str) -> Iterator[Path]:
    """Make a temporary folder called `title` with links to files, and yield its path.

    `places` maps paths in the folder to the files. Errors do not name the temporary folder, but
    `said`, the model as the user named it.
    """
    # The next run removes what a killed run leaves behind.
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
            named = said.partition("@")[0]
            for path in places:  # a single file is called what it was asked for as
                if named.endswith(f"/{path}"):
                    error.move(folder / path, said)
            error.move(folder, said)
            raise


def draw_header(wanted: Wanted, web: Web, asked: Asked, target: Path) -> int:
    """Write the header of a safetensors file to `target`, and extend `target` to full length.

    Returns the full length in bytes.

    Raises:
        BadInputError: the file is not a safetensors file.
        FetchError: the server does not provide the file.
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
    """Return the first `count` bytes of a file, or fewer, and its total size in bytes."""
    headers = {"Range": f"bytes=0-{count - 1}"}
    with web.answer(wanted.url, asked, wanted.token, headers) as response:
        chunks, have = [], 0
        for chunk in response.iter_bytes():
            chunks.append(chunk)
            have += len(chunk)
            if have >= count:  # a server without range support would send all of it
                break
        size = stated_size(response.headers) or wanted.size or have
    return b"".join(chunks)[:count], size


def _no_header(asked: Asked) -> BadInputError:
    return BadInputError(
        f"{asked.file or 'it'} does not have the header of a safetensors file",
        where=f"{asked.name}",
        remedy="choose another file of the model",
    )
