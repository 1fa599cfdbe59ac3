"""The server as a process: signals, a crash and a new start, and what no HTTP client would send."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from sdcoreml.doctor.studio.bounds import Bounded
from sdcoreml.doctor.studio.kept import Kept, keep, sole_studio
from sdcoreml.doctor.studio.proof import Secret
from sdcoreml.doctor.studio.serve import Server, ask_ticket, find_other, listen
from sdcoreml.ground.errors import BusyError
from tests.doctor.studio.test_kept import KEPT


class Running:
    """A studio in a process of its own."""

    def __init__(self, folder: Path, *words: str, browser: Path | None = None) -> None:
        environ = {**os.environ, "SDCOREML_QUEUE": os.fspath(folder / "queue")}
        environ |= {"BROWSER": os.fspath(browser)} if browser else {}
        command = [sys.executable, "-m", "sdcoreml", "studio", *words]
        command += [] if browser else ["--no-browser"]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environ, "PYTHONPATH": os.fspath(Path(__file__).parents[3])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.first = self.process.stdout.readline()
        self.base, _, said = self.first.split()[-1].partition("/?")
        self.token = said.partition("#")[2]
        self.port = int(self.base.rpartition(":")[2] or 0)

    def get_access(self, token: str = "") -> str:
        """Have the server prove itself; return the pass to it."""
        _, told = self.ask("GET", "/api/proof?nonce=literal-nonce-0123")
        secret = Secret(token=token or self.token, life=told["id"])
        assert secret.is_proved("literal-nonce-0123", told["proof"]) or token
        return secret.access

    def get(self, path: str, token: str = "") -> tuple[int, Any]:
        """Ask for an answer as the page does; return its status and data."""
        return self.ask("GET", path, self.get_access(token))

    def ask(self, method: str, path: str, bearer: str = "") -> tuple[int, Any]:
        """Ask for an answer; return its status and data."""
        asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            said = {"Authorization": f"Bearer {bearer}"} if bearer else {}
            asked.request(method, path, headers=said)
            answer = asked.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            asked.close()

    @property
    def login(self) -> bytes:
        """The headers of the own page."""
        access = self.get_access()
        return f"Host: 127.0.0.1:{self.port}\r\nAuthorization: Bearer {access}\r\n".encode()

    def listen(self) -> socket.socket:
        """Open the stream of events; return its connection, with the first event waiting."""
        connection = self.connect()
        connection.sendall(b"GET /api/events HTTP/1.1\r\n" + self.login + b"\r\n")
        said = b""
        while b"event: queue" not in said:
            part = connection.recv(65536)
            assert part, said
            said += part
        return connection

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=120)

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal; return the exit code and what was said on stderr."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=120)
        return self.process.returncode, err


@contextmanager
def running(folder: Path, *words: str, browser: Path | None = None) -> Iterator[Running]:
    found = Running(folder, *words, browser=browser)
    with found.process:  # its pipes are closed at the end
        try:
            yield found
        finally:
            if found.process.poll() is None:
                found.process.kill()


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, 130, "interrupted; nothing half-made was left\n"),
        (signal.SIGTERM, 143, "terminated; nothing half-made was left\n"),
        (signal.SIGHUP, 129, "the terminal was closed; nothing half-made was left\n"),
    ],
)
def test_a_signal_ends_it_as_every_command_even_while_a_page_listens(
    tmp_path: Path, number: int, code: int, said: str
) -> None:
    with running(tmp_path, "--port", "0") as studio:
        assert studio.first.startswith("the studio is open at http://127.0.0.1:")
        with studio.listen() as page:
            assert studio.end(number) == (code, said)
            while page.recv(65536):  # the answer ends, it is not cut off
                pass
    kept = json.loads((tmp_path / "queue" / "studio" / "studio.json").read_text())
    assert kept == {"port": studio.port, "token": "", "key": ""}


def test_a_page_goes_on_after_a_crash_and_there_is_one_studio(tmp_path: Path) -> None:
    with running(tmp_path, "--port", "0") as first:
        old, (_, found) = first.get_access(), first.get("/api/folders")
        with running(tmp_path) as second:
            assert second.first.startswith("the studio is open already: ")
            assert (second.base, second.token) == (first.base, first.token)
            assert second.process.wait(120) == 0
        assert first.get("/api/state")[1]["queue"]["entries"] == []
        first.process.kill()
        first.process.wait()
        with running(tmp_path) as again:
            assert (again.port, again.token) == (first.port, first.token)
            handle = found["items"][0]["handle"]
            assert again.ask("GET", "/api/state", old)[0] == 401, "a pass is good for one life"
            status, listed = again.get(f"/api/folders?handle={handle}", first.token)
            assert (status, listed["handle"]) == (200, handle)
            again.end(signal.SIGTERM)
        with running(tmp_path) as new:
            assert new.port == first.port
            assert new.get("/api/state", first.token)[0] == 401


def test_what_nobody_needs_any_more_is_removed_at_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "queue" / "studio"
    old, new = (folder / "drops" / (letter * 32) for letter in "ab")
    picture = folder / "pictures" / f"{'c' * 32}.png"
    for path in (old, new, picture.parent):
        path.mkdir(parents=True)
    os.utime(old, (0, 0))
    picture.write_bytes(b"\x89PNG")
    with running(tmp_path, "--port", "0") as studio:
        assert studio.get("/api/state")[0] == 200
        assert (old.exists(), new.exists(), picture.exists()) == (False, True, False)


def test_a_browser_is_started_with_a_ticket_and_not_with_the_token(tmp_path: Path) -> None:
    opened, browser = tmp_path / "opened", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> "{opened}"\n')
    browser.chmod(0o755)
    with running(tmp_path, "--port", "0", browser=browser) as studio:
        assert studio.get("/api/state")[0] == 200  # it serves once the browser was started
        with running(tmp_path, browser=browser) as second:
            assert second.process.wait(120) == 0
        until = time.monotonic() + 120  # both are started beside what was waited for
        while not opened.exists() or opened.read_text().count("\n") < 2:
            assert time.monotonic() < until
            time.sleep(0.05)
        addresses = opened.read_text().splitlines()
        assert len({*addresses}) == 2
        for address in addresses:
            base, _, told = address.partition("/?")
            ticket = told.partition("#")[2]
            assert (base, ticket.startswith("once-")) == (studio.base, True)
            assert studio.token not in address
            assert studio.ask("POST", "/api/token", ticket) == (200, {"token": studio.token})
            assert studio.ask("POST", "/api/token", ticket)[0] == 401


RUBBISH = (
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET http://evil.example/api/state HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"b" * 100_000 + b"\r\n\r\n",
    b"POST /api/state HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /api/state HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    b"POST /api/state HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /api/events HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
)


def test_what_is_no_http_and_who_goes_away_harms_nobody(tmp_path: Path) -> None:
    with running(tmp_path, "--port", "0") as studio:
        for sent in RUBBISH:
            with studio.connect() as connection:
                said = b""
                with suppress(OSError):  # it may have closed the connection by now
                    connection.sendall(sent)
                    connection.shutdown(socket.SHUT_WR)
                    while part := connection.recv(65536):
                        said += part
                assert not said or 400 <= int(said.split()[1]) < 500, sent[:60]
        begun = b" HTTP/1.1\r\n" + studio.login + b"Content-Length: "
        for path in (b"POST /api/examine", b"PUT /api/drop/" + b"a" * 32, b"GET /api/events"):
            with studio.connect() as connection:  # and is closed in the middle of a body
                connection.sendall(path + begun + b"999\r\n\r\nab")
        with studio.connect() as connection:  # a body that is too large is refused before it came
            connection.sendall(b"POST /api/examine" + begun + b"99999999\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 413")
            with suppress(OSError):  # it may have closed the connection by now
                connection.sendall(b" " * 200_000)
        assert studio.get("/api/state")[1]["queue"]["entries"] == []
        code, err = studio.end(signal.SIGTERM)
        assert (code, err) == (143, "terminated; nothing half-made was left\n")


def test_it_says_nothing_of_itself_and_believes_no_header() -> None:
    """A request's head is bounded, too."""

    async def app(*_: object) -> None: ...

    config = Server(app, lambda: None).config
    assert config.app is app
    assert (config.http, config.ws, config.lifespan, config.loop) == (
        *(Bounded, "none", "off", "asyncio"),
    )
    assert (config.log_config, config.log_level, config.access_log) == (None, "critical", False)
    assert not any((config.date_header, config.server_header, config.proxy_headers))
    assert config.h11_max_incomplete_event_size == 32_768
    assert config.timeout_graceful_shutdown == 3


