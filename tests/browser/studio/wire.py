"""The fake studio at a port, behind the gate of the true one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sdcoreml.doctor.studio.proof import Secret
from tests.browser.specimens import png
from tests.browser.studio import answers
from tests.browser.studio.fake import Body, Refused, Studio, routes

PAGE = Path(__file__).resolve().parents[3] / "doctor" / "studio" / "page"
TOKEN = "literal-token-of-the-fake-0123456789"  # noqa: S105 (of a fake)
TICKET = "once-literal-ticket-of-the-fake-0123456789"
"""What a browser is started with, and exchanges for the token."""

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:;"
    " connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


class Server:
    """The fake at a port; it can be ended and started again at the same one, as after a crash."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.port = 0
        self.lives = 0
        self.files: dict[str, bytes] = {}
        """Files of the page that stand for its own, such as a translator would add."""
        self.heard: list[str] = []
        """What requests were authorised with, one after the other."""
        self._server: ThreadingHTTPServer | None = None
        self._closing = threading.Event()
        self._ending = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/#{TOKEN}"

    def __enter__(self) -> Server:  # noqa: PYI034 (Self is not in 3.10)
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def start(self, token: str = TOKEN) -> None:
        """Listen: at first at any port, later at the one from before, with another life."""
        self.lives += 1
        own = Secret(token=token, life=f"{self.lives}")

        class Handler(_Handler):
            owner = self
            secret = own
            studio = self.studio
            closing = self._closing = threading.Event()

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Die, as by kill -9: nobody is told, and connections end."""
        self._closing.set()
        with self.studio.changed:
            self.studio.changed.notify_all()
        with self._ending:
            server, self._server = self._server, None
            if server:
                server.shutdown()
                server.server_close()

    def restart(self, token: str = TOKEN) -> None:
        """Be there again."""
        self.stop()
        self.start(token)


class _Handler(BaseHTTPRequestHandler):
    owner: Server
    secret: Secret
    studio: Studio
    closing: threading.Event
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args: object) -> None:
        """Say nothing: a test's output is its faults."""

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        if self.closing.is_set():
            self.close_connection = True
            return
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if self.command == "PUT" and self.studio.dies_at is not None:
            self.studio.dies_at -= 1
            if self.studio.dies_at < 0:
                self.studio.dies_at = None
                self.closing.set()
                threading.Thread(target=self.owner.stop, daemon=True).start()
                self.close_connection = True
                return
        try:
            self._gate(url.path)
            if url.path == "/api/proof":
                self.studio.may_prove.wait(timeout=20)
                self._answer(self.secret.prove(query["nonce"]))
            elif url.path == "/api/events":
                self._stream()
            elif url.path == "/api/token":
                self._answer({"token": TOKEN})
            elif url.path.startswith("/api/"):
                self._answer(self._route(url.path, query, raw))
            else:
                self._static(url.path)
        except Refused as refused:
            self._send(json.dumps(refused.content).encode(), KINDS[".json"], refused.status)

    do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815 (names of http.server)

    def _gate(self, path: str) -> None:
        own = f"127.0.0.1:{self.server.server_address[1]}"  # type: ignore[index]
        if self.headers.get("Host") != own:
            raise Refused(421, "another host")
        if self.headers.get("Origin", f"http://{own}") != f"http://{own}":
            raise Refused(403, "another origin")
        if path == "/api/token" and self.headers.get("Authorization") == f"Bearer {TICKET}":
            return
        is_open = path == "/api/proof" or not path.startswith("/api/")
        said = self.headers.get("Authorization")
        self.owner.heard.extend([said] if said else [])
        if not is_open and said != f"Bearer {self.secret.access}":
            raise Refused(401, "a wrong pass")

    def _route(self, path: str, query: Body, raw: bytes) -> Any:
        is_json = self.headers.get("Content-Type") == "application/json"
        body = json.loads(raw) if is_json and raw else raw
        if found := routes(self.studio).get((self.command, path)):
            return found(query, body)
        match path.split("/")[2:]:
            case ["queue", number, "log"]:
                lines = answers.LOG[int(query["offset"]) :]
                return {"lines": lines, "offset": len(answers.LOG)}
            case ["queue", number, verb]:
                return self.studio.act(number, verb, body)
            case ["drop", number, *ends] if self.command == "PUT":
                take = self.studio.take_ends if ends else partial(self.studio.receive, number)
                return take(query, body)
            case ["drop", number]:
                return self.studio.tell_drop(number, is_over=self.command == "DELETE")
            case ["pictures", _number, name]:
                return png(200 - 40 * int(name.split(".")[0]), 128)
        raise Refused(404, f"there is no {path}")

    def _static(self, path: str) -> None:
        name = "index.html" if path == "/" else path.removeprefix("/page/")
        found = PAGE / name
        if name not in self.owner.files and ("/" in name or not found.is_file()):
            raise Refused(404, f"there is no {path}")
        self._send(self.owner.files.get(name) or found.read_bytes(), KINDS[found.suffix])

    def _answer(self, content: Any) -> None:
        if isinstance(content, bytes):
            self._send(content, "image/png")
        else:
            self._send(json.dumps(content).encode(), KINDS[".json"])

    def _send(self, content: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        for name, value in (*_headers(kind), ("Content-Length", str(len(content)))):
            self.send_header(name, value)
        with suppress(BrokenPipeError, ConnectionResetError):  # the page waits no more
            self.end_headers()
            self.wfile.write(content)

    def _stream(self) -> None:
        self.close_connection = True
        self.send_response(200)
        for name, value in _headers("text/event-stream"):
            self.send_header(name, value)
        self.end_headers()
        studio, seen = self.studio, len(self.studio.news)
        try:
            self.wfile.write(b": here\n\n")
            while not self.closing.is_set():
                with studio.changed:
                    if len(studio.news) == seen:
                        studio.changed.wait(timeout=15)
                    fresh, seen = studio.news[seen:], len(studio.news)
                for event, content in fresh:
                    self.wfile.write(f"event: {event}\ndata: {content}\n\n".encode())
        except OSError:
            pass  # the page was closed


def _headers(kind: str) -> Iterator[tuple[str, str]]:
    yield "Content-Type", kind
    yield "Content-Security-Policy", POLICY
    yield "X-Content-Type-Options", "nosniff"
    yield "Cache-Control", "no-store"
