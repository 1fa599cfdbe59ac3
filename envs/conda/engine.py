"""The conda engine: py-rattler, installed only when a conda package is needed.

It takes 80 MB, and builds on a Python of this machine do not need it, so it is not a dependency
of the tool. It is installed once, with locked hashes, into the folder of environments, and run from
there as a child process (`envs/conda/rattler.py`).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Protocol

from sdcoreml.envs.processes.process import clean_environ, isolate
from sdcoreml.envs.processes.reasons import quote
from sdcoreml.envs.pythons.apart import Group, bring
from sdcoreml.ground.codec import from_plain
from sdcoreml.ground.errors import (
    InstallError,
    NoSpaceError,
    SdcoremlError,
    UnreachableError,
)
from sdcoreml.ground.events import Emit
from sdcoreml.lockfiles.artefact import GLIBC, MACOS
from sdcoreml.lockfiles.conda import CondaPackage
from sdcoreml.lockfiles.conda_files import channel_url
from sdcoreml.lockfiles.target import LockTarget
from sdcoreml.lockfiles.toolchain import FOLDER

LOCK = FOLDER / "host" / "conda.txt"
ENGINE = "engine-"
"""The prefix of the names of engines' folders."""

_CHILD = Path(__file__).with_name("rattler.py")
_LOGINS = "RATTLER_AUTH_FILE"
_ENOUGH = 1 << 16
"""If the engine fails with fewer free bytes than this, we take the disk to be full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A locked conda package and its downloaded archive, whose hash was compared."""

    package: CondaPackage
    file: Path


class Engine(Protocol):
    """A program that can query a conda channel, and download and install its packages."""

    def solve(
        self, channel: str, specs: Sequence[str], target: LockTarget, newest: str
    ) -> tuple[CondaPackage, ...]:
        """Resolve `specs` to builds of a channel for a target, none newer than the date `newest`.

        Raises:
            UnreachableError: the channel cannot be reached.
            InstallError: it lacks such packages, or a package's SHA-256.
        """

    def download(self, files: Sequence[tuple[str, Path]], progress: Callable[[int], None]) -> None:
        """Download each URL to its file; calls `progress` with the bytes downloaded so far.

        Raises:
            UnreachableError: a server cannot be reached.
            InstallError: a server does not have the file.
            NoSpaceError: the disk filled up.
        """

    def link(
        self, archives: Iterable[Archive], folder: Path, final: Path, target: LockTarget
    ) -> None:
        """Install packages in `folder`; files that contain their prefix are written with `final`.

        Raises:
            InstallError: a package cannot be installed.
            NoSpaceError: the disk filled up.
        """


def find_engine(root: Path, emit: Emit, keep: Sequence[int] = (), index: str = "") -> Engine:
    """Return the engine, installing it below `root`, the folder of environments, on first use.

    `keep` are descriptors for the engine's processes to inherit; `index` is a mirror of the package
    index.

    Raises:
        InstallError: the engine cannot be installed.
    """
    python = bring(_group(), root, emit, keep, index)
    return Rattler(python=python, keep=tuple(keep))


def engine_name() -> str:
    """Return the name of the folder in which `find_engine` would look for the engine.

    Raises:
        EnvError: the running Python cannot be probed.
    """
    return _group().folder_name()


