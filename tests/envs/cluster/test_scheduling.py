"""A scheduler says who comes, who goes and who declines, and ends with its stdin."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from sdcoreml.envs.cluster import scheduling
from sdcoreml.envs.cluster.scheduling import certify, schedule
from tests.envs.cluster.conftest import Said
from tests.envs.cluster.test_speaking import REQUEST, SECURITY


def test_a_new_certificate_has_its_key(calls: list[tuple[str, Any]], said: Said) -> None:
    certify({})
    assert calls == []
    assert said() == [{"certificate": "CERTIFICATE", "key": "KEY"}]


def test_who_comes_and_goes_is_said(
    calls: list[tuple[str, Any]], said: Said, ended: threading.Event
) -> None:
    ended.set()
    schedule({**REQUEST, "host": "", "port": 8786})
    options = {
        "host": None,
        "port": 8786,
        "protocol": "tls",
        "security": SECURITY,
        "dashboard": False,
        "dashboard_address": "127.0.0.1:0",
    }
    assert calls == [("Scheduler", options)]
    assert said() == [
        {"joined": "mac"},
        {"declined": {"worker": "mac", "because": "no"}},
        {"left": "mac"},
        {"left": "tls://2"},
        {"address": "tls://192.0.2.1:8786", "process": os.getpid()},
    ]
    schedule({**REQUEST, "host": "192.0.2.1", "port": 1})
    assert calls[-1] == ("Scheduler", {**options, "host": "192.0.2.1", "port": 1})


class Ended(threading.Event):
    """Tells when somebody waits for the end of stdin."""

    def __init__(self) -> None:
        super().__init__()
        self.awaited = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end."""
        self.awaited.set()
        return super().wait(timeout)


def test_it_goes_on_until_stdin_is_closed(
    calls: list[tuple[str, Any]], said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    del calls
    ended = Ended()
    monkeypatch.setattr(scheduling, "ENDED", ended)
    thread = threading.Thread(target=schedule, args=({**REQUEST, "host": "", "port": 0},))
    thread.start()
    # What is said is read once: pytest loses a line that is written while it reads.
    assert ended.awaited.wait(60)
    assert any("address" in line for line in said())
    assert thread.is_alive()
    ended.set()
    thread.join(60)
    assert not thread.is_alive()
