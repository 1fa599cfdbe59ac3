"""The folder of a cluster: its address, its certificate, and the certificate's key.

    address.txt       where its scheduler listens
    certificate.pem   each member shows it to each other
    key.pem           whoever can read it is a member

`sdcoreml worker --new-cluster` makes it. It can lie in a folder that all machines share, or be
copied to each of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.ground import locks
from sdcoreml.ground.advice import command
from sdcoreml.ground.aside import flush_folder, scratch_folder, write_text
from sdcoreml.ground.errors import BadInputError, BusyError, UsageError
from sdcoreml.ground.files import Document, read_text
from sdcoreml.ground.leftovers import hidden_path
from sdcoreml.ground.outputs import ELSEWHERE
from sdcoreml.ground.refusals import translate_os_errors

ADDRESS, CERTIFICATE, KEY = "address.txt", "certificate.pem", "key.pem"
PORTS = 65_535
START = "`sdcoreml worker --new-cluster FOLDER` makes one"
_PLACE = re.compile(r"(?:tcp://|tls://)?(?P<host>[\w.-]+|\[[0-9a-fA-F:]+\])(?::(?P<port>\d{1,5}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A cluster's certificate and the key of that, as PEM texts."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster: its address, and the folder with its certificate and key."""

    address: str
    folder: Path

    def as_request(self) -> Mapping[str, str]:
        """Return what a member is told of it."""
        names = {"certificate": CERTIFICATE, "key": KEY}
        paths = {name: os.fspath(self.folder / file) for name, file in names.items()}
        return {"address": self.address, **paths}


def find_cluster(given: str) -> Cluster:
    """Return the cluster whose folder was given.

    Raises:
        BadInputError: the folder is none of a cluster.
        UsageError: there is no such folder, or its address is none.
    """
    folder = Path(given).expanduser().absolute()
    if not folder.is_dir():
        raise UsageError("is no folder of a cluster", where=given, remedy=START)
    address = read_text(folder / ADDRESS, Document.SETTINGS, remedy=START).strip()
    for name in (CERTIFICATE, KEY):
        read_text(folder / name, Document.SETTINGS, remedy=START)
    split_address(address)
    return Cluster(address=address, folder=folder)


def split_address(text: str) -> tuple[str, int]:
    """Return an address's host and port.

    Raises:
        UsageError: the text is no address.
    """
    found = _PLACE.fullmatch(text)
    if found is None or not found["port"] or int(found["port"]) > PORTS:
        remedy = "give an address, such as 192.0.2.1:8786"
        raise UsageError("is no HOST:PORT", where=text, remedy=remedy)
    return found["host"], int(found["port"])


@contextmanager
def stage_credentials(folder: Path, made: Credentials) -> Iterator[Path]:
    """Write a new cluster's certificate and key into a hidden folder in `folder`, and yield it.

    Only this user may read the key. Those of an earlier cluster stay until `keep_credentials`.

    Raises:
        BadInputError: they cannot be written, or `folder` holds something else.
        BusyError: a cluster that locks this folder is running.
        NoSpaceError: the disk is full.
    """
    with translate_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _require_ours(folder)
        with (
            locks.try_lock_file(hidden_path(folder / "cluster", "lock")) as is_free,
            scratch_folder(folder / "credentials") as new,
        ):
            if not is_free:
                raise is_running(folder)
            write_text(new / KEY, made.key)  # into a folder that only this user may open
            (new / KEY).chmod(0o600)
            write_text(new / CERTIFICATE, made.certificate)
            yield new


def is_running(folder: Path) -> BusyError:
    """Return the error for a folder whose cluster is running."""
    remedy = f"end it first, or give another folder; {command('worker', folder)} works for it"
    return BusyError("a cluster is running from this folder", where=folder, remedy=remedy)


def _require_ours(folder: Path) -> None:
    """Raise `BadInputError` unless a folder is empty or a cluster's: PEM files may be anybody's."""
    if all(path.name.startswith(".") for path in folder.iterdir()):
        return
    try:
        find_cluster(os.fspath(folder))
    except (BadInputError, UsageError):
        what = "is neither empty nor the folder of a cluster"
        raise BadInputError(what, where=folder, remedy=ELSEWHERE) from None


def keep_credentials(folder: Path, new: Path, address: str) -> None:
    """Let a cluster that listens at `address` take its `folder`: only now others find it.

    Raises:
        BadInputError: it cannot be written.
        NoSpaceError: the disk is full.
    """
    with translate_os_errors(folder):
        for name in (KEY, CERTIFICATE):
            (new / name).replace(folder / name)
        flush_folder(folder)
        write_text(folder / ADDRESS, f"{address}\n")
