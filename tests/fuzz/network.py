"""A hub and a Civitai on this machine, whose answers are the files of the folder `served`.

`answers.json` maps the path of a request to `status`, `headers` and the name of the file that is
the `body`. In headers and in JSON, `{here}` stands for the server's address.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.convert.hub.server import COMMIT, LARGE, sibling
from tests.fuzz.reader import stop_at_work
from tests.odd import base

HUB_NAME, CIVITAI_NAME = "acme/dream", "civitai:7"
TOKENIZER = ("--tokenizer", "../served/tokenizer")
"""The option with which no tokenizer is fetched for a single file."""
_HERE = b"{here}"
_MOST = 64 << 20
"""The most bytes of a file that are sent."""


def write_answers(root: Path) -> None:
    """Write the answers about a model in diffusers' layout, and about a single file."""
    served = root / "served"
    base.write_folder(served / "files")
    base.write(served / "files" / "README.md", "---\nlicense: openrail\n---\n# Dream\n")
    answers: dict[str, Any] = {}
    siblings = []
    for path in sorted(path for path in (served / "files").rglob("*") if path.is_file()):
        name = path.relative_to(served / "files").as_posix()
        content = path.read_bytes()
        siblings.append(sibling(name, content))
        here = _answer(f"files/{name}", {"X-Repo-Commit": COMMIT, "ETag": '"one"'})
        place = f"/{HUB_NAME}/resolve/{COMMIT}/{name}"
        if name.endswith(LARGE):
            answers[f"/cdn/{name}"] = here
            here = {"status": 302, "headers": {"Location": f"{{here}}/cdn/{name}"}}
        answers[place] = here
    listing = {
        "id": HUB_NAME,
        "sha": COMMIT,
        "private": False,
        "cardData": {"license": "openrail"},
        "siblings": siblings,
    }
    single = base.write_file(served, name="single.safetensors").read_bytes()
    version = {
        "id": 7,
        "modelId": 3,
        "baseModel": "SD 1.5",
        "model": {"type": "Checkpoint", "name": "Dream"},
        "files": [
            {
                "name": "dream.safetensors",
                "type": "Model",
                "sizeKB": len(single) / 1024,
                "primary": True,
                "metadata": {"fp": "fp16"},
                "hashes": {"SHA256": hashlib.sha256(single).hexdigest()},
                "downloadUrl": "{here}/download/7",
            }
        ],
    }
    base.write(served / "listing.json", listing)
    base.write(served / "version.json", version)
    answers[f"/api/models/{HUB_NAME}/revision/main"] = _answer("listing.json")
    answers["/api/v1/model-versions/7"] = _answer("version.json")
    answers["/download/7"] = {"status": 307, "headers": {"Location": "{here}/cdn/single"}}
    answers["/cdn/single"] = _answer("single.safetensors", {"ETag": '"two"'})
    base.write(served / "answers.json", answers)


def _answer(body: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    return {"status": 200, "headers": {"Content-Type": "application/x", **(headers or {})}} | {
        "body": body
    }


def ask_here() -> None:
    """Start the server in the fork, and let the hub and Civitai be it; no pause is granted."""
    from sdcoreml.convert.hub import access, transfer, web

    stop_at_work()
    pauses: tuple[tuple[Any, str, Any], ...] = (
        (web, "PAUSES", (0.0,) * 4),
        (transfer, "PAUSES", (0.0,) * 4),
        (web, "LONGEST", 0.0),
    )
    for module, name, value in pauses:
        setattr(module, name, value)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.served = Path.cwd().parent / "served"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    os.environ.pop("HF_HUB_OFFLINE")
    os.environ["HF_ENDPOINT"] = server.address
    setattr(access, "CIVITAI_SERVER", server.address)  # noqa: B010  only in this fork


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    served: Path

    @property
    def address(self) -> str:
        """Return the server's address."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore answers that cannot be sent: the client sees a broken connection."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its own name
        """Log nothing."""

    def do_GET(self) -> None:
        """Send what `answers.json` says, however damaged it is; status 500 if it is unreadable."""
        served, here = self.server.served, self.server.address.encode()
        status: Any = 500
        headers: dict[str, Any] = {}
        content = b""
        with suppress(Exception):
            answers = json.loads((served / "answers.json").read_bytes().replace(_HERE, here))
            said = answers.get(unquote(urlsplit(self.path).path), {"status": 404})
            status, headers = said["status"], dict(said.get("headers") or {})
            if "body" in said:
                content = _content(served / said["body"])
                if said["body"].endswith(".json") and "/" not in said["body"]:
                    content = content.replace(_HERE, here)
        if status == 200 and (part := self._part(len(content))):
            headers["Content-Range"] = f"bytes {part[0]}-{part[1] - 1}/{len(content)}"
            status, content = 206, content[slice(*part)]
        self._send(status, headers, content)

    def _part(self, size: int) -> tuple[int, int] | None:
        """Return the start and end of the requested part of a file; `None` for the whole."""
        first, _, last = self.headers.get("Range", "").removeprefix("bytes=").partition("-")
        if not first:
            return None
        return int(first), min(size, int(last) + 1 if last else size)

    def _send(self, status: Any, headers: Mapping[str, Any], content: bytes) -> None:
        """Send any status and headers, valid or not, and end the connection."""
        lines = [f"HTTP/1.1 {status} OK", *(f"{name}: {value}" for name, value in headers.items())]
        if not any(name.lower() == "content-length" for name in headers):
            lines.append(f"Content-Length: {len(content)}")
        text = "\r\n".join((*lines, "Connection: close", "", ""))
        self.wfile.write(text.encode("utf-8", "surrogatepass") + content)
        self.close_connection = True


def _content(path: Path) -> bytes:
    """Return the content of a regular file, or its start if it is huge."""
    if not stat.S_ISREG(path.stat().st_mode):
        return b""
    with path.open("rb") as file:
        return file.read(_MOST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What is asked, and what is mutated of the answers; `verbs` are those that take the words."""

    words: tuple[str, ...]
    aim: str
    verbs: tuple[str, ...] = ("inspect", "convert", "doctor")

    def suits(self, verb: str) -> bool:
        """Return True if the command takes these words."""
        return verb in self.verbs


_LOOKS = ("inspect", "doctor")
ANSWERS = (
    Answers(words=(HUB_NAME,), aim="served/answers.json"),
    Answers(words=(HUB_NAME,), aim="served/listing.json"),
    Answers(words=(HUB_NAME,), aim="served/listing.json"),
    Answers(words=(HUB_NAME,), aim="served/files/**/*"),
    *(
        Answers(words=words, aim=f"served/{name}", verbs=verbs)
        for words, verbs in (
            ((CIVITAI_NAME,), _LOOKS),
            ((CIVITAI_NAME, *TOKENIZER), ("convert",)),
        )
        for name in ("answers.json", "version.json", "single.safetensors")
    ),
)
