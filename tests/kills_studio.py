"""A studio whose server `tests.kills_queue` kills, and the page that goes on with the next one."""

from __future__ import annotations

import http.client
import json
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil

from sdcoreml.doctor.studio.handles import Signer
from sdcoreml.doctor.studio.keeper import Keeper
from sdcoreml.doctor.studio.kept import Kept, read_kept
from sdcoreml.doctor.studio.lineup import Lineup
from sdcoreml.doctor.studio.proof import Secret, make_nonce
from sdcoreml.doctor.studio.running import NAME
from tests.five_models import Bench

_LOOK, _PATIENCE = 0.1, 60.0
_FLEETING = frozenset({"step", "done", "total", "left"})
"""What changes from one moment to the next while an entry is being done."""

_SPELLED = frozenset({"command", "because", "remedy", "explanation"})
"""What spells commands as they were typed to start this process, which is not the server."""

_SETTLED = frozenset({"done", "failed", "cancelled"})
_FIXED = frozenset({"id", "kind", "title", "command", "added", "place", "makes"})
"""What of an entry changes only if somebody changes the queue."""


_PORTS = range(20_000, 30_000)
"""Below those that systems give away to whoever connects, and not those of studios."""

_LOST = (OSError, ValueError, KeyError, http.client.HTTPException)
"""What comes of asking a server that is just being killed."""


class StrangerError(OSError):
    """Whoever has the port does not know the token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Asks a studio as its page does: the server proves itself before anything is told."""

    kept: Kept

    def ask(self, method: str, path: str) -> Any:
        """Return the JSON of an answer; raise OSError if there is none, or a refusal."""
        answer = self.open(method, path, self._access())
        try:
            content = json.loads(answer.read())
        except (ValueError, http.client.HTTPException) as error:
            raise OSError(f"{error}") from error
        if answer.status != http.HTTPStatus.OK:
            raise OSError(f"{method} {path}: {answer.status} {content}")
        return content

    def events(self) -> http.client.HTTPResponse:
        """Return the stream of events."""
        return self.open("GET", "/api/events", self._access())

    def _access(self) -> str:
        nonce = make_nonce()
        told = json.loads(self.open("GET", f"/api/proof?nonce={nonce}").read())
        secret = Secret(token=self.kept.token, life=told["id"])
        if not secret.is_proved(nonce, told["proof"]):
            raise StrangerError("no proof")
        return secret.access

    def open(self, method: str, path: str, access: str = "") -> http.client.HTTPResponse:
        """Return an answer that is still to be read; it closes the connection at its end."""
        headers = {"Connection": "close"}
        headers |= {"Authorization": f"Bearer {access}"} if access else {}
        asked = http.client.HTTPConnection("127.0.0.1", self.kept.port, timeout=_PATIENCE)
        try:
            asked.request(method, path, headers=headers)
            return asked.getresponse()
        except http.client.HTTPException as error:
            raise OSError(f"{error}") from error


class Page(threading.Thread):
    """An open page: it listens, and asks again for as long as it is open."""

    def __init__(self, caller: Caller) -> None:
        super().__init__(daemon=True)
        self.queue: Mapping[str, Any] = {}
        self._caller, self._is_open = caller, True

    def run(self) -> None:
        while self._is_open:
            with suppress(*_LOST), self._caller.events() as stream:
                self._listen(stream)
            time.sleep(_LOOK)

    def _listen(self, stream: http.client.HTTPResponse) -> None:
        event = b""
        while self._is_open and (line := stream.readline()):
            if line.startswith(b"event: "):
                event = line.removeprefix(b"event: ").strip()
            elif line.startswith(b"data: ") and event == b"queue":
                self.queue = json.loads(line.removeprefix(b"data: "))

    def close(self) -> None:
        self._is_open = False


def free_port() -> int:
    """Return a port that nobody has, and that no other studio and no connection will be given."""
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)):
                return port
    raise OSError("no port is free")


