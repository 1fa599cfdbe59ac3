"""Chooses the servers for Python packages, conda packages and models.

A command-line option comes first, then an environment variable, then the user's configuration, and
last the default server. Files from a mirror are checked by their hashes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from sdcoreml.envs.mirrors.configuration import Configuration, read_configuration
from sdcoreml.ground.addresses import hide_credentials
from sdcoreml.ground.errors import LockfileError, SdcoremlError, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A kind of server: its table in the configuration, and the variables that set a mirror.

    `option` is our command-line option, "" if there is none. With `is_named`, a name is accepted
    in place of an address, as for conda's channels.
    """

    table: str
    variables: tuple[str, ...]
    option: str = ""
    is_named: bool = False


INDEX = Server(
    table="index",
    variables=("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"),
    option="--index",
)
CHANNEL = Server(
    table="channel", variables=("SDCOREML_CHANNEL",), option="--channel", is_named=True
)
HUB = Server(table="hub", variables=("HF_ENDPOINT",))
CIVITAI = Server(table="civitai", variables=())
SERVERS = (INDEX, CHANNEL, HUB, CIVITAI)

_NAMED = re.compile(r"[\w.-]+=(?=\w+://)")
"""The name that uv allows before an index's URL: `work=https://...`."""
_ADDRESS = re.compile(r"(?:https?|file)://\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """A mirror: its address, and the setting `by` which it was chosen.

    Both are "" for the default server.
    """

    address: str = ""
    by: str = ""

    def __str__(self) -> str:
        return f"{hide_credentials(self.address)} (by {self.by})" if self.by else "the usual one"


def mirror_of(
    server: Server,
    given: str = "",
    environ: Mapping[str, str] = os.environ,
    configuration: Configuration | None = None,
) -> Mirror:
    """Return the configured mirror; `given` is the option's value.

    Raises:
        UsageError: the value of the option or variable is not an address.
        LockfileError: the user's configuration is damaged, or its value is not an address.
    """
    if given:
        return Mirror(address=_address(server, given, server.option, UsageError), by=server.option)
    for name in server.variables:
        if said := environ.get(name, "").strip():
            return Mirror(address=_address(server, said, f"${name}", UsageError), by=f"${name}")
    configuration = configuration or read_configuration()
    if said := configuration.addresses.get(server.table, ""):
        place = f"{configuration.path}"
        by = f"[{server.table}] of {place}"
        return Mirror(address=_address(server, said, by, LockfileError), by=by)
    return Mirror()


def _address(server: Server, said: str, by: str, error: type[SdcoremlError]) -> str:
    said = _NAMED.sub("", said, count=1)
    if not server.is_named and not _ADDRESS.fullmatch(said):
        raise error(
            f"{hide_credentials(said)} is not an address",
            where=by,
            remedy="give one that begins with https://",
        )
    return said.rstrip("/") if server is not INDEX else said


CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")
"""The variables of various programs that name a file of certificates to trust."""


def certificates(environ: Mapping[str, str] = os.environ) -> str:
    """Return the file of certificates that the user set; "" for the system's own."""
    return next(filter(None, (environ.get(name, "") for name in CERTIFICATES)), "")


def index_variables(given: str = "", environ: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """Return the variables that set the index of uv and pip; none for the default index.

    These are variables because every user of a machine can read a command's arguments, and the
    address may contain a password.
    """
    address = mirror_of(INDEX, given, environ).address
    return {"UV_DEFAULT_INDEX": address, "PIP_INDEX_URL": address} if address else {}
