"""Calls an ASGI application as a server would, without one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from sdcoreml.doctor.studio.gate import App, Message
from sdcoreml.doctor.studio.proof import Secret

PORT = 7523
TOKEN = "literal-token-0123456789"  # noqa: S105  of tests
SECRET = Secret(token=TOKEN, life="literal-life")
PASS = b"2d5b1adb460864394055ad57b8c64c932f945f1334eb3801ab28472ffdf068e8"
"""What the page makes of the token and the life: HMAC-SHA256 of "page literal-life"."""

HOST = (b"host", b"127.0.0.1:7523")
OWN = (HOST, (b"authorization", b"Bearer " + PASS))
"""The headers that the page's own requests have."""

Pairs = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What was answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        return json.loads(self.body)

    @property
    def refused(self) -> str:
        """What is wrong, in words."""
        return str(self.data["error"]["what"])


def request(
    app: App, method: str, target: str, headers: Pairs = OWN, body: bytes = b""
) -> Answered:
    """Send a request; return the answer."""
    return asyncio.run(send(app, method, target, headers, body))


async def send(
    app: App, method: str, target: str, headers: Pairs = OWN, body: bytes = b""
) -> Answered:
    """Send a request in a running loop."""
    parts: Iterable[Message] = ({"type": "http.request", "body": body, "more_body": False},)
    return await converse(app, scope_of(method, target, headers), parts)


def scope_of(method: str, target: str, headers: Pairs) -> dict[str, Any]:
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode("utf-8", "surrogateescape"),
        "query_string": query.encode("utf-8", "surrogateescape"),
        "root_path": "",
        "headers": list(headers),
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", PORT),
    }


async def converse(app: App, scope: dict[str, Any], parts: Iterable[Message]) -> Answered:
    """Let an application hear these messages, and then that the page has gone."""
    coming = iter(parts)
    said: list[Message] = []

    async def receive() -> Message:
        await asyncio.sleep(0)
        return next(coming, {"type": "http.disconnect"})

    async def hear(message: Message) -> None:
        said.append(dict(message))

    await app(scope, receive, hear)
    start = said[0]
    return Answered(
        status=start["status"],
        headers={name.decode(): value.decode() for name, value in start["headers"]},
        body=b"".join(one.get("body", b"") for one in said[1:]),
    )