class Watched:
    """A queue that the runner of a studio works through while a page is open."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._port = free_port()
        self._server = self._start()
        self._kept = self._wait_until_open()
        self._page = Page(Caller(kept=self._kept))
        self._page.start()

    def _start(self) -> subprocess.Popen[bytes]:
        return self.bench.start("studio", "--no-browser", "--port", f"{self._port}")

    def runner(self) -> psutil.Process | None:
        """Return the runner, if there is one now."""
        return next(iter(self.bench.with_word("queue")), None)

    def is_over(self) -> bool:
        """Whether all is done, and the runner has gone."""
        is_over = all(one.state.is_over for one in self.bench.store.read().entries)
        return is_over and self.runner() is None

    def pause(self) -> None:
        """Pause and resume, as a person at the page does."""
        self._ask("POST", "/api/queue/pause")
        until = time.monotonic() + _PATIENCE
        while self.bench.store.is_running and time.monotonic() < until:
            time.sleep(_LOOK)
        self._ask("POST", "/api/queue/resume")

    def cancel(self, number: str) -> bool:
        """Cancel an entry, unless it has ended a moment ago."""
        try:
            self._ask("POST", f"/api/queue/{number}/cancel")
        except OSError:
            return False
        return True

    def retry(self, number: str) -> None:
        """Do an entry again."""
        self._ask("POST", f"/api/queue/{number}/retry")

    def go_on(self) -> None:
        """Do nothing: the server starts a runner anew where one was killed."""

    def kill_server(self, seconds: float) -> Iterator[str]:
        """Kill the server, and start it again after a while; yield what is not as it was."""
        before, runner = self._ask("GET", "/api/queue"), self.runner()
        self._server.send_signal(signal.SIGKILL)
        self._server.wait()
        if runner and not (_is_alive(runner) or self.is_over()):
            yield "the runner has gone with the server"
        time.sleep(seconds)
        self._server = self._start()
        kept, self._kept = self._kept, self._wait_until_open()
        if kept != self._kept:
            yield "the page would have to be opened anew"
        yield from self._compare(before)

    def _compare(self, before: Mapping[str, Any]) -> Iterator[str]:
        signer = Signer(key=self._kept.secret)
        keeper = Keeper(store=self.bench.store, start=lambda: None)
        lineup = Lineup(store=self.bench.store, signer=signer, keeper=keeper, toolchain="tested")
        until = time.monotonic() + _PATIENCE
        while True:  # the runner goes on meanwhile: what is compared is a moment of which both told
            there, shown, still = lineup.queue(), self._ask("GET", "/api/queue"), lineup.queue()
            if _lasting(there) == _lasting(still):
                break
            if time.monotonic() > until:
                yield "the queue never was the same for the time of two looks"
                return
        if told := differing(_lasting(there), _lasting(shown)):
            yield f"the server shows another queue than is there: {told}"
        yield from differences(before, shown)

    def _ask(self, method: str, path: str) -> Any:
        return Caller(kept=self._kept).ask(method, path)

    def _wait_until_open(self) -> Kept:
        """Wait until the server has proved itself; return what it keeps."""
        until = time.monotonic() + _PATIENCE
        while True:
            kept = read_kept(self.bench.store.folder / NAME)
            try:
                Caller(kept=kept).ask("GET", "/api/state")
            except _LOST:
                if time.monotonic() > until:
                    raise
                time.sleep(_LOOK)
                continue
            return kept

    def close(self) -> Iterator[str]:
        """End the server, as a person does; yield what its page was not told."""
        until = time.monotonic() + _PATIENCE
        while (missed := self._missed()) and time.monotonic() < until:
            time.sleep(_LOOK)
        if missed:
            yield f"the page was not told that {missed}"
        self._page.close()
        self._server.terminate()
        self._server.wait()

    def _missed(self) -> str:
        told = {one["id"]: one["state"] for one in self._page.queue.get("entries", ())}
        there = {one.id: one.state.value for one in self.bench.store.read().entries}
        return ", ".join(
            f"{one} is {state}" for one, state in there.items() if told.get(one) != state
        )


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a server no longer offers that one before it did, while nobody changed a queue."""
    old, new = before["entries"], after["entries"]
    if [one["id"] for one in old] != [one["id"] for one in new]:
        yield "other entries, or in another order"
        return
    for one, other in zip(old, new, strict=True):
        names = one.keys() if one["state"] in _SETTLED else _FIXED
        kept = ({name: entry.get(name) for name in names} for entry in (one, other))
        if changed := differing(*kept):
            yield f"entry {one['id']} has another {changed}"
    if before["is_paused"] != after["is_paused"]:
        yield "the pause switch"


def _lasting(queue: Mapping[str, Any]) -> Mapping[str, object]:
    """Return what stays while nobody changes a queue and no entry begins or ends, by names."""
    found: dict[str, object] = {"is_paused": queue["is_paused"]}
    for place, one in enumerate(queue["entries"]):
        kept = one.keys() - _FLEETING - _SPELLED
        found |= {f"{place}: {name}": one[name] for name in kept}
    return found


def differing(one: Mapping[str, object], other: Mapping[str, object]) -> str:
    """Return the names whose values differ."""
    names = one.keys() | other.keys()
    return ", ".join(sorted(name for name in names if one.get(name) != other.get(name)))


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
