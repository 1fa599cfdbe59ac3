"""The child process that is a member of a Dask cluster: a request on stdin, JSON lines on stdout.

It is run with the Python of the folder that has Dask. Members send each other functions of
`working` by name, and plain data. Whatever a member does ends when its stdin closes, so it never
outlives its parent, even if that is killed.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping

from sdcoreml.envs.cluster.coordinating import coordinate
from sdcoreml.envs.cluster.scheduling import certify, schedule
from sdcoreml.envs.cluster.speaking import Request, await_end, configure, greet, say
from sdcoreml.envs.cluster.working import decline, work


def serve() -> None:
    """Read the request from stdin, and do what it says until that ends, or stdin is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which closes stdin
    logging.disable(logging.CRITICAL)
    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=await_end, daemon=True).start()
    try:
        configure()
        ROLES[request["do"]](request)
    except Exception as error:  # noqa: BLE001  Dask's errors have no base of their own
        cause: BaseException = error
        while cause.__cause__:  # Dask says only that something failed
            cause = cause.__cause__
        said = str(getattr(cause, "strerror", None) or cause).strip().partition("\n")[0]
        say(error=said or type(cause).__name__, kind=type(error).__name__)
    sys.stdout.flush()
    os._exit(0)  # threads of Dask may wait for others


ROLES: Mapping[str, Callable[[Request], None]] = {
    "certify": certify,
    "schedule": schedule,
    "work": work,
    "decline": decline,
    "coordinate": coordinate,
    "greet": greet,
}
