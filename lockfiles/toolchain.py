"""A toolchain: what was tested together. Each is a folder with a toolchain.toml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.ground.errors import LockfileError, UnknownToolchainError
from sdcoreml.ground.places import expand_home
from sdcoreml.lockfiles.table import TomlTable, read_table

FOLDER = Path(__file__).resolve().parent
FILE = "toolchain.toml"
VARIANT = "python"
"""Before the minor, in the name of a toolchain's folder of locks for another Python."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}|")


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonPin:
    """The exact Python that was tested, and the range of those that stand in for it as drift."""

    version: str
    accepted: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """The upstream converter and the one commit of it that was tested with this toolchain."""

    repository: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conda:
    """The conda environment of that `name`, and the `channel` (name or URL) of its Python."""

    name: str
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """`disk` and `memory` in times the model's size; `environment` in bytes once installed."""

    disk: float
    memory: float
    environment: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What conversions took, and the machine `on` which that was seen; empty where nobody looked.

    `rates` are CPU seconds per million parameters: `build`, and to check each component at 512x512.
    `parallel` is the share of that work which more cores shorten. `peaks` are bytes of memory:
    `base`, `parameter` for each of a component, and for components what a 512x512 image adds.
    """

    on: str
    parallel: float
    rates: Mapping[str, float]
    peaks: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """What `toolchain.toml` in `folder` says.

    `pins` maps a project to its one version; `installed` is the size of the environment on a
    target, in bytes, and `unpacked` that of its wheels before bytecode; `refused` maps a target to
    why it cannot work. With `base` its locks are cut out of those of another toolchain instead of
    being resolved.
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

    def size_on(self, target: str) -> int:
        """Bytes of the environment on a target; that of the largest where nobody measured it."""
        return int(self.installed.get(target, self.factors.environment))

    def wheels_on(self, target: str) -> int:
        """Bytes that the wheels of a target unpack to, before bytecode; about, if not measured."""
        return int(self.unpacked.get(target, self.size_on(target)))

    @property
    def is_variant(self) -> bool:
        """Whether it is the form of another one for a newer Python; it has that one's name."""
        return self.folder.name.startswith(VARIANT)

    @property
    def title(self) -> str:
        """Its name, and where it is a variant, for which Python."""
        minor = self.folder.name.removeprefix(VARIANT)
        return f"{self.name} for Python {minor}" if self.is_variant else self.name

    @property
    def has_torch(self) -> bool:
        """Whether programs can be run in it beside their modules, not only built."""
        return "torch" in self.pins

    def require_target(self, target: str) -> None:
        """Raise `LockfileError` with the reason when this toolchain cannot work on `target`."""
        if target not in self.targets:
            reason = self.refused.get(target, f"nothing was tested on {target}")
            raise LockfileError(
                f"toolchain {self.name}: not for {target}: {reason}",
                remedy=f"use one of {', '.join(self.targets)}",
            )


def toolchain_names(folder: Path = FOLDER) -> tuple[str, ...]:
    """The names of the toolchains that ship."""
    return tuple(sorted(path.parent.name for path in folder.glob(f"*/{FILE}")))


def load_toolchain(name: str = "tested") -> Toolchain:
    """Read a toolchain by its name, or by the path of its folder (anything with a slash in it).

    Raises:
        LockfileError: there is none of that name (`UnknownToolchainError`), or its file is damaged;
            all faults are named.
    """
    if "/" not in name and name not in toolchain_names():
        raise UnknownToolchainError(
            f"no toolchain named {name!r}",
            where=FOLDER,
            remedy=f"there are: {', '.join(toolchain_names())}",
        )
    folder = expand_home(name) if "/" in name else FOLDER / name
    return _parse(read_table(folder / FILE))


def load_variants(toolchain: Toolchain) -> tuple[Toolchain, ...]:
    """A toolchain and its forms for other Pythons, in the order in which they are preferred.

    Raises:
        LockfileError: the file of one is damaged.
    """
    files = sorted(toolchain.folder.glob(f"{VARIANT}*/{FILE}"))
    return toolchain, *(_parse(read_table(file)) for file in files)


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
        ),
        measured=_read_measured(table),
        installed=table.table("installed").numbers(),
        unpacked=table.table("unpacked").numbers(),
        targets=table.table("targets").strings("supported"),
        refused=table.table("refused").mapping(),
    )
    if not _NAME.fullmatch(toolchain.name):
        table.faults.append(f"name {toolchain.name!r} is not lower case letters, digits, - and _")
    if not _NAME.fullmatch(toolchain.conda.name) or toolchain.conda.name == toolchain.name:
        table.faults.append(f"conda.name {toolchain.conda.name!r} cannot name an environment")
    if not _COMMIT.fullmatch(toolchain.upstream.commit):
        table.faults.append(f"upstream.commit {toolchain.upstream.commit!r} is not a full commit")
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
