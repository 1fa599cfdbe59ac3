"""Reads toolchains: versions that were tested together. Each is a folder with a toolchain.toml.

Those that are shipped are beside this module. A user's own is in `toolchains/NAME` of the current
folder, or anywhere else, and is read only if somebody names it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from sdcoreml.ground.advice import command
from sdcoreml.ground.errors import LockfileError, UnknownToolchainError
from sdcoreml.ground.places import expand_home
from sdcoreml.lockfiles.table import TomlTable, read_table

FOLDER = Path(__file__).resolve().parent
FILE = "toolchain.toml"
OWN = "toolchains"
"""The folder, in the current one, of the toolchains that its user made."""
MARK = "@"
"""What is between the name of a user's own toolchain and the mark of its folder, in links to it."""
VARIANT = "python"
"""The prefix of a variant's folder in a toolchain's folder, such as `python3.12`."""
_VARIANT = re.compile(rf"{VARIANT}\d+\.\d+")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}|")
_DATE = re.compile(r"\d{4}-\d\d-\d\d|")


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonPin:
    """The exact Python that was tested, and the range of versions that are accepted instead."""

    version: str
    accepted: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """The repository of the upstream converter, and the commit tested with this toolchain."""

    repository: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conda:
    """The `name` of the conda environment, and the `channel` (name or URL) of its Python."""

    name: str
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """Required space: `disk` and `memory` in multiples of the model's size, `environment` in bytes.

    `files` is the number of files and folders in an environment, rounded up.
    """

    disk: float
    memory: float
    environment: int
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Measured times and memory of conversions on the machine `on`; empty if not measured.

    `rates` are CPU seconds per million parameters: for `build`, and for checking each component at
    512x512. `parallel` is the share of that work which runs on all cores. `peaks` are bytes of
    memory: `base` always, `parameter` for each parameter of a component, and under each
    component's name what a 512x512 image adds.
    """

    on: str
    parallel: float
    rates: Mapping[str, float]
    peaks: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """A toolchain, as its `toolchain.toml` in `folder` describes it.

    `pins` maps a project to its pinned version. `installed` maps a target to the size of the
    environment in bytes, `unpacked` to that of its wheels before bytecode is compiled. `refused`
    maps an unsupported target to the reason. With `base`, the locks are cut out of the locks of the
    toolchain named so, instead of being resolved. `parent` is the toolchain that this one was made
    from, "" for none. `exclude_newer` is the date of the newest packages allowed, or "";
    `exceptions` maps packages that may be newer to the reason.
    """

    name: str
    folder: Path
    description: str
    base: str
    python: PythonPin
    pins: Mapping[str, str]
    upstream: Upstream
    conda: Conda
    factors: Factors
    measured: Measured
    installed: Mapping[str, float]
    unpacked: Mapping[str, float]
    targets: tuple[str, ...]
    refused: Mapping[str, str]
    parent: str = ""
    exclude_newer: str = ""
    exceptions: Mapping[str, str] = field(default_factory=dict)

    def size_on(self, target: str) -> int:
        """Return the environment's size on a target in bytes; the largest if not measured."""
        return int(self.installed.get(target, self.factors.environment))

    def wheels_on(self, target: str) -> int:
        """Return the size of a target's unpacked wheels in bytes; an estimate if not measured."""
        return int(self.unpacked.get(target, self.size_on(target)))

    @property
    def is_shipped(self) -> bool:
        """True for a toolchain of sdcoreml's, False for one of a user's own."""
        return self.folder.resolve().is_relative_to(FOLDER)

    @property
    def mark(self) -> str:
        """What sets a user's own toolchain apart from others of its name; "" if it needs nothing.

        Eight hexadecimal digits, a digest of its folder's path, for all in a folder `toolchains`,
        and for others one of whose environments is called like one of a shipped toolchain.
        """
        folder = self.folder.parent if self.is_variant else self.folder
        is_other = folder.parent.name != OWN and not {self.name, self.conda.name} & shipped_names()
        if self.is_shipped or is_other:
            return ""
        return hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:8]

    @property
    def is_variant(self) -> bool:
        """True for a variant: the form of a toolchain for another Python, with the same name."""
        is_in_one = (self.folder.parent / FILE).is_file()
        return bool(_VARIANT.fullmatch(self.folder.name)) and is_in_one

    @property
    def title(self) -> str:
        """The toolchain's name; for a variant, also its Python."""
        minor = self.folder.name.removeprefix(VARIANT)
        return f"{self.name} for Python {minor}" if self.is_variant else self.name

    @property
    def address(self) -> str:
        """What commands in the current folder call it: its name, or the folder of a user's own."""
        folder = (self.folder.parent if self.is_variant else self.folder).resolve()
        is_found = self.is_shipped or folder == Path.cwd() / OWN / self.name
        return self.name if is_found else f"{folder}"

    @property
    def has_torch(self) -> bool:
        """True if torch is pinned, so that programs can be checked against their torch modules."""
        return "torch" in self.pins

    def require_target(self, target: str) -> None:
        """Raise a `LockfileError` that gives the reason if `target` is not supported."""
        if target not in self.targets:
            reason = self.refused.get(target, f"nothing was tested on {target}")
            raise LockfileError(
                f"toolchain {self.name} does not support {target}: {reason}",
                remedy=f"use one of {', '.join(self.targets)}",
            )


def toolchain_names(folder: Path = FOLDER) -> tuple[str, ...]:
    """Return the names of the toolchains in `folder`, by default those that are shipped."""
    return tuple(sorted(path.parent.name for path in folder.glob(f"*/{FILE}")))


