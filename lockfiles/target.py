"""The kinds of machine that a lock is compiled for, and which one this is."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class LockTarget:
    """One kind of machine, in the words of each tool that has to know it."""

    name: str
    uv_platform: str
    conda_subdir: str
    system: str
    """What `sys.platform` says there."""
    machine: str
    """What `platform.machine()` says there."""


_ROWS = (
    ("macos-arm64", "aarch64-apple-darwin", "osx-arm64", "darwin", "arm64"),
    ("macos-x86_64", "x86_64-apple-darwin", "osx-64", "darwin", "x86_64"),
    ("linux-x86_64", "x86_64-manylinux_2_28", "linux-64", "linux", "x86_64"),
)
TARGETS: Mapping[str, LockTarget] = MappingProxyType(
    {
        name: LockTarget(
            name=name, uv_platform=uv, conda_subdir=conda, system=system, machine=machine
        )
        for name, uv, conda, system, machine in _ROWS
    }
)

_SYSTEMS = {"darwin": "macos", "win32": "windows"}
_MACHINES = {"amd64": "x86_64", "x64": "x86_64"}


def target_name(system: str, machine: str, kernel: str = "") -> str:
    """The target of a machine, supported or not, such as `linux-aarch64`.

    `kernel` is `os.uname().version`: on Apple silicon it names ARM64 even to a process that runs
    under Rosetta, to which everything else says x86_64.
    """
    machine = machine.lower()
    if system == "darwin" and "ARM64" in kernel:
        machine = "arm64"
    return f"{_SYSTEMS.get(system, system)}-{_MACHINES.get(machine, machine)}"


def host_target() -> str:
    """The target of this machine, for example `macos-arm64`; not all targets are supported."""
    kernel = os.uname().version if hasattr(os, "uname") else ""
    return target_name(sys.platform, platform.machine(), kernel)
