"""What all members of a Dask cluster do: hear, speak, and show the cluster's certificate."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from distributed import Client, Security

Request: TypeAlias = Mapping[str, Any]
"""A request, a task or an answer: JSON values."""

TOPIC = "sdcoreml"
"""Where the scheduler keeps what workers said that cannot take part."""

PATIENCE = 10.0
"""Seconds in which a scheduler must answer."""

ENDED = threading.Event()
"""Set once stdin is closed."""

_LOCK = threading.Lock()


def await_end() -> None:
    """Set `ENDED` when stdin is closed."""
    while sys.stdin.buffer.read(1 << 16):
        pass
    ENDED.set()


def say(**line: object) -> None:
    """Write one line of JSON to stdout."""
    with _LOCK, suppress(BrokenPipeError):
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def configure() -> None:
    """Set what Dask would do by its own defaults: no page of it is served, and no news are sent."""
    import dask.config

    dask.config.set(
        {
            "distributed.scheduler.http.routes": [],
            "distributed.worker.http.routes": [],
            "distributed.scheduler.worker-ttl": "60s",
            "distributed.comm.timeouts.connect": f"{PATIENCE}s",
            "distributed.comm.retry.count": 0,
            "distributed.admin.system-monitor.gil.enabled": False,
        }
    )


def security(request: Request) -> Security:
    """Return what encrypts a member's connections; each side must show the cluster's certificate.

    There are none without: any user of this machine could run programs as the member's.
    """
    from distributed import Security

    certificate, key = request["certificate"], request["key"]
    roles = ("client", "scheduler", "worker")
    return Security(
        require_encryption=True,
        tls_ca_file=certificate,
        **{f"tls_{role}_cert": certificate for role in roles},
        **{f"tls_{role}_key": key for role in roles},
    )


def connect(request: Request) -> Client:
    """Connect to a cluster as one who gives work."""
    from distributed import Client

    return Client(
        request["address"],
        security=security(request),
        timeout=PATIENCE,
        name=TOPIC,
    )


def greet(request: Request) -> None:
    """Say whether a cluster answers at the address; it is left again."""
    with connect(request):
        say(answers=request["address"])
