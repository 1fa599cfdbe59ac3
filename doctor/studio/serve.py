"""Serves the page until it is ended: a port on loopback, and a state that outlives a crash."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from sdcoreml.doctor.core.backend import default_toolchain
from sdcoreml.doctor.queue.starting import start_runner, this_program
from sdcoreml.doctor.queue.store import Store
from sdcoreml.doctor.studio.app import make_app, make_feed
from sdcoreml.doctor.studio.bench import Bench
from sdcoreml.doctor.studio.bounds import Bounded
from sdcoreml.doctor.studio.gate import PROOF, App
from sdcoreml.doctor.studio.kept import LOCK, Kept, forget, keep, read_kept, renew, sole_studio
from sdcoreml.doctor.studio.proof import Secret, make_nonce
from sdcoreml.doctor.studio.refusals import AbsentError
from sdcoreml.doctor.studio.running import NAME, make_studio
from sdcoreml.ground.documents import parse_json
from sdcoreml.ground.errors import BadInputError, BusyError, ExitCode

LOOPBACK = "127.0.0.1"
PORTS = range(7523, 7543)
"""The ports of studios: a later one has the port of the one before, so that its page goes on.

They are below those that systems give away to whoever connects to something.
"""

_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
"""Variables of which one is set where a browser can show a page."""

_GRACE = 3
"""Seconds that answers on their way get at the end."""

_PATIENCE, _SILENT, _LOOK = 10.0, 2.0, 0.2
"""Seconds that another studio gets to start or to end, of which the first ones are not told, and
those between two looks."""

_LONGEST = 64 << 10
"""The most bytes of another studio's answer: whoever has its port is not known yet."""

_HEADERS = 32 << 10
"""The most bytes of a request's head: the longest handle has 6 kB."""

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def serve(
    store: Store, port: int | None, open_page: Callable[[str], object], say: Callable[[str], None]
) -> int:
    """Serve the page of a queue's studio; if it has one already, open that one's page.

    `say` tells the person where it is. It ends by a signal only, which then ends
    the process as it ends other commands.

    Raises:
        BusyError: the chosen port is taken, or another studio has the queue and does not answer.
    """
    folder = store.folder / NAME
    with store.changing():  # it makes the queue's folder, for its user alone
        pass
    with sole_studio(folder) as take:
        if other := find_other(folder, take, say):
            say(f"the studio is open already: {other.kept.address()}")
            open_page(other.address)
            return ExitCode.FINE
        kept = read_kept(folder)
        with listen(port, kept.port) as listener:
            kept = renew(kept, listener.getsockname()[1])
            keep(folder, kept)
            studio = make_studio(
                store,
                kept.secret,
                Bench(Path.cwd(), default_toolchain()),
                start=lambda: start_runner(store, this_program()),
                launch=launch,
            )
            feed = make_feed(studio)
            say(f"the studio is open at {kept.address()}")
            say("Ctrl-C ends it; conversions that have begun go on")
            app = make_app(studio, feed, port=kept.port, secret=Secret(token=kept.token))
            server = Server(app, feed.close)
            studio.sweep()
            studio.lineup.queue()  # what a crash has stopped goes on
            address = kept.address(studio.tickets.issue())
            threading.Thread(target=open_page, args=(address,), daemon=True).start()
            server.run(sockets=[listener])
            studio.close()
        _end(folder, kept, server.came)
    return ExitCode.FINE


