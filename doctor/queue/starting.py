"""Starts the runner of a queue apart from whoever asks for it, and finds out what to start."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sdcoreml.doctor.queue.store import VARIABLE, Store
from sdcoreml.ground.advice import TOOL
from sdcoreml.ground.refusals import translate_os_errors

LOG = "runner.log"
"""The file in a queue's folder with what its runner has said last."""

_CODE = "import sys; del sys.path[0]; from sdcoreml.__main__ import main; sys.exit(main())"
"""What `python -m sdcoreml` does, but without importing from the current folder."""


def this_program() -> tuple[str, ...]:
    """Return the command that starts this tool again, from any folder."""
    script = Path(sys.argv[0]).absolute()
    if script.name == TOOL and script.is_file() and os.access(script, os.X_OK):
        return (os.fspath(script),)
    return (sys.executable, "-c", _CODE)


def begin_log(store: Store, handle: int = 1) -> None:
    """Empty the log if what this process prints goes there: only the runner knows that it is it."""
    with suppress(OSError):
        if os.path.samestat(os.fstat(handle), (store.folder / LOG).stat()):
            os.ftruncate(handle, 0)


def start_runner(store: Store, program: Sequence[str]) -> None:
    """Start a runner in a session of its own, if something waits; it ends if there is another.

    Raises:
        SdcoremlError: the queue's folder cannot be written.
    """
    queue = store.read()
    if queue.is_paused or all(entry.state.is_over for entry in queue.entries):
        return
    with store.changing(), translate_os_errors(store.folder):
        log = os.open(store.folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            [*program, "queue", "run"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=store.folder,
            env={**os.environ, VARIABLE: os.fspath(store.folder)},
            start_new_session=True,
        )
    finally:
        os.close(log)
    # Somebody has to ask how it ended, or the system remembers it for as long as we run.
    threading.Thread(target=process.wait, daemon=True).start()
