"""The targets (kinds of machine) for which locks are compiled, and the target of this machine."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class LockTarget:
    """A kind of machine, with the name that each tool uses for it."""

    name: str
    uv_platform: str
    conda_subdir: str
    system: str
    """The value of `sys.platform` on the target."""
    machine: str
    """The value of `platform.machine()` on the target."""


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
    """Return the name of a machine's target, supported or not, such as `linux-aarch64`.

    `kernel` is `platform.version()`: on Apple silicon it contains ARM64 even for a process under
    Rosetta, for which everything else reports x86_64.
    """
    machine = machine.lower()
    if system == "darwin" and "ARM64" in kernel:
        machine = "arm64"
    return f"{_SYSTEMS.get(system, system)}-{_MACHINES.get(machine, machine)}"


def host_target() -> str:
    """Return this machine's target, for example `macos-arm64`; it may be an unsupported one."""
    return target_name(sys.platform, platform.machine(), platform.version())
