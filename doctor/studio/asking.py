"""A request as a value, and the door by which its body comes in: bounded in size and in time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from sdcoreml.doctor.studio.gate import Receive
from sdcoreml.doctor.studio.refusals import LargeError, RequestError, SlowError
from sdcoreml.ground.documents import parse_json
from sdcoreml.ground.errors import BadInputError

SMALL = 64 << 10
"""The most bytes of a body of JSON."""

LIST = 4 << 20
"""The most bytes of the list of a dropped folder's files: one counts up to 2,000 of them."""

LARGE = 9 << 20
"""The most bytes of a part of a dropped file: a piece of it, or its head and tail."""

PATIENCE = 30.0
"""Seconds that the next part of a body may take: it comes from this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a route is asked: the parts of its path, its query, and its body."""

    parts: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | bytearray = b""

    def json(self) -> Mapping[str, object]:
        """Return the body's object; that of an empty body is empty.

        Raises:
            RequestError: it is no JSON object in UTF-8.
        """
        if not self.body:
            return {}
        try:
            content = parse_json(bytes(self.body), "the request")
        except BadInputError as error:
            raise RequestError(error.what, where=error.where) from None
        if not isinstance(content, dict):
            raise RequestError("is no JSON object", where="the request")
        return content

    def text(self, key: str, usual: str | None = None) -> str:
        """Return a text of the body; `usual`, if there is one, where it is missing or null.

        Raises:
            RequestError: it is missing, or no text.
        """
        said = self.json().get(key)
        if said is None and usual is not None:
            return usual
        if not isinstance(said, str):
            raise RequestError(f"{key} is no text", where="the request")
        return said

    def number(self, key: str, usual: int | None = None) -> int:
        """Return a whole number of the query, from 0 on.

        Raises:
            RequestError: it is missing, or no such number.
        """
        said = self.query.get(key)
        if said is None and usual is not None:
            return usual
        if said is None or not (said.isascii() and said.isdigit() and len(said) <= _DIGITS):
            raise RequestError(f"{key} is no whole number", where="the request")
        return int(said)


_DIGITS = 15


def require_small(length: str, most: int) -> None:
    """Refuse a body by the length that its request tells, before any of it has come.

    Raises:
        LargeError: it is larger than `most` bytes.
    """
    if length.isascii() and length.isdigit() and (len(length) > _DIGITS or int(length) > most):
        raise _too_large(most)


def _too_large(most: int) -> LargeError:
    return LargeError(f"larger than {most:,} bytes", where="the request")


async def read_body(receive: Receive, most: int, patience: float = PATIENCE) -> bytearray:
    """Read a request's body.

    Raises:
        LargeError: it is larger than `most` bytes.
        SlowError: nothing came for `patience` seconds.
        RequestError: the connection was closed.
    """
    body = bytearray()  # which grows in place: parts that are joined take twice the memory
    while True:
        try:
            message = await asyncio.wait_for(receive(), patience)
        except asyncio.TimeoutError:
            raise SlowError("the request did not come to its end") from None
        if message["type"] != "http.request":
            raise RequestError("the page went away")
        part = message.get("body", b"")
        if len(body) + len(part) > most:
            raise _too_large(most)
        body += part
        if not message.get("more_body", False):
            return body
