"""A local server that speaks the APIs of the hub and of Civitai, and fails on demand."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = (".safetensors", ".bin", ".ckpt")


@dataclass
class Repository:
    """A model on the server: its files by path, and its metadata."""

    files: Mapping[str, bytes]
    licence: str = "creativeml-openrail-m"
    revisions: tuple[str, ...] = ("main", COMMIT)


@dataclass
class Fault:
    """A failure of the next `times` requests whose path contains `path`."""

    path: str
    times: int = 1
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    """The number of bytes after which the server ends the connection, before the announced end."""
    content: bytes | None = None
    """The bytes to send instead of the file."""
    no_ranges: bool = False


@dataclass
class Request:
    """A request that the server received."""

    path: str
    headers: Mapping[str, str]


class Server:
    """A local hub at `address`; it sends large files from another origin, `elsewhere`."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.pages: dict[str, tuple[str, bytes]] = {}
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.sent = 0
        self.elsewhere = ""
        self.address = ""
        self.gate: threading.Event | None = None
        """If set: an event that the server waits for in the middle of a large file."""

    def take_fault(self, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times and fault.path in path:
                fault.times -= 1
                return fault
        return None

    def asked(self, part: str) -> list[Request]:
        """Return the requests whose path contains `text`."""
        return [request for request in self.requests if part in request.path]


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def sibling(path: str, content: bytes) -> dict[str, object]:
    """Return a file's entry in the hub's listing."""
    row: dict[str, object] = {"rfilename": path, "size": len(content), "blobId": git_hash(content)}
    if path.endswith(LARGE):
        digest = hashlib.sha256(content).hexdigest()
        row["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 134}
    return row


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its own name
        """Log nothing."""

    def do_GET(self) -> None:
        owner = self.server.owner
        owner.requests.append(Request(path=self.path, headers=dict(self.headers.items())))
        fault = owner.take_fault(self.path)
        if fault and fault.status:
            self.answer(fault.status, b"", fault.headers)
        else:
            self.give(unquote(urlsplit(self.path).path), fault)

    def give(self, path: str, fault: Fault | None) -> None:
        owner = self.server.owner
        if path in owner.pages:
            kind, content = owner.pages[path]
            self.send_file(content, {"Content-Type": kind, "ETag": '"one"'}, fault)
        elif path.startswith("/api/models/"):
            self.list_model(path.removeprefix("/api/models/"))
        elif path.startswith("/cdn/"):
            repo, _, name = path.removeprefix("/cdn/").partition("//")
            self.send_file(owner.repositories[repo].files[name], {}, fault)
        else:
            self.resolve(path, fault)

    def resolve(self, path: str, fault: Fault | None) -> None:
        owner = self.server.owner
        repo, _, rest = path.removeprefix("/").partition("/resolve/")
        name = rest.partition("/")[2]
        found = owner.repositories.get(repo)
        if found is None or name not in found.files:
            self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
        elif name.endswith(LARGE) and owner.elsewhere:
            there = f"{owner.elsewhere}/cdn/{repo}//{name}"
            self.answer(302, b"", {"Location": there})
        else:
            self.send_file(found.files[name], {"X-Repo-Commit": COMMIT}, fault)

    def list_model(self, rest: str) -> None:
        repo, _, revision = rest.partition("/revision/")
        found = self.server.owner.repositories.get(repo)
        if found is None:
            self.answer(401, b"{}", {"X-Error-Code": "RepoNotFound"})
            return None
        if revision not in found.revisions:
            self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            return None
        listing = {
            "id": repo,
            "sha": COMMIT,
            "private": False,
            "cardData": {"license": found.licence} if found.licence else {},
            "siblings": [sibling(path, content) for path, content in found.files.items()],
        }
        return self.answer(200, json.dumps(listing).encode())

    def answer(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def send_file(self, content: bytes, headers: Mapping[str, str], fault: Fault | None) -> None:
        if fault and fault.content is not None:
            content = fault.content
        said, status, begin, end = self.headers.get("Range"), 200, 0, len(content)
        if said and not (fault and fault.no_ranges):
            first, _, last = said.removeprefix("bytes=").partition("-")
            begin, end = int(first), min(len(content), int(last) + 1 if last else len(content))
            if begin >= len(content):
                self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
                return
            status = 206
            headers = {**headers, "Content-Range": f"bytes {begin}-{end - 1}/{len(content)}"}
        part = content[begin:end]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if fault and fault.cut is not None:
            part = part[: fault.cut]
            self.close_connection = True
        self.server.owner.sent += len(part)  # now: whoever has all of it may look at once
        gate = self.server.owner.gate
        middle = len(part) // 2 if gate else len(part)
        self.wfile.write(part[:middle])
        if gate:
            self.wfile.flush()
            gate.wait(120)
            self.wfile.write(part[middle:])


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    owner: Server

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore errors from clients that close the connection early."""


@contextmanager
def serving() -> Iterator[Server]:
    """Run a server, and one of another origin for large files, during the block."""
    owner = Server()
    with _Http(("127.0.0.1", 0), Handler) as hub, _Http(("127.0.0.1", 0), Handler) as other:
        hub.owner = other.owner = owner
        owner.address = f"http://127.0.0.1:{hub.server_port}"
        owner.elsewhere = f"http://localhost:{other.server_port}"
        threads = [
            threading.Thread(target=one.serve_forever, args=(0.01,), daemon=True)
            for one in (hub, other)
        ]
        for thread in threads:
            thread.start()
        try:
            yield owner
        finally:
            for one in (hub, other):
                one.shutdown()