def test_it_listens_on_this_machine_alone(tmp_path: Path) -> None:
    with running(tmp_path, "--port", "0") as studio:
        found = psutil.Process(studio.process.pid).net_connections()
        listening = [one.laddr for one in found if one.status == psutil.CONN_LISTEN]
        assert listening == [("127.0.0.1", studio.port)]


def test_the_queue_s_folder_is_its_user_s_alone(tmp_path: Path) -> None:
    with running(tmp_path, "--port", "0"):
        for folder in (tmp_path / "queue", tmp_path / "queue" / "studio"):
            assert folder.stat().st_mode & 0o777 == 0o700


def test_a_port_that_is_taken_is_told_if_it_was_asked_for() -> None:
    with listen(0, 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(BusyError, match="the port is taken"), listen(port, 0):
            pass
        with listen(None, port) as other:
            assert other.getsockname()[1] != port


def test_after_a_crash_another_port_has_another_token(tmp_path: Path) -> None:
    with running(tmp_path, "--port", "0") as first:
        first.process.kill()
        first.process.wait()
    with listen(first.port, 0), running(tmp_path) as second:  # as another user of the machine
        assert second.port != first.port
        assert second.token != first.token
        assert second.get("/api/state", first.token)[0] == 401


class Moments:
    """A clock that goes on only while somebody waits; at `end`, something happens."""

    def __init__(self, end: float, happen: Callable[[], object]) -> None:
        self.now, self.end, self.happen = 0.0, end, happen

    def pause(self, seconds: float) -> None:
        before, self.now = self.now, self.now + seconds
        if before < self.end <= self.now:
            self.happen()


@pytest.mark.parametrize(("seconds", "is_told"), [(1.0, False), (9.0, True)])
def test_a_studio_that_is_ending_is_waited_for(
    tmp_path: Path,
    seconds: float,
    is_told: bool,  # noqa: FBT001
) -> None:
    said: list[str] = []
    with ExitStack() as other, sole_studio(tmp_path) as take:
        assert other.enter_context(sole_studio(tmp_path))()
        moments = Moments(seconds, other.close)
        found = find_other(tmp_path, take, said.append, lambda: moments.now, moments.pause)
        assert found is None
        assert seconds <= moments.now < seconds + 1
    assert bool(said) is is_told


def test_one_that_does_not_answer_is_an_error_and_its_token_opens_nothing(tmp_path: Path) -> None:
    with listen(0, 0) as silent:
        port = silent.getsockname()[1]
    keep(tmp_path, replace(KEPT, port=port))
    for kept in (Kept(), Kept(port=port), replace(KEPT, port=port)):
        assert ask_ticket(kept) == ""
    said: list[str] = []
    moments = Moments(99.0, said.clear)
    with (
        sole_studio(tmp_path) as first,
        sole_studio(tmp_path) as take,
        pytest.raises(BusyError, match="does not answer"),
    ):
        assert first()
        find_other(tmp_path, take, said.append, lambda: moments.now, moments.pause)
    assert said == ["another studio of this queue is starting or ending: waiting for it"]


def test_whoever_has_the_port_and_not_the_token_is_told_nothing() -> None:
    said: list[bytes] = []

    def pretend(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            said.append(connection.recv(65536))
            body = b'{"id": "made-up", "proof": "made-up", "ticket": "once-made-up"}'
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    with listen(0, 0) as other:
        thread = threading.Thread(target=pretend, args=(other,))
        thread.start()
        assert ask_ticket(replace(KEPT, port=other.getsockname()[1])) == ""
        thread.join()
    assert said[0].startswith(b"GET /api/proof?nonce=")
    assert KEPT.token.encode() not in said[0]
    assert b"uthorization" not in said[0]
