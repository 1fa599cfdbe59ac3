from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sdcoreml.envs.processes.reach import why_unreachable


class Answers(BaseHTTPRequestHandler):
    """A server that answers with the status in the path, and `/never` only when the test ends."""

    over = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/never":
            self.over.wait(60)
        self.send_response(int(self.path[1:]) if self.path[1:].isdecimal() else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    # Who waits for `/never` keeps no other test waiting, in whichever order they come.
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    Answers.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("200", ""),
        ("401", ""),
        ("503", ""),
        ("404", "it does not have what is locked (404)"),
    ],
)
def test_only_what_is_not_there_counts_as_unreachable(server: str, path: str, said: str) -> None:
    assert why_unreachable(f"{server}/{path}") == said


def test_nobody_who_answers() -> None:
    assert why_unreachable("http://127.0.0.1:9/x") == "it cannot be reached: Connection refused"


def test_a_folder_is_not_asked() -> None:
    assert why_unreachable("file:///nowhere") == ""


def test_silence_is_not_waited_for(server: str) -> None:
    assert why_unreachable(f"{server}/never", seconds=0.2).startswith("it cannot be reached: ")