def _end(folder: Path, kept: Kept, came: Sequence[int]) -> None:
    """Forget the secrets, then let the signal do what it does to every command."""
    forget(folder, kept)
    for number in came[:1]:
        os.kill(os.getpid(), number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """The studio that is open already, and the address with a ticket of its page."""

    kept: Kept
    address: str


def find_other(
    folder: Path,
    take: Callable[[], bool],
    say: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Other | None:
    """Return the studio that is open; `None` once its lock is ours, which `take` tries to take.

    One that is just starting or ending holds the lock, too, but has no page to open: it is waited
    for.

    Raises:
        BusyError: there is one, and it does not answer.
    """
    begun, is_told = clock(), False
    while not take():
        kept = read_kept(folder)
        if ticket := ask_ticket(kept):
            return Other(kept=kept, address=kept.address(ticket))
        waited = clock() - begun
        if waited >= _PATIENCE:
            raise BusyError(
                "another studio of this queue is running, and does not answer",
                where=folder / LOCK,
                remedy="end the process that has this file open, and start again",
            )
        if waited >= _SILENT and not is_told:
            say("another studio of this queue is starting or ending: waiting for it")
            is_told = True
        pause(_LOOK)
    return None


def ask_ticket(kept: Kept) -> str:
    """Ask the studio that is open for a ticket; return "" without an answer, or without its proof.

    The token is no replacement: other users could read it among the arguments of the browser.
    """
    if not (kept.port and kept.token):
        return ""
    nonce = make_nonce()
    told = _ask(kept.port, "GET", f"{PROOF}?nonce={nonce}")
    secret = Secret(token=kept.token, life=told.get("id", ""))
    if not secret.is_proved(nonce, told.get("proof", "")):
        return ""
    return _ask(kept.port, "POST", "/api/ticket", secret.access).get("ticket", "")


def _ask(port: int, method: str, path: str, access: str = "") -> Mapping[str, str]:
    """Return the texts of an answer; none without one."""
    asked = http.client.HTTPConnection(LOOPBACK, port, timeout=_GRACE)
    try:
        asked.request(method, path, headers={"Authorization": f"Bearer {access}"} if access else {})
        content = parse_json(asked.getresponse().read(_LONGEST))
    except (OSError, http.client.HTTPException, BadInputError):
        return {}
    finally:
        asked.close()
    found = content.items() if isinstance(content, dict) else ()
    return {name: said for name, said in found if isinstance(said, str)}


def open_in_browser(address: str) -> None:
    """Open the page in the person's browser; where there is none, its address was printed.

    Without a screen a browser would be one of text, which takes the terminal and shows nothing.
    """
    if sys.platform == "darwin" or any(os.environ.get(name) for name in _SCREENS):
        webbrowser.open(address)


def launch(words: Sequence[str]) -> None:
    """Start another program, such as the Finder, and leave it alone.

    Raises:
        AbsentError: this machine has no such program.
    """
    quiet = subprocess.DEVNULL
    try:
        process = subprocess.Popen(
            words, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
        )
    except OSError:
        raise AbsentError(
            f"this machine has no program {words[0]}", remedy="copy the path, and open it yourself"
        ) from None
    threading.Thread(target=process.wait, daemon=True).start()  # or the system remembers it


@contextmanager
def listen(port: int | None, last: int) -> Iterator[socket.socket]:
    """Listen on loopback: on the chosen port, else that of the last studio, else a free one.

    Raises:
        BusyError: the chosen port is taken.
    """
    wanted = [port] if port is not None else [*([last] if last else []), *PORTS, 0]
    for one in wanted:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, one))
            listener.listen()  # a browser that is quicker than the server waits
        except OSError:
            listener.close()
            continue
        with listener:
            yield listener
        return
    raise BusyError(
        "the port is taken, or may not be used",
        where=f"{LOOPBACK}:{port}",
        remedy="choose another: `sdcoreml studio --port 0` takes a free one",
    )


class Server(uvicorn.Server):
    """uvicorn, which wakes up only when something happens, and ends as our commands end."""

    def __init__(self, app: App, end_answers: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Bounded,
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",  # what somebody sends that is no HTTP is no news
                access_log=False,
                date_header=False,
                server_header=False,
                proxy_headers=False,  # nobody stands before it, whatever a header says
                h11_max_incomplete_event_size=_HEADERS,
                timeout_graceful_shutdown=_GRACE,
            )
        )
        self.came: list[int] = []
        self._end_answers = end_answers
        self._ending: asyncio.Event | None = None

    async def main_loop(self) -> None:
        """Wait for a signal; uvicorn itself would look ten times a second whether it should end."""
        await self.on_tick(0)
        if self._ending is not None:
            await self._ending.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End the loop at a signal, which the process gets once all is put away."""
        loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        before: dict[int, Any] = {number: signal.getsignal(number) for number in ENDINGS}
        heard = [number for number in ENDINGS if before[number] is not signal.SIG_IGN]
        for number in heard:
            loop.add_signal_handler(number, self._note, number)
        try:
            yield
        finally:
            for number in heard:
                loop.remove_signal_handler(number)
                signal.signal(number, before[number])

    def _note(self, number: int) -> None:
        self.force_exit = bool(self.came)
        self.came.append(number)
        self.should_exit = True
        self._end_answers()
        if self._ending is not None:
            self._ending.set()
