"""A process that has imported torch, and forks where a test would start a child of a `Worker`.

Those imports take 3 to 6 seconds of CPU in each child: more than the work on a tiny model. A
`Worker` with `launch=program_of(...)` starts a small process that hands its open files and its
environment to the server, waits, and ends as the fork did: with its exit code, or of its signal.
So everything of `Worker` is in use: files, environment, watch, time limit, and the child's end.

This file is also the server, which the built environment's Python runs as a script.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "sdcoreml"

TASKS = tuple(f"sdcoreml.convert.tasks.{name}" for name in ("build", "check", "draw", "siblings"))
"""What the server imports, as far as its environment can: `light` has no torch."""

LIBRARIES = ("coremltools", "diffusers.models", "transformers.models.clip.modeling_clip")
"""What the tasks import when they first need it. A server whose children have a stand-in for
coremltools leaves out coremltools."""

_CLIENT = """\
import json, os, signal, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    request = json.dumps([{code!r}, sys.argv[1:], dict(os.environ)]).encode()
    socket.send_fds(server, [len(request).to_bytes(8, "big")], [0, 1, 2])
    server.sendall(request)
    for number in (0, 1, 2):
        os.close(number)
    code = int(server.recv(16) or b"70")
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""
_SECONDS = 120.0
"""The time limit in seconds for the imports, on a busy machine."""


def program_of(address: str, code: str) -> str:
    """Return a program for `Worker.launch` that runs `code` in a fork of the server."""
    return _CLIENT.format(address=address, code=code)


@contextmanager
def fork_server(python: Path, libraries: Sequence[str] = LIBRARIES) -> Iterator[str]:
    """Run the server with the interpreter `python` during the block; yield its address.

    Raises:
        RuntimeError: the server has ended, or does not listen in time.
    """
    with tempfile.TemporaryDirectory(prefix="forks-") as folder:
        address = f"{folder}/listening"
        environ = {
            **{name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ},
            # A thread of the server would not be in its forks; libraries read these on import.
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
            **dict.fromkeys(("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"), "1"),
            "HF_HOME": f"{folder}/huggingface",
            "TMPDIR": folder,
        }
        process = subprocess.Popen(
            [python, "-I", "-B", __file__, address, *libraries],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait(process, Path(address))
            yield address
        finally:
            process.kill()
            process.communicate()


def _wait(process: subprocess.Popen[bytes], address: Path) -> None:
    end = time.monotonic() + _SECONDS
    while not address.exists():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError("the built environment does not start")
        time.sleep(0.05)


def _import_package() -> None:
    spec = importlib.util.spec_from_file_location(
        "sdcoreml", PACKAGE / "__init__.py", submodule_search_locations=[os.fspath(PACKAGE)]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules["sdcoreml"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["sdcoreml"])


def _serve(address: str, libraries: Sequence[str]) -> None:
    """Import, then answer each connection with a fork, until stdin closes."""
    _import_package()
    for name in (*libraries, *TASKS):
        with suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a collection in a fork would copy every page of what is imported
    signal.signal(signal.SIGCHLD, _reap)
    with socket.socket(socket.AF_UNIX) as listening:
        aside = f"{address}-aside"
        listening.bind(aside)
        listening.listen()
        Path(aside).rename(address)  # who sees it can connect
        while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:
            client, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _attend(client)
            client.close()


def _reap(*_: object) -> None:
    """Forget the forks that have ended; their CPU time counts as this process's."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _attend(client: socket.socket) -> None:
    """Run one request in a fork of this process, and tell the client how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, files, _, _ = socket.recv_fds(client, 8, 3)
    with client.makefile("rb") as stream:
        code, arguments, environ = json.loads(stream.read(int.from_bytes(head, "big")))
    child = os.fork()
    if child == 0:
        client.close()
        _run(code, arguments, environ, files)
    for number in (0, 1, 2, *files):
        os.close(number)

    def watch() -> None:
        client.recv(1)  # nothing comes: the client has ended, as by its `Worker`
        os.kill(child, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
    _, status = os.waitpid(child, 0)
    with suppress(OSError):
        client.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _run(code: str, arguments: list[str], environ: dict[str, str], files: list[int]) -> None:
    """Become what `python -c CODE ARGUMENTS` would be."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environ)
    tempfile.tempdir = None  # that of the server
    sys.argv = ["-c", *arguments]
    status = 1
    try:
        exec(code, {"__name__": "__main__"})  # noqa: S102  the test's own program
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException as error:  # noqa: BLE001  told as Python itself would
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2:])
