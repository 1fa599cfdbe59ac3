"""A studio without a server, and a page's requests to it."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdcoreml.doctor.queue.entry import Kind, State
from sdcoreml.doctor.queue.order import New
from sdcoreml.doctor.queue.store import Store
from sdcoreml.doctor.studio.app import make_app, make_feed
from sdcoreml.doctor.studio.bench import Bench
from sdcoreml.doctor.studio.gate import App
from sdcoreml.doctor.studio.running import Studio, make_studio
from tests.doctor.studio.asgi import OWN, PORT, SECRET, Answered, Pairs, request
from tests.doctor.studio.test_places import LORA

KEY = b"k" * 32


class Opened:
    """A studio whose runner is never started: `begun` counts how often it would have been,
    and it cannot be with a `refusal`."""

    def __init__(self, folder: Path) -> None:
        self.begun = 0
        self.refusal: OSError | None = None
        self.launched: list[tuple[str, ...]] = []
        self.studio: Studio = make_studio(
            Store(folder=folder / "queue"),
            KEY,
            Bench(folder / "results"),
            start=self._start,
            launch=self.launched.append,
        )
        self.feed = make_feed(self.studio)
        self.app: App = make_app(self.studio, self.feed, port=PORT, secret=SECRET)

    def _start(self) -> None:
        self.begun += 1
        if self.refusal:
            raise self.refusal

    def get(self, target: str, headers: Pairs = OWN) -> Answered:
        return request(self.app, "GET", target, headers)

    def post(self, target: str, **body: object) -> Answered:
        return request(self.app, "POST", target, OWN, json.dumps(body).encode())

    def send(self, method: str, target: str, body: bytes = b"") -> Answered:
        return request(self.app, method, target, OWN, body)

    def sign(self, path: Path) -> str:
        return self.studio.signer.sign(path)


@contextmanager
def open_studio(folder: Path) -> Iterator[Opened]:
    """Open a studio in a folder, and close it."""
    opened = Opened(folder)
    try:
        yield opened
    finally:
        opened.studio.close()


def add(studio: Opened, title: str = "a title", **about: object) -> str:
    """Put an entry into the queue."""
    words = ("draw", "x")
    return studio.studio.store.add(New(kind=Kind.DRAW, title=title, words=words, about=about))


def tensors(path: Path) -> bytes:
    """Return a small file of a LoRA's tensors."""
    header: dict[str, Any] = {}
    end = 0
    for name, shape in LORA.items():
        size = 2
        for one in shape:
            size *= one
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    data = struct.pack("<Q", len(text)) + text + bytes(end)
    path.write_bytes(data)
    return data


def finish(studio: Opened, number: str) -> None:
    """Let an entry be done."""
    store = studio.studio.store
    with store.changing():
        store.write(replace(store.read().find(number), state=State.DONE))
