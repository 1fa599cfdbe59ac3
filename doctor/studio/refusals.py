"""Errors as the page gets them: a status and a JSON object, never a traceback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from sdcoreml.doctor.studio.remedies import in_window
from sdcoreml.ground.addresses import hide_credentials
from sdcoreml.ground.advice import spell
from sdcoreml.ground.errors import (
    BusyError,
    FetchError,
    NoRoomError,
    NoSpaceError,
    SdcoremlError,
    UsageError,
)
from sdcoreml.ground.visible import visible

BAD, UNKNOWN, STRANGER, ABSENT, CONFLICT = 400, 401, 403, 404, 409
SLOW, LARGE, NOT_HERE, FULL, BUG = 408, 413, 421, 507, 500
"""The HTTP statuses of refusals."""


class RequestError(UsageError):
    """A request that the studio does not accept; `status` says in what way."""

    status: ClassVar[int] = BAD


class TokenError(RequestError):
    """The token is missing or not this server's."""

    status = UNKNOWN


class StrangerError(RequestError):
    """The request comes from another page, or with a handle that was not given by this server."""

    status = STRANGER


class AbsentError(RequestError):
    """There is no such route, entry or file."""

    status = ABSENT


class ConflictError(RequestError):
    """The request does not fit the present state."""

    status = CONFLICT


class SlowError(RequestError):
    """The body did not come within the time that a body on this machine takes."""

    status = SLOW


class LargeError(RequestError):
    """The body is larger than the route takes."""

    status = LARGE


class OtherHostError(RequestError):
    """The request was meant for another host: its name was made to lead to this machine."""

    status = NOT_HERE


_STATUSES: Mapping[type[SdcoremlError], int] = {
    NoSpaceError: FULL,
    NoRoomError: FULL,
    BusyError: CONFLICT,
    FetchError: ABSENT,
}
"""The status of each kind of error of the tool; the others are what the person gave: 400."""


def status_of(error: SdcoremlError) -> int:
    """Return the HTTP status for an error."""
    if isinstance(error, RequestError):
        return error.status
    return next((code for kind, code in _STATUSES.items() if isinstance(error, kind)), BAD)


def as_data(error: SdcoremlError) -> Mapping[str, object]:
    """Convert an error to what the page shows; commands are spelled so that they can be typed."""
    told = {name: _shown(text) for name, text in (("what", error.what), ("where", error.where))}
    remedy = in_window(error.remedy, _shown)
    more = {"explanation": _shown(error.explanation), "code": error.code or None}
    return {"error": {**told, "remedy": remedy, **more}}


def _shown(text: str) -> str:
    return visible(spell(hide_credentials(text)))
