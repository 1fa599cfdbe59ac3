"""Keeps a Mac from going to sleep, for want of anybody at it, while a process works."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

TOOL = "caffeinate"
"""Apple's own: `-i` prevents idle sleep, `-w` ends it with a process. Other systems lack it."""


@contextmanager
def awake() -> Iterator[None]:
    """Keep this machine awake while the block runs, or this process, if it has Apple's tool."""
    tool = shutil.which(TOOL)
    if tool is None:
        yield
        return
    process = None
    with suppress(OSError):
        process = subprocess.Popen(
            [tool, "-i", "-w", f"{os.getpid()}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        yield
    finally:
        if process:
            process.terminate()
            process.wait()
