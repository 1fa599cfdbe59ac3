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
def awake() -> Iterator[int | None]:
    """Keep this machine awake while the block runs; yield the id of the process that does it."""
    process, tool = None, shutil.which(TOOL)
    with suppress(OSError):
        process = tool and subprocess.Popen(
            [tool, "-i", "-w", f"{os.getpid()}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        yield process.pid if process else None
    finally:
        if process:
            process.terminate()
            process.wait()
