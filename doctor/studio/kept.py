"""What the studio keeps in a file, so that a page finds it again after a crash.

    studio.json   port, token and key of handles; only its user may read it
    studio.lock   locked while a studio runs
    drops/        files that were dropped on the page

They are in a folder of the queue's, so each queue has at most one studio.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.ground import locks
from sdcoreml.ground.aside import open_aside
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.documents import read_record
from sdcoreml.ground.errors import BadInputError, SdcoremlError
from sdcoreml.ground.files import Document
from sdcoreml.ground.refusals import translate_os_errors

STATE, LOCK = "studio.json", "studio.lock"
_BYTES = 32
_NEW = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The port of the last studio, its token, and the key of its handles, as hexadecimal text.

    A studio that was ended, not killed, leaves neither token nor key: whoever learned them has
    nothing.
    """

    port: int = 0
    token: str = ""
    key: str = ""

    def address(self, ticket: str = "") -> str:
        """Return the address of the page; a browser sends no server what follows the `#`.

        One that a browser is started with has a ticket, not the token. The query is never the same,
        so a browser asks the server: what whoever had this port before has left in its cache, to
        be kept for ever, is not the page.
        """
        new = secrets.token_hex(_NEW)
        return f"http://127.0.0.1:{self.port}/?{new}#{ticket or self.token}"

    @property
    def secret(self) -> bytes:
        """The key of handles."""
        return bytes.fromhex(self.key)


def read_kept(folder: Path) -> Kept:
    """Return what the last studio kept; what is damaged counts as nothing."""
    path = folder / STATE
    with suppress(BadInputError, OSError, ValueError):
        kept = read_record(path, Document.RECORD, Kept)
        if path.stat().st_mode & 0o077 == 0 and len(kept.secret) in (0, _BYTES):
            return kept
    return Kept()


def renew(kept: Kept, port: int) -> Kept:
    """Return it for a port, with a token and a key.

    Those of a killed studio stay on its port alone, so that its page goes on: that page asks at no
    other one.
    """
    if kept.port == port and kept.token and kept.key:
        return kept
    return Kept(port=port, token=secrets.token_urlsafe(_BYTES), key=secrets.token_hex(_BYTES))


def keep(folder: Path, kept: Kept) -> None:
    """Write it, for this user alone.

    Raises:
        SdcoremlError: the folder cannot be written, or the disk is full.
    """
    with translate_os_errors(folder / STATE):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open_aside(folder / STATE) as handle:
            os.fchmod(handle, 0o600)
            os.write(handle, (json.dumps(to_plain(kept)) + "\n").encode())


def forget(folder: Path, kept: Kept) -> None:
    """Forget token and key at a regular end; where that cannot be written, they stay."""
    with suppress(SdcoremlError, OSError):
        keep(folder, Kept(port=kept.port))


@contextmanager
def sole_studio(folder: Path) -> Iterator[Callable[[], bool]]:
    """Yield what takes the lock of the only studio, or returns False while another one holds it.

    It is held until the block ends. The file stays: whoever removes a lock that another has just
    opened would let in a second.
    """
    with translate_os_errors(folder / LOCK):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield lambda: locks.try_lock(handle)
    finally:
        os.close(handle)
