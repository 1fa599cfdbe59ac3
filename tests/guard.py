"""Keeps tests from the user's own files, and from every other machine.

A process of tests has a home folder of its own, which must be as empty after each test as before;
children inherit it. Connections leave it only in tests marked `network`.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

STORES = (
    *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"),
    *("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TORCH_HOME"),
)
"""Variables that move a store of the user away from the home folder."""

LENT = (".pyenv", ".rustup", ".gitconfig")
"""What is read in the user's own home folder: other Pythons, the Rust that pip asks for its
version, and a name for commits."""


LOOPBACK = "127.0.0.1,localhost,::1"


@dataclass(kw_only=True)
class Guard:
    """A home folder of the tests' own, and the strange addresses that they reached for."""

    home: Path
    may_reach: bool = False
    reached: list[str] = field(default_factory=list)

    def faults(self) -> list[str]:
        """Return what was written and reached since the last call, and forget it."""
        names = sorted(set(os.listdir(self.home)).difference(LENT))  # noqa: PTH208  it is asked often
        written = [self.home / name for name in names]
        for path in written:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
        found = [f"wrote into the home folder: ~/{path.name}" for path in written]
        found += [f"reached for {address}" for address in self.reached]
        self.reached.clear()
        return found


def make_home(environ: MutableMapping[str, str], folder: Path) -> Path:
    """Make the home folder, and name it in the variables; return its path."""
    own = Path(environ.get("HOME") or os.devnull)
    home = folder / "home"
    home.mkdir()
    for name in LENT:
        if (own / name).exists():
            (home / name).symlink_to(own / name)
    for name in STORES:
        environ.pop(name, None)
    said = environ.get("no_proxy") or environ.get("NO_PROXY")
    for name in (
        "NO_PROXY",
        "no_proxy",
    ):  # servers of the tests' own are reached behind a proxy, too
        environ[name] = ",".join(filter(None, (said, LOOPBACK)))
    environ["HOME"] = os.fspath(home)
    environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # it reaches out from a thread, in any later test
    environ["UV_CACHE_DIR"] = os.fspath(folder / "uv")
    environ["PIP_CACHE_DIR"] = os.fspath(folder / "pip")
    environ["SDCOREML_CACHE"] = os.fspath(folder / "made")
    environ["SDCOREML_QUEUE"] = os.fspath(folder / "queue")
    return home


def is_here(address: object) -> bool:
    """Return True if the address of a socket is a file, or this machine's loopback."""
    if not isinstance(address, tuple):
        return True
    host = str(address[0]).partition("%")[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def watch_sockets(guard: Guard) -> Iterator[None]:
    """Refuse connections to other machines, and the name resolution before them; note them."""
    plain = socket.socket
    kept = {name: getattr(plain, name) for name in ("connect", "connect_ex", "sendto")}
    resolve = socket.getaddrinfo

    def refuse(address: object) -> None:
        if not (guard.may_reach or is_here(address)):
            guard.reached.append(str(address))
            raise ConnectionRefusedError(f"{address}: only a test marked `network` reaches it")

    def watched(name: str) -> Callable[..., Any]:
        def method(self: socket.socket, *words: Any) -> Any:
            refuse(words[-1])
            return kept[name](self, *words)

        return method

    def getaddrinfo(host: Any, *words: Any, **more: Any) -> Any:
        if host:
            refuse((host.decode() if isinstance(host, bytes) else host,))
        return resolve(host, *words, **more)

    with ExitStack() as undone:
        for name in kept:
            undone.enter_context(patch.object(plain, name, watched(name)))
        undone.enter_context(patch.object(socket, "getaddrinfo", getaddrinfo))
        yield


@contextmanager
def guarded_process() -> Iterator[Guard]:
    """Give this process and its children a home folder of the tests' own, and watch its sockets."""
    with tempfile.TemporaryDirectory(prefix="sdcoreml-tests-") as folder:
        guard = Guard(home=make_home(os.environ, Path(folder)))
        with watch_sockets(guard):
            yield guard
