"""Brings a group of locked packages that the tool needs rarely, into a folder of its own.

It is installed on first use, with locked hashes, into the folder of environments, and run from
there as a child process: the tool itself never imports it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.envs.processes.installer import PackageSource, find_installer
from sdcoreml.envs.pythons import venv
from sdcoreml.envs.pythons.interpreter import Interpreter, probe
from sdcoreml.ground.errors import EnvError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.leftovers import BUILDING


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group of packages: its `lock`, what its folders' names begin with, and `what` it is."""

    lock: Path
    prefix: str
    what: str

    def folder_name(self) -> str:
        """Return the name of the group's folder, from its lock and the Python it is installed for.

        Raises:
            EnvError: the running Python cannot be probed.
        """
        here = _host()
        facts = (self.lock.read_text(encoding="utf-8"), os.fspath(here.path), here.version)
        return self.prefix + hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def bring(group: Group, root: Path, emit: Emit, keep: Sequence[int] = (), index: str = "") -> Path:
    """Return the Python of a group's folder below `root`, installing it on first use.

    `keep` are descriptors for the installer to inherit; `index` is a mirror of the package index.

    Raises:
        InstallError: a package cannot be installed.
        EnvError: the running Python cannot be probed.
    """
    folder = root / group.folder_name()
    if not folder.is_dir():
        emit(Event(kind="note", text=f"bringing {group.what}"))
        aside = root / f"{BUILDING}{group.prefix}{os.getpid()}"
        try:
            venv.create(aside, _host())
            source = PackageSource(index=index)
            find_installer().install(aside / "bin" / "python", group.lock, source, keep=keep)
            aside.rename(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return folder / "bin" / "python"


def _host() -> Interpreter:
    here = probe(Path(sys.executable))
    if here is None:
        raise EnvError(
            "cannot be run as a Python", where=sys.executable, remedy="run `make bootstrap`"
        )
    return here
