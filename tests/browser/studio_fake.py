"""A small fake of the studio's server: its routes and its gate, with literal data and no work.

What takes time in the true one happens here when a test says so, so that a picture of a queue at
42 % can be taken without waiting.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.browser import studio_data as data
from tests.browser.specimens import png

PAGE = Path(__file__).resolve().parents[2] / "doctor" / "studio" / "page"
TOKEN = "literal-token-of-the-fake-0123456789"  # noqa: S105 (of a fake)
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
Body = dict[str, Any]


class Refused(Exception):  # noqa: N818 (what is raised is an answer)
    """An answer that is no 200."""

    def __init__(self, status: int, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.status = status
        self.content = {"error": {"what": what, "where": "", "remedy": remedy, "code": status}}


class Studio:
    """What the fake remembers; tests change it, and every page that listens is told."""

    def __init__(self) -> None:
        self.entries: list[Body] = []
        self.is_paused = False
        self.received: dict[str, int] = {}
        self.dropped: Body = {}
        self.asked: list[tuple[str, Body]] = []
        self.fixed: set[str] = set()
        self.changed = threading.Condition()
        self.news: list[tuple[str, Any]] = []
        self.numbers = iter(range(1, 10_000))

    def queue(self) -> Body:
        is_running = any(entry["state"] == "running" for entry in self.entries)
        return {"is_paused": self.is_paused, "is_running": is_running, "entries": self.entries}

    def tell(self, event: str, content: Any) -> None:
        with self.changed:
            self.news.append((event, json.dumps(content)))
            self.changed.notify_all()

    def change(self, number: str, **values: Any) -> None:
        """Change an entry, as its work would."""
        for entry in self.entries:
            if entry["id"] == number:
                entry.update(values)
        self.tell("queue", self.queue())

    def advance(self, number: str, done: int, total: int, left: float, step: str) -> None:
        """Say how far an entry is, without a change of the queue."""
        self.tell(
            "progress", {"id": number, "done": done, "total": total, "left": left, "step": step}
        )

    def add(self, kind: str, title: str, **values: Any) -> str:
        number = f"e{next(self.numbers)}"
        entry = {"id": number, "kind": kind, "title": title, "state": "waiting", "step": "",
                 "done": 0, "total": 0, "left": None, "because": "", "remedy": "", "folders": [],
                 "place": len(self.entries), "command": f"sdcoreml convert {title}"}  # fmt: skip
        self.entries.append(entry | values)
        self.tell("queue", self.queue())
        return number

    # One function for each route.

    def state(self, _query: Body, _body: Any) -> Any:
        return {**data.STATE, "queue": self.queue()}

    def folders(self, query: Body, _body: Any) -> Any:
        return data.FOLDERS[query.get("handle", "")]

    def examine(self, _query: Body, body: Any) -> Any:
        key = body.get("handle") or body.get("name") or body.get("drop")
        if key not in data.MODELS:
            raise Refused(404, f"the hub has no model {key}", "look at its name on the hub's page")
        return data.MODELS[key]

    def plan(self, _query: Body, body: Any) -> Any:
        return data.plan(body["choices"])

    def enqueue(self, _query: Body, body: Any) -> Any:
        self.asked.append(("queue", body))
        key = body["model"].get("handle") or body["model"].get("name")
        return {"id": self.add("convert", data.MODELS.get(key, self.dropped)["title"])}

    def act(self, number: str, verb: str, body: Any) -> Any:
        self.asked.append((verb, {"id": number, **body}))
        entry = next((one for one in self.entries if one["id"] == number), None)
        if entry is None:
            raise Refused(404, f"the queue has no entry {number}")
        if verb == "remove":
            self.entries.remove(entry)
        elif verb == "move":
            self.entries.remove(entry)
            ids = [one["id"] for one in self.entries]
            before = body["before"]
            self.entries.insert(ids.index(before) if before in ids else len(ids), entry)
        else:
            entry["state"] = {"cancel": "cancelled", "retry": "waiting"}[verb]
        self.tell("queue", self.queue())
        return self.queue()

    def switch(self, is_paused: bool) -> Any:  # noqa: FBT001 (a switch is one)
        self.is_paused = is_paused
        for entry in self.entries:
            if is_paused and entry["state"] == "running":
                entry["state"] = "waiting"
        self.tell("queue", self.queue())
        return self.queue()

    def drop(self, query: Body, body: bytes) -> Any:
        length = int.from_bytes(body[:4], "little")
        self.asked.append(("drop", {**query, "head": length, "tail": len(body) - 4 - length}))
        self.dropped = {**data.MODELS["m-good"], "title": query["name"], "drop": "d1"}
        self.dropped["size"] = int(query["size"])
        data.MODELS["m-dropped"] = self.dropped
        self.received["d1"] = 0
        return self.dropped

    def receive(self, number: str, query: Body, body: bytes) -> Any:
        if int(query["offset"]) != self.received[number]:
            raise Refused(409, "this part does not follow the last")
        self.received[number] += len(body)
        done = {"received": self.received[number]}
        return {**done, "handle": "m-dropped"} if done["received"] == self.dropped["size"] else done

    def note(self, what: str, body: Body) -> Any:
        self.asked.append((what, body))
        return {}

    def fix(self, _query: Body, body: Any) -> Any:
        self.fixed.add(body["key"])
        return {"id": self.add("fix", "build the tested environment")}

    def doctor(self, query: Body, _body: Any) -> Any:
        found = [
            one for one in data.findings(self.fixed) if query.get("select", one["id"]) == one["id"]
        ]
        return {"verdicts": data.VERDICTS, "findings": found}

    def pictures(self, _query: Body, body: Any) -> Any:
        self.asked.append(("pictures", body))
        return {"id": self.add("draw", f"Pictures: {body['prompt']}", of=body.get("id"))}


def routes(studio: Studio) -> Mapping[tuple[str, str], Callable[[Body, Any], Any]]:
    return {
        ("GET", "/api/state"): studio.state,
        ("GET", "/api/folders"): studio.folders,
        ("POST", "/api/examine"): studio.examine,
        ("POST", "/api/plan"): studio.plan,
        ("POST", "/api/queue"): studio.enqueue,
        ("POST", "/api/queue/pause"): lambda _query, _body: studio.switch(is_paused=True),
        ("POST", "/api/queue/resume"): lambda _query, _body: studio.switch(is_paused=False),
        ("POST", "/api/drop"): studio.drop,
        ("GET", "/api/library"): lambda _query, _body: data.LIBRARY,
        ("GET", "/api/doctor"): studio.doctor,
        ("POST", "/api/fix"): studio.fix,
        ("POST", "/api/pictures"): studio.pictures,
        ("POST", "/api/reveal"): lambda _query, body: studio.note("reveal", body),
        ("POST", "/api/install"): lambda _query, body: studio.note("install", body),
    }


class Server:
    """The fake at a port; it can be ended and started again at the same one, as after a crash."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/#{TOKEN}"

    def __enter__(self) -> Server:  # noqa: PYI034 (Self is not in 3.10)
        class Handler(_Handler):
            studio = self.studio
            closing = threading.Event()

        ThreadingHTTPServer.daemon_threads = True
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        self._closing = Handler.closing
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        assert self._server
        self._closing.set()
        with self.studio.changed:
            self.studio.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
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
        try:
            self._gate(url.path)
            if url.path == "/api/events":
                self._stream()
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
        if path.startswith("/api/") and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refused(401, "a wrong token")

    def _route(self, path: str, query: Body, raw: bytes) -> Any:
        is_json = self.headers.get("Content-Type") == "application/json"
        body = json.loads(raw) if is_json and raw else raw
        if found := routes(self.studio).get((self.command, path)):
            return found(query, body)
        match path.split("/")[2:]:
            case ["queue", number, "log"]:
                lines = data.LOG[int(query["offset"]) :]
                return {"lines": lines, "offset": len(data.LOG)}
            case ["queue", number, verb]:
                return self.studio.act(number, verb, body)
            case ["drop", number] if self.command == "PUT":
                return self.studio.receive(number, query, body)
            case ["drop", number]:
                return {
                    "received": self.studio.received[number],
                    "size": self.studio.dropped["size"],
                }
            case ["pictures", _number, name]:
                return png(200 - 40 * int(name.split(".")[0]), 128)
        raise Refused(404, f"there is no {path}")

    def _static(self, path: str) -> None:
        name = "index.html" if path == "/" else path.removeprefix("/page/")
        found = PAGE / name
        if "/" in name or not found.is_file():
            raise Refused(404, f"there is no {path}")
        self._send(found.read_bytes(), KINDS[found.suffix])

    def _answer(self, content: Any) -> None:
        if isinstance(content, bytes):
            self._send(content, "image/png")
        else:
            self._send(json.dumps(content).encode(), KINDS[".json"])

    def _send(self, content: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        for name, value in (*_headers(kind), ("Content-Length", str(len(content)))):
            self.send_header(name, value)
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
