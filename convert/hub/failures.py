"""Explains a server's refusal, and what to do about it."""

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
    """A request: the name as given, the server's address, and whether a token was sent."""

    name: ModelName
    server: str
    has_token: bool = False
    file: str = ""

    @property
    def remedy_of_network(self) -> str:
        """What to do when the server cannot be reached."""
        mirror = ", or name a mirror with HF_ENDPOINT" if isinstance(self.name, HubName) else ""
        return f"{NETWORK}{mirror}; what came already is kept"


def refusal(response: httpx2.Response, asked: Asked) -> SdcoremlError:
    """The error that an answer of 400 or more amounts to."""
    code, status = response.headers.get("X-Error-Code", ""), response.status_code
    name = asked.name
    if status == TOO_MANY:
        return FetchError(
            "the server asks for a pause: too many requests from here (429)",
            where=f"{name}",
            remedy=_pause(response, asked),
        )
    if status >= _FAULTY:
        what = f"the server {hide_credentials(asked.server)} is out of order ({status})"
        remedy = "try again later; the partial download is kept"
        return FetchError(what, where=f"{name}", remedy=remedy)
    if isinstance(name, HubName):
        return _of_hub(code, status, name, asked)
    if isinstance(name, CivitaiName):
        return _of_civitai(status, name, asked)
    if status in (UNAUTHORISED, FORBIDDEN):
        return FetchError(
            f"the server gives this file to some only ({status})",
            where=f"{name}",
            remedy="download it with a browser, and give the file",
        )
    return BadInputError(
        f"there is no such file ({status})", where=f"{name}", remedy="check the address"
    )


def _of_hub(code: str, status: int, name: HubName, asked: Asked) -> SdcoremlError:
    if code == "GatedRepo" or (status == FORBIDDEN and asked.file):
        account = "the account of your token" if asked.has_token else "an account of yours"
        token = "" if asked.has_token else f", then set {HUB_TOKENS[0]} to a token of it"
        return FetchError(
            f"its authors give it to those who accept its licence ({status})",
            where=f"{name}",
            remedy=f"accept it with {account} at {HUB_SERVER}/{name.repo}{token}",
        )
    if code == "RevisionNotFound":
        return BadInputError(
            f"the model has no revision {name.revision}",
            where=name.repo,
            remedy=f"leave it out for the newest, or choose one of {HUB_SERVER}/{name.repo}",
        )
    if code == "EntryNotFound":
        return BadInputError(
            f"the model has no file {asked.file or name.file}",
            where=f"{name}",
            remedy=f"see what it has at {HUB_SERVER}/{name.repo}/tree/main",
        )
    if status in (UNAUTHORISED, FORBIDDEN) and asked.has_token:
        return FetchError(
            f"the hub has no such model, or your token may not see it ({status})",
            where=f"{name}",
            remedy=f"check the name, and the token ({HUB_TOKENS[0]})",
        )
    private = "" if asked.has_token else f"; for a private one set {HUB_TOKENS[0]}"
    return BadInputError(
        f"the hub has no such model ({status}), nor is there a file or folder of that name here",
        where=f"{name}",
        remedy=f"check the name{private}",
    )


def _of_civitai(status: int, name: CivitaiName, asked: Asked) -> SdcoremlError:
    if status in (UNAUTHORISED, FORBIDDEN):
        refused = "refuses your token" if asked.has_token else "gives it only to who is logged in"
        return FetchError(
            f"Civitai {refused} ({status})",
            where=f"{name}",
            remedy=f"set {CIVITAI_TOKENS[0]} to an API key of your account",
        )
    return BadInputError(
        f"Civitai has no such version ({status})",
        where=f"{name}",
        remedy="take the number after modelVersionId= in the address of the model's page",
    )


def _pause(response: httpx2.Response, asked: Asked) -> str:
    wait = response.headers.get("Retry-After", "")
    when = f"in {wait} s" if wait.isdecimal() else "later"
    login = (
        ""
        if asked.has_token or not isinstance(asked.name, HubName)
        else (f", or log in ({HUB_TOKENS[0]}), which allows more")
    )
    return f"try again {when}{login}; what came already is kept"


def no_connection(error: Exception, asked: Asked) -> SdcoremlError:
    """The error that a failed connection amounts to."""
    reason = hide_credentials(str(error)) or type(error).__name__
    return FetchError(
        f"{hide_credentials(asked.server)} cannot be reached ({reason})",
        where=f"{asked.name}",
        remedy=asked.remedy_of_network,
    )


def off_line(asked: Asked, variable: str) -> SdcoremlError:
    """The error for a model that is not on this machine in offline mode."""
    return FetchError(
        f"is not in the cache, and {variable} forbids the network",
        where=f"{asked.name}",
        remedy=f"unset {variable}, or give a folder or a file",
    )
