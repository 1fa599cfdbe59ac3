"""Turns a server's refusal into an error that says what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdcoreml.convert.hub.access import CIVITAI_TOKENS, HUB_SERVER, HUB_TOKENS
from sdcoreml.convert.hub.names import CivitaiName, HubName, ModelName
from sdcoreml.ground.addresses import hide_credentials
from sdcoreml.ground.errors import BadInputError, FetchError, SdcoremlError

if TYPE_CHECKING:
    import httpx2

UNAUTHORISED, FORBIDDEN, NOT_FOUND, GONE, TOO_MANY = 401, 403, 404, 410, 429
_FAULTY = 500
NETWORK = "check the network and proxy (HTTPS_PROXY)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was requested: the model as it was named, its server, and one of its files or "".

    `has_token` tells whether a token was sent.
    """

    name: ModelName
    server: str
    has_token: bool = False
    file: str = ""

    @property
    def remedy_of_network(self) -> str:
        """What to do when the server cannot be reached."""
        mirror = ", or name a mirror with HF_ENDPOINT" if isinstance(self.name, HubName) else ""
        return f"{NETWORK}{mirror}; the partial download is kept"


def refusal(response: httpx2.Response, asked: Asked) -> SdcoremlError:
    """Return the error for a response with a status of 400 or more."""
    code, status = response.headers.get("X-Error-Code", ""), response.status_code
    name = asked.name
    if status == TOO_MANY:
        return FetchError(
            "the server limits requests and asks to wait (429)",
            where=f"{name}",
            remedy=_pause(response, asked),
        )
    if status >= _FAULTY:
        what = f"the server {hide_credentials(asked.server)} failed ({status})"
        remedy = "try again later; the partial download is kept"
        return FetchError(what, where=f"{name}", remedy=remedy)
    if isinstance(name, HubName):
        return _of_hub(code, status, name, asked)
    if isinstance(name, CivitaiName):
        return _of_civitai(status, name, asked)
    if status in (UNAUTHORISED, FORBIDDEN):
        return FetchError(
            f"the server does not give you access to this file ({status})",
            where=f"{name}",
            remedy="download it with a browser, and give the file's path",
        )
    return BadInputError(
        f"there is no such file ({status})", where=f"{name}", remedy="check the address"
    )


def _of_hub(code: str, status: int, name: HubName, asked: Asked) -> SdcoremlError:
    if code == "GatedRepo" or (status == FORBIDDEN and asked.file):
        account = "the account of your token" if asked.has_token else "your account"
        token = "" if asked.has_token else f", then set {HUB_TOKENS[0]} to its token"
        return FetchError(
            f"the model is gated: its authors require that you accept its licence ({status})",
            where=f"{name}",
            remedy=f"accept it with {account} at {HUB_SERVER}/{name.repo}{token}",
        )
    if code == "RevisionNotFound":
        return BadInputError(
            f"the model has no revision {name.revision}",
            where=name.repo,
            remedy=f"omit the revision for the newest, or see {HUB_SERVER}/{name.repo}",
        )
    if code == "EntryNotFound" or (status == NOT_FOUND and asked.file):
        return BadInputError(
            f"the model has no file {asked.file or name.file}",
            where=f"{name}",
            remedy=f"see its files at {HUB_SERVER}/{name.repo}/tree/main",
        )
    if status in (UNAUTHORISED, FORBIDDEN) and asked.has_token:
        return FetchError(
            f"the hub has no such model, or your token has no access to it ({status})",
            where=f"{name}",
            remedy=f"check the name, and the token ({HUB_TOKENS[0]})",
        )
    private = "" if asked.has_token else f"; for a private model set {HUB_TOKENS[0]}"
    return BadInputError(
        f"there is no such model on the hub ({status}), and no file or folder with that name",
        where=f"{name}",
        remedy=f"check the name{private}",
    )


def _of_civitai(status: int, name: CivitaiName, asked: Asked) -> SdcoremlError:
    if status in (UNAUTHORISED, FORBIDDEN):
        refused = "refuses your token" if asked.has_token else "requires a login for this file"
        return FetchError(
            f"Civitai {refused} ({status})",
            where=f"{name}",
            remedy=f"set {CIVITAI_TOKENS[0]} to an API key of your account",
        )
    return BadInputError(
        f"Civitai has no such version ({status})",
        where=f"{name}",
        remedy="give the number after modelVersionId= in the address of the model's page",
    )


def _pause(response: httpx2.Response, asked: Asked) -> str:
    wait = response.headers.get("Retry-After", "")
    when = f"in {wait} s" if wait.isdecimal() else "later"
    login = (
        ""
        if asked.has_token or not isinstance(asked.name, HubName)
        else (f", or set {HUB_TOKENS[0]} to a token, which allows more requests")
    )
    return f"try again {when}{login}; the partial download is kept"


def no_connection(error: Exception, asked: Asked) -> SdcoremlError:
    """Return the error for a failed connection."""
    reason = hide_credentials(str(error)) or type(error).__name__
    return FetchError(
        f"{hide_credentials(asked.server)} cannot be reached ({reason})",
        where=f"{asked.name}",
        remedy=asked.remedy_of_network,
    )


def broken_connection(error: Exception, asked: Asked) -> SdcoremlError:
    """Return the error for a connection that ended in the middle of a response."""
    reason = hide_credentials(str(error)) or type(error).__name__
    return FetchError(
        f"the connection to {hide_credentials(asked.server)} broke ({reason})",
        where=f"{asked.name}",
        remedy=asked.remedy_of_network,
    )


def off_line(asked: Asked, variable: str) -> SdcoremlError:
    """Return the error for a model that is not on this machine when the network is forbidden.

    `variable` is the environment variable that forbids it.
    """
    return FetchError(
        f"is not in the cache, and {variable} forbids the network",
        where=f"{asked.name}",
        remedy=f"unset {variable}, or give a folder or a file",
    )