def _group() -> Group:
    what = "the conda engine, py-rattler (once, 45 MB at most)"
    return Group(lock=LOCK, prefix=ENGINE, what=what)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rattler:
    """Runs py-rattler in a child process; `python` is the one with py-rattler installed."""

    python: Path
    keep: tuple[int, ...] = ()

    def solve(
        self, channel: str, specs: Sequence[str], target: LockTarget, newest: str
    ) -> tuple[CondaPackage, ...]:
        """Query a channel, without caching its index."""
        with tempfile.TemporaryDirectory() as cache:
            found = self._ask(
                channel,
                do="solve",
                channel=channel_url(channel),
                specs=list(specs),
                subdir=target.conda_subdir,
                virtual=virtual_packages(target),
                newest=newest,
                cache=cache,
            )
        packages = from_plain(tuple[CondaPackage, ...], found)
        if nameless := [package.path for package in packages if not package.sha256]:
            raise InstallError(
                f"gives no SHA-256 for {', '.join(nameless)}, so it cannot be locked",
                where=channel,
                remedy="give another --channel",
            )
        return tuple(sorted(packages, key=lambda package: package.name))

    def download(self, files: Sequence[tuple[str, Path]], progress: Callable[[int], None]) -> None:
        """Download several files at a time."""
        rows = [(url, os.fspath(file)) for url, file in files]
        self._ask(rows[0][0].rpartition("/")[0], progress, do="download", files=rows)

    def link(
        self, archives: Iterable[Archive], folder: Path, final: Path, target: LockTarget
    ) -> None:
        """Unpack beside `folder` and copy from there; does not use the user's own package cache."""
        unpacked = folder.with_name(f"{folder.name}.unpacked")
        try:
            self._ask(
                os.fspath(folder),
                do="link",
                packages=[asdict(one.package) | {"file": os.fspath(one.file)} for one in archives],
                folder=os.fspath(folder),
                final=os.fspath(final),
                subdir=target.conda_subdir,
                cache=os.fspath(unpacked),
            )
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)

    def _ask(
        self, place: str, progress: Callable[[int], None] = lambda _: None, **request: object
    ) -> object:
        """Send one request to a child and return its result; `place` is named in errors."""
        logins = {_LOGINS: os.environ[_LOGINS]} if _LOGINS in os.environ else {}
        done, answer = 0, {"error": ""}
        with _spool(json.dumps(request)) as words, _spool() as complaints:
            command = [*isolate(self.python), os.fspath(_CHILD)]
            environ = clean_environ() | logins
            with subprocess.Popen(
                command,
                env=environ,
                pass_fds=self.keep,
                stdin=words,
                stdout=subprocess.PIPE,
                stderr=complaints,
                encoding="utf-8",
            ) as child:
                for line in child.stdout or ():
                    answer = json.loads(line)
                    if "done" in answer:
                        done += answer["done"]
                        progress(done)
            complaints.seek(0)
            last = complaints.read().strip().rpartition("\n")[2]
        if child.returncode != 0 or "result" not in answer:
            raise _meaning(place, answer.get("error") or last or f"exit code {child.returncode}")
        return answer["result"]


@contextmanager
def _spool(text: str = "") -> Iterator[IO[str]]:
    """Yield an unnamed temporary file that contains the text, positioned at its start."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as file:
        file.write(text)
        file.seek(0)
        yield file


def virtual_packages(target: LockTarget) -> tuple[tuple[str, str], ...]:
    """Return conda's virtual packages for the oldest system that the locked wheels support."""
    if target.system == "darwin":
        return ("__unix", "0"), ("__osx", ".".join(map(str, MACOS)))
    return ("__unix", "0"), ("__linux", "4.18"), ("__glibc", f"2.{GLIBC}")


def _meaning(place: str, words: str) -> SdcoremlError:
    """Turn the engine's error text into one of our errors."""
    said = f"(the engine said: {quote(words)})"
    folder = Path(place).parent
    full = "://" not in place and folder.is_dir() and shutil.disk_usage(folder).free < _ENOUGH
    if full or re.search(r"os error (28|122|27)\b|Errno (28|122|27)\b|No space left", words):
        return NoSpaceError(
            "the disk is full", where=place, remedy=f"free some space and run this again {said}"
        )
    if re.search(r"No candidates were found|Cannot solve", words):
        return InstallError(f"the channel has no such Python for this target {said}", where=place)
    if re.search(r"os error 2\b|\b404\b|could not find subdir", words):
        return InstallError("not there", where=place, remedy=f"give another --channel {said}")
    if re.search(r"(?i)sending request|request failed|dns error|timed out|connect", words):
        return UnreachableError(
            "the conda channel cannot be reached",
            where=place,
            remedy=f"check the network and proxy (HTTPS_PROXY), or give another --channel {said}",
        )
    return InstallError(
        f"{quote(words) or 'the conda engine failed'}", where=place, remedy="run this again"
    )
