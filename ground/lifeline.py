"""Lets a process end with the one that started it, even if that one is killed.

The starter gives it a pipe as stdin, and writes nothing into it. The system closes the pipe when
the starter ends, however it ends; then the process terminates itself, and cleans up as it does when
it is told to.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress

VARIABLE = "SDCOREML_ENDS_WITH_STDIN"
"""The environment variable by which a starter asks for it; the process's children do not get it."""


def end_with_starter() -> None:
    """Terminate this process when its stdin closes, if its starter has asked for that."""
    if os.environ.pop(VARIABLE, ""):
        threading.Thread(target=_wait_and_end, args=(sys.stdin.fileno(),), daemon=True).start()


def _wait_and_end(stdin: int) -> None:
    with suppress(OSError):
        while os.read(stdin, 1 << 16):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