def load_toolchain(name: str = "tested") -> Toolchain:
    """Read a toolchain by its name (see `find_folder`), or by its folder (text with a slash).

    Raises:
        LockfileError: no toolchain has that name (`UnknownToolchainError`), or its file is damaged;
            lists all faults.
    """
    return _parse(read_table(find_folder(name) / FILE))


@cache
def shipped_names() -> frozenset[str]:
    """Return the names of all environments of shipped toolchains, those of conda included."""
    names = toolchain_names()
    return frozenset({*names, *(load_shipped(name).conda.name for name in names)})


def lock_command(folder: Path, *options: str) -> str:
    """Return, for a message, the command that locks the toolchain in `folder` anew."""
    return command_about(folder, "env", "lock", *options)


def command_about(folder: Path, *words: str) -> str:
    """Return a command for a message, with `--toolchain` if a user's own toolchain is in `folder`.

    The folder of a variant stands for that of its toolchain.
    """
    if _VARIANT.fullmatch(folder.name):
        folder = folder.parent
    is_own = (folder / FILE).is_file() and not folder.resolve().is_relative_to(FOLDER)
    return command(*words, *(("--toolchain", f"{folder}/") if is_own else ()))


def load_shipped(name: str) -> Toolchain:
    """Read one of the shipped toolchains, and no other: for names that a file gives.

    Raises:
        LockfileError: none has that name (`UnknownToolchainError`), or its file is damaged.
    """
    if name not in toolchain_names():
        raise _unknown(name)
    return _parse(read_table(FOLDER / name / FILE))


def find_folder(name: str) -> Path:
    """Return the folder of a toolchain: a shipped one, the user's own, or the path itself.

    Raises:
        UnknownToolchainError: no toolchain has that name.
    """
    if "/" in name:
        return expand_home(name)
    if name in toolchain_names():
        return FOLDER / name
    own = Path.cwd() / OWN / name
    if not (_NAME.fullmatch(name) and (own / FILE).is_file()):
        raise _unknown(name)
    return own


def _unknown(name: str) -> UnknownToolchainError:
    own = toolchain_names(Path.cwd() / OWN)
    here = f", and in {OWN}: {', '.join(own)}" if own else f", and none in {OWN} of this folder"
    return UnknownToolchainError(
        f"no toolchain named {name!r}",
        remedy=f"there are: {', '.join(toolchain_names())}{here}",
    )


def load_variants(toolchain: Toolchain) -> tuple[Toolchain, ...]:
    """Return a toolchain and its variants for other Pythons, the preferred one first.

    Raises:
        LockfileError: the file of a variant is damaged.
    """
    files = sorted(toolchain.folder.glob(f"{VARIANT}*/{FILE}"))
    forms = (_parse(read_table(file)) for file in files if _VARIANT.fullmatch(file.parent.name))
    return toolchain, *forms


def _parse(table: TomlTable) -> Toolchain:
    python, upstream, factors = (table.table(key) for key in ("python", "upstream", "factors"))
    name, conda = table.get("name", str), table.table("conda")
    toolchain = Toolchain(
        name=name,
        folder=table.path.parent,
        description=table.get("description", str, ""),
        base=table.get("base", str, ""),
        python=PythonPin(version=python.get("version", str), accepted=python.get("accepted", str)),
        pins=table.table("pins").mapping(),
        upstream=Upstream(
            repository=upstream.get("repository", str, ""), commit=upstream.get("commit", str, "")
        ),
        conda=Conda(
            name=conda.get("name", str, f"{name}-conda"),
            channel=conda.get("channel", str, "conda-forge"),
        ),
        factors=Factors(
            disk=factors.get("disk", float, 2.0),
            memory=factors.get("memory", float, 2.0),
            environment=factors.get("environment", int),
            files=factors.get("files", int, 40_000),
        ),
        measured=_read_measured(table),
        installed=table.table("installed").numbers(),
        unpacked=table.table("unpacked").numbers(),
        targets=table.table("targets").strings("supported"),
        refused=table.table("refused").mapping(),
        parent=table.get("from", str, ""),
        exclude_newer=table.get("exclude-newer", str, ""),
        exceptions=table.table("exceptions").mapping(),
    )
    if not _NAME.fullmatch(toolchain.name):
        table.faults.append(f"name {toolchain.name!r} is not lower case letters, digits, - and _")
    for key, other in (("from", toolchain.parent), ("base", toolchain.base)):
        if other and not _NAME.fullmatch(other):
            table.faults.append(f"{key} {other!r} is not a toolchain's name")
    if not _NAME.fullmatch(toolchain.conda.name) or toolchain.conda.name == toolchain.name:
        table.faults.append(f"conda.name {toolchain.conda.name!r} cannot name an environment")
    if not _COMMIT.fullmatch(toolchain.upstream.commit):
        table.faults.append(f"upstream.commit {toolchain.upstream.commit!r} is not a full commit")
    if not _DATE.fullmatch(toolchain.exclude_newer):
        table.faults.append(f"exclude-newer {toolchain.exclude_newer!r} is not a date: 2026-11-29")
    blank = [name for name, reason in toolchain.exceptions.items() if not reason.strip()]
    table.faults.extend(f"exceptions.{name} has no reason" for name in blank)
    table.finish()
    return toolchain


def _read_measured(table: TomlTable) -> Measured:
    machine = table.table("measured")
    return Measured(
        on=machine.get("on", str, ""),
        parallel=machine.get("parallel", float, 1.0),
        rates=table.table("rates").numbers(),
        peaks=table.table("peaks").numbers(),
    )
