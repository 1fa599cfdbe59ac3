"""Sends requests to servers, and waits when a server asks for a pause.

A token is sent only to the server that it is for: if a request is redirected to another host, the
client leaves the token out.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdcoreml import __version__
from sdcoreml.convert.hub.failures import (
    TOO_MANY,
    Asked,
    broken_connection,
    no_connection,
    refusal,
)
from sdcoreml.envs.mirrors.mirror import CERTIFICATES, certificates
from sdcoreml.ground.documents import parse_json
from sdcoreml.ground.errors import BadInputError, FetchError, UsageError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.files import LARGEST, Document

if TYPE_CHECKING:
    import httpx2

PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds to wait after each failed attempt; if the attempt after the last pause fails, give up."""
LONGEST = 90.0
"""The longest pause, in seconds, that is granted to a server that asks for one."""
_BUSY = frozenset({TOO_MANY, 408, 500, 502, 503, 504})
_CONNECT, _READ = 10.0, 30.0
_DIGITS = 15
"""The most digits of a size in bytes: a petabyte."""
_AGENT = f"sdcoreml/{__version__}"
_REFUSED = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """An HTTP client that retries requests.

    `emit` reports pauses, and `sleep` waits. `patience` is how many times a failed connection is
    retried.
    """

    client: httpx2.Client
    emit: Emit = silent
    sleep: Callable[[float], None] = field(default=time.sleep)
    patience: int = len(PAUSES)

    def get_json(self, url: str, asked: Asked, token: str) -> Any:  # noqa: ANN401  JSON
        """Request an address and return its answer as JSON.

        Raises:
            FetchError, BadInputError: the server cannot be reached, or refuses the request.
        """
        # An unreachable server stays so for a while, and the cache may serve instead.
        quick = replace(self, patience=1)
        content = bytearray()
        with quick.answer(url, asked, token) as response:
            for chunk in response.iter_bytes():
                content += chunk
                if len(content) > LARGEST[Document.ANSWER]:
                    break  # what is cut off is no JSON
        try:
            return parse_json(bytes(content), asked.server)
        except BadInputError:
            raise FetchError(
                "the answer is not JSON; it may be a login page of this network",
                where=asked.server,
                remedy="log in with a browser, or set HF_ENDPOINT to another server",
            ) from None

    @contextmanager
    def answer(
        self, url: str, asked: Asked, token: str = "", headers: Mapping[str, str] | None = None
    ) -> Iterator[httpx2.Response]:
        """Send a request and yield the response, whose content is not read yet.

        Raises:
            FetchError, BadInputError: the server cannot be reached, refuses the request, or ends
                the connection while the caller reads the response.
        """
        import httpx2

        said = {"Accept-Encoding": "identity", **(headers or {})}
        if token:
            said["Authorization"] = f"Bearer {token}"
        failures = 0
        for pause in (*PAUSES, None):
            request = self.client.build_request("GET", url, headers=said)
            try:
                response = self.client.send(request, stream=True, follow_redirects=True)
            except (httpx2.TransportError, httpx2.TooManyRedirects, httpx2.InvalidURL) as error:
                failures += 1
                is_passing = isinstance(error, httpx2.TransportError)
                if pause is None or failures > self.patience or not is_passing:
                    raise no_connection(error, asked) from error
                self.sleep(pause)
                continue
            try:
                wait = _wait(response, pause)
                if wait is None:
                    if response.status_code >= _REFUSED and response.status_code != UNSATISFIABLE:
                        raise refusal(response, asked)
                    yield response
                    return
            except httpx2.RequestError as error:  # it broke off, or cannot be decoded
                raise broken_connection(error, asked) from error
            finally:
                response.close()
            if wait > 1:
                text = f"the server asks for a pause of {wait:.0f} s ({response.status_code})"
                self.emit(Event(kind="note", text=text))
            self.sleep(wait)


UNSATISFIABLE = 416
"""The HTTP status for a range beyond the file's end. It is no error here: the caller handles it."""


def stated_size(headers: Mapping[str, str]) -> int | None:
    """Return the size of the whole file in bytes, as the headers say; `None` if they do not."""
    said = headers.get("Content-Range", "").rpartition("/")[2]
    for text in (said, headers.get("Content-Length", "")):
        if text.isdecimal() and len(text) <= _DIGITS:
            return int(text)
    return None


def _wait(response: httpx2.Response, pause: float | None) -> float | None:
    """Return the seconds to wait before repeating a request; `None` if its response is final.

    `pause` is used if the server states no other; `None` means that this was the last attempt.
    """
    if response.status_code not in _BUSY or pause is None:
        return None
    asked = response.headers.get("Retry-After", "")
    wait = float(asked) if asked.isdecimal() else pause
    return wait if wait <= LONGEST else None


@contextmanager
def open_web(emit: Emit = silent) -> Iterator[Web]:
    """Open a client with the user's proxies and certificates; close it when the block ends."""
    import httpx2

    timeout = httpx2.Timeout(_READ, connect=_CONNECT)
    trusted = _load_certificates()
    with httpx2.Client(timeout=timeout, headers={"User-Agent": _AGENT}, verify=trusted) as client:
        yield Web(client=client, emit=emit)


def _load_certificates() -> ssl.SSLContext | bool:
    """Load the certificates that the user's variables name, or those of the system."""
    path = certificates()
    if not path:
        return True
    try:
        if Path(path).is_dir():
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        raise UsageError(
            f"cannot load certificates: {error.strerror or error}",
            where=path,
            remedy=f"correct the variable that names it ({', '.join(CERTIFICATES)})",
        ) from error
