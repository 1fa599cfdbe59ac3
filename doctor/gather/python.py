"""Gathers facts about the doctor's Python, and settings that change what it imports."""

from __future__ import annotations

import importlib.util
import platform
import sys
import sysconfig
from pathlib import Path

from sdcoreml.doctor.core.facts import HostPython
from sdcoreml.doctor.gather.probe import Probe
from sdcoreml.envs.mirrors.mirror import INDEX
from sdcoreml.ground.files import Document, read_leniently

LIBRARIES = ("git", "numpy", "psutil", "rich", "uv")
"""Modules that `.venv` has; without them some results are less detailed, but none is wrong."""

_UV = ("UV_INDEX", "UV_CONFIG_FILE")
_PIP = ("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "CONSTRAINT", "PRE", "NO_BINARY", "TARGET")


def host(probe: Probe) -> HostPython:
    """Gather facts about this process's interpreter and environment variables; imports nothing."""
    environ = probe.environ
    stdlib = Path(sysconfig.get_path("stdlib"))
    return HostPython(
        version=platform.python_version(),
        executable=sys.executable,
        isolated=sys.prefix != sys.base_prefix,
        externally_managed=(stdlib / "EXTERNALLY-MANAGED").exists(),
        conda=environ.get("CONDA_DEFAULT_ENV", "") if environ.get("CONDA_PREFIX") else "",
        pythonpath=tuple(filter(None, environ.get("PYTHONPATH", "").split(":"))),
        user_site=_user_packages(probe.home),
        pip_settings=_pip_settings(probe),
        libraries={name: "present" for name in LIBRARIES if importlib.util.find_spec(name)},
    )


def _user_packages(home: Path) -> tuple[str, ...]:
    """Return non-empty user-site folders of Python 3.10; they come before conda's on the path."""
    places = (".local/lib/python3.10/site-packages", "Library/Python/3.10/lib/python/site-packages")
    return tuple(
        str(home / place)
        for place in places
        if (home / place).is_dir() and any((home / place).iterdir())
    )


def _pip_settings(probe: Probe) -> tuple[str, ...]:
    """Return the names of settings that change what pip or uv installs; values may be secret."""
    named = [f"{tool}_{name}" for tool in ("PIP", "UV") for name in _PIP]
    honoured = INDEX.variables  # reported by HUB005
    found = [name for name in (*named, *_UV) if probe.environ.get(name) and name not in honoured]
    for path in _pip_files(probe):
        if path.is_file():
            text = read_leniently(path, Document.SETTINGS)
            keys = {
                line.partition("=")[0].strip().replace("-", "_").upper()
                for line in text.splitlines()
            }
            found += [f"{path.name}: {name.lower()}" for name in _PIP if name in keys]
    return tuple(found)


def _pip_files(probe: Probe) -> tuple[Path, ...]:
    """Return the possible files of pip's user settings, among them $PIP_CONFIG_FILE."""
    places = (".config/pip/pip.conf", "Library/Application Support/pip/pip.conf", ".pip/pip.conf")
    named = probe.environ.get("PIP_CONFIG_FILE", "")
    return (*(probe.home / place for place in places), *((Path(named),) if named else ()))
