"""Measures the studio's server: `python -m tests.bench.studio`.

A server as a person starts it, with an SDXL checkpoint of 7 GB whose data takes no room on the
disk: chosen from a listing, dropped on the page, planned. It fails where a limit is missed. Times
of answers are on the wall, as a person waits; beside them the server's own CPU seconds.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psutil

from sdcoreml.doctor.studio.proof import Secret, make_nonce
from sdcoreml.doctor.studio.static import PAGE
from tests.bench.jobs import write_hollow
from tests.bench.models import original_shapes

MEMORY, BYTES, VERDICT, FIRST = 80e6, 200e3, 1.0, 0.05
"""Limits: bytes of memory and of the page, seconds to a verdict and to the page's first byte."""

IDLE = 10.0
"""Seconds in which a server that nobody asks must use no CPU time that the system counts."""

LISTENING = 0.1
"""The most CPU seconds in that time while a page is open: one in a hundred."""

_REPEATS = 20
_HEAD, _TAIL = 4 << 20, 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A figure, its limit, and its unit; `cpu` are the server's CPU seconds for it."""

    name: str
    value: float
    limit: float
    unit: str
    cpu: float | None = None


class Server:
    """A studio's server in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        address = urlsplit(process.stdout.readline().split()[-1])
        self.port, self.access = address.port or 0, ""
        life = self.call("GET", f"/api/proof?nonce={make_nonce()}")["id"]
        self.access = Secret(token=address.fragment, life=life).access
        self.watched = psutil.Process(process.pid)

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Return the answer; raise OSError if it is a refusal."""
        asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            asked.request(method, path, body, {"Authorization": f"Bearer {self.access}"})
            answer = asked.getresponse()
            content = answer.read()
        finally:
            asked.close()
        if answer.status != http.HTTPStatus.OK:
            raise OSError(f"{method} {path}: {answer.status} {content[:200]!r}")
        return content

    def call(self, method: str, path: str, **body: object) -> Any:
        """Return the JSON of an answer."""
        return json.loads(self.ask(method, path, json.dumps(body).encode() if body else None))

    def cpu(self) -> float:
        """Return the CPU seconds that it has used."""
        used = self.watched.cpu_times()
        return used.user + used.system

    def memory(self) -> float:
        """Return the bytes of memory that are resident."""
        return float(self.watched.memory_info().rss)


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """Start a studio with a queue of its own."""
    command = [sys.executable, "-m", "sdcoreml", "studio", "--no-browser", "--port", "0"]
    environ = {
        **os.environ,
        "SDCOREML_QUEUE": str(folder / "queue"),
        "SDCOREML_MODELS": str(folder),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    with subprocess.Popen(
        command, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Server(process)
        finally:
            process.terminate()


def main() -> int:
    """Print the figures; return 1 if a limit is missed."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_hollow(folder / "big.safetensors", original_shapes("sdxl"))
        with serve(folder) as server:
            rows = [*measure(server, folder)]
    print(f"{'the studio':<44}{'here':>10}{'limit':>10}{'':>5}{'CPU s':>8}")
    for row in rows:
        cpu = "" if row.cpu is None else f"{row.cpu:.2f}"
        print(f"{row.name:<44}{row.value:>10.3f}{row.limit:>10.3f} {row.unit:<4}{cpu:>8}")
    return int(any(row.value > row.limit for row in rows))


def measure(server: Server, folder: Path) -> Iterator[Row]:
    """Yield the figures, in the order in which a person meets them."""
    size = sum(path.stat().st_size for path in PAGE.iterdir())
    yield Row(name="the page, all of it", value=size / 1e3, limit=BYTES / 1e3, unit="kB")
    times = [timed(server, "GET", "/")[0] for _ in range(_REPEATS)]
    first = statistics.median(times)
    yield Row(name="its first byte", value=first, limit=FIRST, unit="s")
    yield memory(server, "memory, once it serves")
    listed = server.call("GET", f"/api/folders?handle={here(server)}")
    handle = next(one["handle"] for one in listed["items"] if one["name"] == "big.safetensors")
    gigabytes = (folder / "big.safetensors").stat().st_size / 1e9
    took, cpu, _ = judged(server, handle)
    name = f"verdict of {gigabytes:.1f} GB, chosen"
    yield Row(name=name, value=took, limit=VERDICT, unit="s", cpu=cpu)
    took, cpu, _ = dropped(server, folder / "big.safetensors")
    name = f"verdict of {gigabytes:.1f} GB, dropped"
    yield Row(name=name, value=took, limit=VERDICT, unit="s", cpu=cpu)
    for path in ("/api/library", "/api/doctor", "/api/state", "/api/queue"):
        server.call("GET", path)
    server.call("POST", "/api/plan", model={"handle": handle}, choices={"bits": 6})
    yield memory(server, "memory, after all that the page can ask")
    name = f"CPU in {IDLE:.0f} s, nobody listens"
    yield Row(name=name, value=idle(server), limit=0.0, unit="s")
    with listening(server):
        name = f"CPU in {IDLE:.0f} s, a page is open"
        yield Row(name=name, value=idle(server), limit=LISTENING, unit="s")


def idle(server: Server) -> float:
    """Return the CPU seconds that the server uses while it is asked for nothing."""
    before = server.cpu()
    time.sleep(IDLE)
    return server.cpu() - before


@contextmanager
def listening(server: Server) -> Iterator[None]:
    """Listen to the server's events, as an open page does."""
    asked = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        asked.request("GET", "/api/events", headers={"Authorization": f"Bearer {server.access}"})
        asked.getresponse().readline()
        yield
    finally:
        asked.close()


def here(server: Server) -> str:
    """Return the handle of the folder that the server was started in."""
    roots = server.call("GET", "/api/folders")["items"]
    return str(next(one["handle"] for one in roots if one["what"] == {"say": "place.here"}))


def memory(server: Server, name: str) -> Row:
    """Return the memory that is resident now."""
    return Row(name=name, value=server.memory() / 1e6, limit=MEMORY / 1e6, unit="MB")


def timed(
    server: Server, method: str, path: str, body: bytes | None = None
) -> tuple[float, float, bytes]:
    """Ask; return the seconds of the answer, the server's CPU seconds, and the answer."""
    cpu, begun = server.cpu(), time.perf_counter()
    content = server.ask(method, path, body)
    return time.perf_counter() - begun, server.cpu() - cpu, content


def judged(server: Server, handle: str) -> tuple[float, float, bytes]:
    """Choose a model."""
    return timed(server, "POST", "/api/examine", json.dumps({"handle": handle}).encode())


def dropped(server: Server, path: Path) -> tuple[float, float, bytes]:
    """Drop a file: its header (or its first megabytes) and its tail, as the page sends them."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = struct.unpack("<Q", stream.read(8))[0]
        stream.seek(0)
        head = stream.read(min(8 + length, _HEAD))
        stream.seek(max(len(head), size - _TAIL))
        tail = stream.read()
    query = f"name={quote(path.name)}&size={size}"
    return timed(server, "POST", f"/api/drop?{query}", struct.pack("<I", len(head)) + head + tail)


if __name__ == "__main__":
    sys.exit(main())
