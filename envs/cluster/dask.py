"""Dask, installed only when several machines share a job: starts members of a cluster.

A member is a child process (`envs/cluster/member.py`) that is told on stdin what to be, and
says on stdout what happens. Dask's messages are pickles, so whoever may speak to a member may run
programs as its user. That is why a cluster has a certificate.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

from sdcoreml.envs.cluster.folder import Cluster, Credentials
from sdcoreml.envs.kept import store
from sdcoreml.envs.processes.process import isolate
from sdcoreml.envs.processes.reasons import quote
from sdcoreml.envs.pythons.apart import Group, bring
from sdcoreml.ground.crew import launch
from sdcoreml.ground.errors import EnvError, UnreachableError
from sdcoreml.ground.events import Emit
from sdcoreml.ground.places import PACKAGE
from sdcoreml.lockfiles.toolchain import FOLDER

DASK = Group(
    lock=FOLDER / "host" / "cluster.txt",
    prefix="dask-",
    what="Dask, for several machines (once, 40 MB)",
)

_MEMBER = launch("sdcoreml.envs.cluster.member")
_GRACE = 30.0
"""Seconds in which a member whose stdin is closed must end."""

UNREACHABLE = ("OSError", "TimeoutError", "CommClosedError", "ConnectionRefusedError", "SSLError")
"""The names of errors by which Dask says that nobody answers, or that it is not let in."""

Message = Mapping[str, object]
"""What a member says: JSON values."""


class Members(Protocol):
    """Starts members of clusters: Dask's, or a fake in tests."""

    def take_part(self, cluster: Cluster, **request: object) -> Generator[Message, None, None]:
        """Yield what a member says while it does what `request` asks; ends it at the end.

        Raises:
            UnreachableError: nobody answers at the cluster's address, or lets it in.
            EnvError: the member ended by itself.
        """
        ...


def find_dask(root: Path, emit: Emit) -> Dask:
    """Return Dask, installing it below `root`, the folder of environments, on first use.

    Raises:
        InstallError: it cannot be installed.
    """
    python = root / DASK.folder_name() / "bin" / "python"
    if python.exists():
        return Dask(python=python)
    with store.hold_lock(root, emit) as held:
        return Dask(python=bring(DASK, root, emit, keep=(held,)))


class Dask:
    """Runs members with `python`, the one that has Dask installed."""

    def __init__(self, python: Path) -> None:
        self.python = python

    def certify(self) -> Credentials:
        """Make a new certificate and its key."""
        (made,) = self.take_part(Cluster(address="", folder=Path()), do="certify")
        return Credentials(certificate=str(made["certificate"]), key=str(made["key"]))

    def take_part(self, cluster: Cluster, **request: object) -> Generator[Message, None, None]:
        """Yield what a member says while it does what `request` asks; ends it at the end."""
        told = {**request, **cluster.as_request()}
        with tempfile.TemporaryFile() as stderr, _start(self.python, stderr) as process:
            assert process.stdin is not None  # noqa: S101  it was opened as a pipe
            assert process.stdout is not None  # noqa: S101  it was opened as a pipe
            with suppress(BrokenPipeError):
                process.stdin.write(json.dumps(told).encode() + b"\n")
                process.stdin.flush()
            for line in process.stdout:
                message = json.loads(line)
                if "error" in message:
                    if request["do"] == "schedule":
                        raise _cannot_listen(request, message["error"])
                    raise _meaning(cluster, message["error"], message["kind"])
                yield message
            if process.wait() != 0:
                stderr.seek(0)
                last = stderr.read().decode(errors="replace").strip().rpartition("\n")[2]
                raise EnvError(
                    f"Dask ended with exit code {process.returncode}: {quote(last)}",
                    where=cluster.address,
                    remedy="run this again",
                )


@contextmanager
def _start(python: Path, stderr: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a member; at the end, close its stdin, and kill it if that does not end it.

    It passes the user's variables on to what it starts, but for those that are about Dask.
    """
    command = [*isolate(python), "-B", "-c", _MEMBER, os.fspath(PACKAGE)]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DASK_")}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=environ
    )
    try:
        yield process
    finally:
        for pipe in (process.stdin, process.stdout):
            with suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _meaning(cluster: Cluster, said: str, kind: str) -> EnvError:
    if kind in UNREACHABLE or "SSL" in kind or "timed out" in said.lower():
        return UnreachableError(
            f"no cluster answers, or it does not know this certificate ({quote(said)})",
            where=cluster.address,
            remedy="start one with `sdcoreml worker --new-cluster FOLDER`, and give its FOLDER",
        )
    return EnvError(f"Dask says: {quote(said)}", where=cluster.address, remedy="run this again")


def _cannot_listen(request: Mapping[str, object], said: str) -> EnvError:
    place = f"{request['host'] or '*'}:{request['port']}"
    remedy = "end what listens there, or give another HOST:PORT"
    return EnvError(f"no cluster can listen there ({quote(said)})", where=place, remedy=remedy)
