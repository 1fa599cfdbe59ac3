"""The folder of a cluster: its address, its certificate, and the certificate's key.

    address.txt       where its scheduler listens
    certificate.pem   each member shows it to each other
    key.pem           whoever can read it is a member

`sdcoreml worker --new-cluster` makes it. It can lie in a folder that all machines share, or be
copied to each of them.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.ground.aside import write_text
from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.files import Document, read_text
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
    """A cluster: its address, and its folder; without one, it is for this machine alone."""

    address: str
    folder: Path | None = None

    def as_request(self) -> Mapping[str, str]:
        """Return what a member is told of it."""
        names = {"certificate": CERTIFICATE, "key": KEY}
        paths = {
            name: os.fspath(self.folder / file) if self.folder else ""
            for name, file in names.items()
        }
        return {"address": self.address, **paths}


def find_cluster(given: str) -> Cluster:
    """Return the cluster whose folder or address was given.

    Raises:
        BadInputError: the folder is none of a cluster.
        UsageError: the address is none, or is not on this machine.
    """
    folder = Path(given).expanduser()
    if folder.is_dir():
        folder = folder.absolute()
        address = read_text(folder / ADDRESS, Document.SETTINGS, remedy=START).strip()
        for name in (CERTIFICATE, KEY):
            read_text(folder / name, Document.SETTINGS, remedy=START)
        split_address(address)
        return Cluster(address=address, folder=folder)
    host, port = split_address(given)
    if not is_loopback(host):
        what = "is neither the folder of a cluster nor an address of this machine"
        raise UsageError(what, where=given, remedy=f"a folder has the certificate: {START}")
    return Cluster(address=f"tcp://{host}:{port}")


def split_address(text: str) -> tuple[str, int]:
    """Return an address's host and port.

    Raises:
        UsageError: the text is no address.
    """
    found = _PLACE.fullmatch(text)
    if found is None or not found["port"] or int(found["port"]) > PORTS:
        remedy = f"give an address, such as 127.0.0.1:8786, or a cluster's folder: {START}"
        raise UsageError("is no folder and no HOST:PORT", where=text, remedy=remedy)
    return found["host"], int(found["port"])


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, which nobody else reaches by this name."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def keep_credentials(folder: Path, made: Credentials) -> None:
    """Write a new cluster's certificate and key; only this user may read the key.

    Raises:
        BadInputError: they cannot be written.
        NoSpaceError: the disk is full.
    """
    with translate_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name in (ADDRESS, CERTIFICATE):
            (folder / name).unlink(missing_ok=True)
        key = folder / KEY
        key.unlink(missing_ok=True)
        handle = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(made.key)
        write_text(folder / CERTIFICATE, made.certificate)


def keep_address(folder: Path, address: str) -> None:
    """Write where the scheduler listens: only now others find it."""
    with translate_os_errors(folder):
        write_text(folder / ADDRESS, f"{address}\n")
