"""Makes a conda prefix of exactly the locked packages, without conda.

Each archive is hashed here, every time it is used, because the engine does not hash files of a
`file://` channel. The files in the prefix are compared with the hashes in the packages' records in
`conda-meta`, and paths of this machine's caches are removed from these records.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sdcoreml.envs.conda.engine import Archive, Engine
from sdcoreml.envs.kept import conda_meta, manifest
from sdcoreml.envs.kept.manifest import EntryKind
from sdcoreml.envs.pythons.interpreter import Choice, Interpreter, probe, why_unsuitable
from sdcoreml.ground.errors import BrokenError, InstallError, NoInterpreterError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.quantity import amount
from sdcoreml.lockfiles.conda import CondaLock, CondaPackage
from sdcoreml.lockfiles.conda_files import channel_url
from sdcoreml.lockfiles.target import TARGETS
from sdcoreml.lockfiles.toolchain import PythonPin

ARCHIVES = "packages"
"""The folder for downloaded archives, which allow rebuilding without a network."""
_OF_THIS_MACHINE = ("extracted_package_dir", "package_tarball_full_path", "link")
_UNPACKED = 4
"""How many times larger than its archive an unpacked package is assumed to be; often it is 2.5."""
_LOGIN = re.compile(r"(?<=://)[^/@]*@|/t/[^/]+(?=/)")
"""A password or a token in a channel's URL."""
_ANOTHER = "name another with --channel, and lock it with `sdcoreml env lock --conda`"


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaBase:
    """A conda base: the environment is a prefix with its own Python, from a channel (name or URL).

    `root` is the folder of environments; `engine` is called only when a prefix must be made;
    `stated` is the channel to write into the records, "" for the one in use.
    """

    lock: CondaLock
    channel: str
    root: Path
    engine: Callable[[], Engine]
    emit: Emit
    stated: str = ""
    brings_sources: bool = True

    @property
    def size(self) -> int:
        """The approximate size of the unpacked archives in bytes."""
        return _UNPACKED * sum(package.size for package in self.lock.packages)

    def answering(self) -> Path:
        """Return the running Python, since the prefix has none yet."""
        return Path(sys.executable)

    def identity(self) -> tuple[str, ...]:
        """Return "conda" and the conda lock's digest, which holds for any channel."""
        return "conda", self.lock.digest

    def choice(self, final: Path) -> Choice:
        """Return the environment's own Python, which is exactly the locked one."""
        minor = ".".join(self.lock.python.split(".")[:2])
        interpreter = Interpreter(
            path=final / "bin" / f"python{minor}",
            version=self.lock.python,
            implementation="CPython",
            target=self.lock.target,
            source="conda",
        )
        return Choice(interpreter=interpreter, drift=False)

    def create(self, folder: Path, final: Path) -> None:
        """Install the packages and check that the Python runs and is the locked one.

        Raises:
            InstallError: an archive is not available, or not the one that was locked.
            BrokenError: a file differs from its package's record, or Python does not run.
            NoInterpreterError: the Python is not the locked version.
        """
        engine, target = self.engine(), TARGETS[self.lock.target]
        archives = fetch(self.lock, self.channel, self.root / ARCHIVES, engine, self.emit)
        engine.link(archives, folder, final, target)
        neutralise_records(folder, channel_url(self._public_channel()))
        if faults := list(find_altered(folder)):
            raise BrokenError(f"{'; '.join(faults[:3])}", where=folder, remedy="run this again")
        self._prove(folder)

    def record_fields(self) -> dict[str, str]:
        """Return the backend, the conda lock's digest, and the channel without any password."""
        return {"backend": "conda", "conda": self.lock.digest, "channel": self._public_channel()}

    def _public_channel(self) -> str:
        return _LOGIN.sub("", self.stated or self.channel)

    def _prove(self, folder: Path) -> None:
        found = probe(folder / "bin" / "python", "conda")
        if found is None:
            raise BrokenError(
                f"its Python {self.lock.python} does not run", where=self.channel, remedy=_ANOTHER
            )
        exact = PythonPin(version=self.lock.python, accepted=f"=={self.lock.python}")
        reason = why_unsuitable(found, exact, self.lock.target)
        if reason is not None:
            raise NoInterpreterError(
                f"Python {self.lock.python} is unfit: {reason}", where=self.channel, remedy=_ANOTHER
            )


def fetch(
    lock: CondaLock, channel: str, folder: Path, engine: Engine, emit: Emit
) -> tuple[Archive, ...]:
    """Download the locked archives that `folder` lacks, and check the hash of every archive.

    Raises:
        UnreachableError: the channel cannot be reached.
        InstallError: the channel lacks an archive, or its hash is not the locked one.
    """
    archives = tuple(
        Archive(package=package, file=folder / package.sha256[:16] / package.file)
        for package in lock.packages
    )
    lacking = [archive for archive in archives if not _is_locked(archive.file, archive.package)]
    if lacking:
        _bring(lacking, channel_url(channel), engine, emit)
    return archives


def _bring(lacking: Sequence[Archive], base: str, engine: Engine, emit: Emit) -> None:
    """Download archives under temporary names; rename each once its hash is the locked one."""
    total = sum(archive.package.size for archive in lacking)
    emit(Event(kind="note", text=f"{amount(total)} of conda packages to download from {base}"))
    asides = {archive: archive.file.with_name(f".{archive.package.file}") for archive in lacking}

    def progress(done: int) -> None:
        emit(Event(kind="progress", done=done, total=total, unit="bytes"))

    try:
        for aside in asides.values():
            aside.parent.mkdir(parents=True, exist_ok=True)
        places = [(f"{base}{one.package.path}", aside) for one, aside in asides.items()]
        if base.startswith("file://"):
            _copy(places, progress)
        else:
            engine.download(places, progress)
        for archive, aside in asides.items():
            if not _is_locked(aside, archive.package):
                raise InstallError(
                    f"{base}{archive.package.path}: not the file that was locked",
                    remedy="restore the lock with git, or give another --channel",
                )
            aside.replace(archive.file)
    finally:
        for aside in asides.values():
            aside.unlink(missing_ok=True)


def _copy(places: Sequence[tuple[str, Path]], progress: Callable[[int], None]) -> None:
    """Copy archives from a channel that is a folder."""
    done = 0
    for url, aside in places:
        path = Path(unquote(urlsplit(url).path))
        if not path.is_file():
            raise InstallError("not there", where=path, remedy="give another --channel")
        shutil.copyfile(path, aside)
        done += aside.stat().st_size
        progress(done)


def _is_locked(file: Path, package: CondaPackage) -> bool:
    return file.is_file() and manifest.digest_of(file, EntryKind.FILE) == package.sha256


def neutralise_records(folder: Path, channel: str) -> None:
    """Replace this machine's paths in the prefix's records by the channel."""
    for path, record in conda_meta.records(folder):
        kept = {key: value for key, value in record.items() if key not in _OF_THIS_MACHINE}
        kept |= {"channel": channel, "url": f"{channel}{record['subdir']}/{record['fn']}"}
        path.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        path.chmod(0o644)


def find_altered(folder: Path) -> Iterator[str]:
    """Yield each file that is missing, or differs from its package's record."""
    for laid in conda_meta.list_files(folder):
        path = folder / laid.path
        if not path.exists() and not path.is_symlink():
            yield f"{laid.package}: {laid.path} is missing"
        elif laid.sha256 and manifest.digest_of(path, EntryKind.FILE) != laid.sha256:
            yield f"{laid.package}: {laid.path} differs"
