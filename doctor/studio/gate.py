"""The gate before every route: who may ask, and what every answer says to the browser.

Other programs of this user may do whatever the studio does without asking it. The gate is against
pages: one of another site, which a browser lets send requests here, and one whose host's name was
made to lead to this machine (DNS rebinding). And it is against other users of this machine, who
can reach its loopback but do not know the token.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sdcoreml.doctor.studio.proof import Secret
from sdcoreml.doctor.studio.refusals import (
    LargeError,
    OtherHostError,
    RequestError,
    StrangerError,
    TokenError,
    as_data,
)
from sdcoreml.doctor.studio.tickets import Tickets

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
"""What a server and an application of ASGI 3 are to each other."""

API = "/api/"
EXCHANGE = "/api/token"
"""Where the page exchanges a ticket for the token."""

PROOF = "/api/proof"
"""Where a page without a pass has the server prove itself. Whoever asks learns nothing from it."""

KNOWN = "sdcoreml.known"
"""The key of a request's scope that says that it had the pass."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:;"
    " connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
"""What the page may load: its own files, and pictures that it has asked for with its token."""

HEADERS: Sequence[tuple[bytes, bytes]] = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
"""What every answer says, unless it says otherwise itself."""

_CODING = "transfer-encoding"
_OWN_SITES = frozenset({"", "same-origin", "none"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Lets those requests through to `app` that its own page has sent; refuses all others."""

    app: App
    port: int
    secret: Secret
    tickets: Tickets = field(default_factory=Tickets)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":  # nothing here speaks web sockets
            await send({"type": "websocket.close", "code": 1008})
            return
        is_api = scope["path"].startswith(API)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _complete(message.get("headers", ()), is_api=is_api)
            try:
                await send(message)
            except Exception as error:  # whatever a server says of a connection that is closed
                raise ConnectionError("the page went away") from error

        with suppress(ConnectionError):
            try:
                self.admit(scope)
            except RequestError as error:
                await refuse(error, send_with_headers)
                return
            if scope["path"] == EXCHANGE:
                await answer({"token": self.secret.token}, send_with_headers)
                return
            if scope["path"] == PROOF:
                await self._prove(scope, send_with_headers)
                return
            if is_api:
                scope[KNOWN] = True
            await self.app(scope, receive, send_with_headers)

    def admit(self, scope: Scope) -> None:
        """Refuse a request that is not the own page's.

        Raises:
            OtherHostError: it is meant for another host.
            StrangerError: it comes from another site's page.
            LargeError: it asks for a file, and has a body.
            TokenError: it asks for more than static files or a proof, without the pass.
        """
        headers = _Headers(scope["headers"])
        if headers.all("host") not in ([f"127.0.0.1:{self.port}"], [f"localhost:{self.port}"]):
            raise OtherHostError(
                "this address is not the studio's", remedy="open the address that it printed"
            )
        is_api = scope["path"].startswith(API)
        if is_api or not _opens_page(scope, headers):
            self._require_own_page(headers)
        if not is_api and (set(headers.all("content-length")) - {"0"} or headers.all(_CODING)):
            raise LargeError("what asks for a file has no body", where="the request")
        if is_api and not self._knows(scope["path"], headers):
            raise TokenError(
                "this page belongs to a studio that has ended",
                remedy="open the address that `sdcoreml studio` prints",
            )

    def _require_own_page(self, headers: _Headers) -> None:
        own = {f"http://127.0.0.1:{self.port}", f"http://localhost:{self.port}"}
        sites = set(headers.all("sec-fetch-site"))
        if set(headers.all("origin")) - own or sites - _OWN_SITES:
            raise StrangerError("only the studio's own page may ask", remedy="open its address")

    def _knows(self, path: str, headers: _Headers) -> bool:
        """Whether a request has what its path demands."""
        if path == PROOF:
            return True
        said = _bearer(headers)
        if path == EXCHANGE:
            return self.tickets.take(said)
        # Bytes: two texts can only be compared so if both are ASCII.
        access = self.secret.access.encode("latin-1")
        return bool(said) and hmac.compare_digest(said.encode("latin-1"), access)

    async def _prove(self, scope: Scope, send: Send) -> None:
        nonce = scope["query_string"].removeprefix(b"nonce=").decode("latin-1")
        try:
            await answer(self.secret.prove(nonce), send)
        except RequestError as error:
            await refuse(error, send)


class _Headers:
    """The headers of a request, by their names in small letters."""

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        self._pairs = [(name.lower(), value) for name, value in pairs]

    def all(self, name: str) -> list[str]:
        """Return the values of all headers of this name: two of one are one too many."""
        return [value.decode("latin-1") for key, value in self._pairs if key == name.encode()]


def _bearer(headers: _Headers) -> str:
    """Return what a request is authorised with; "" if it says so twice, or in another way."""
    said = headers.all("authorization")
    kind, _, token = said[0].partition(" ") if len(said) == 1 else ("", "", "")
    return token if kind.lower() == "bearer" else ""


def _opens_page(scope: Scope, headers: _Headers) -> bool:
    """Whether a person opens the page, from a link or a file: it holds nothing, and no frame."""
    is_whole = headers.all("sec-fetch-mode") == ["navigate"]
    is_document = headers.all("sec-fetch-dest") == ["document"]
    return scope["method"] == "GET" and is_whole and is_document and not headers.all("origin")


def _complete(headers: Iterable[tuple[bytes, bytes]], *, is_api: bool) -> list[tuple[bytes, bytes]]:
    """Return an answer's headers with those of `HEADERS` that it does not have itself."""
    own = [(name.lower(), value) for name, value in headers]
    cached = b"no-store" if is_api else b"no-cache"
    usual = (*HEADERS, (b"cache-control", cached))
    names = {name for name, _ in own}
    return [*own, *(pair for pair in usual if pair[0] not in names)]


async def refuse(error: RequestError, send: Send) -> None:
    """Answer with an error, and end the connection: its body may still be on the way."""
    await answer(as_data(error), send, error.status)


async def answer(content: Mapping[str, object], send: Send, status: int = 200) -> None:
    """Answer with JSON, and end the connection."""
    body = json.dumps(content).encode("ascii")
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
