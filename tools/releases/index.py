"""Asks pip which releases a project has, and lets it bring their wheels; installs nothing.

A release that has no wheel for a Python here is asked for with the tags of a Mac, whose wheels are
small, with a newer Python, then with older ones.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

Tags: TypeAlias = Sequence[tuple[str, Sequence[str]]]
"""Versions of Python, each with the names of systems."""

Run = Callable[[Sequence[str]], str | None]
"""Runs pip with these words; returns what it printed, None if it failed."""

_INTEL = tuple(f"macosx_{one}_x86_64" for one in ("10_9", "10_13", "10_14", "10_15", "11_0"))
_APPLE = tuple(f"macosx_{one}_0_arm64" for one in (11, 12, 13, 14))
TAGS = (
    ("3.11", (*_APPLE, "macosx_10_9_universal2")),
    ("3.13", _APPLE),
    ("3.8", _INTEL),
    ("3.7", (*_INTEL, "macosx_10_6_intel", "macosx_10_7_x86_64")),
)
"""The Pythons and systems that wheels are asked for, the likeliest first."""

LINUX = (("3.11", tuple(f"manylinux_2_{one}_x86_64" for one in (17, 24, 28))),)
"""Asked for too where few releases have wheels for Macs, or none has."""


def run_pip(words: Sequence[str]) -> str | None:
    """Run this Python's pip."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", *words, "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout if done.returncode == 0 else None


def list_versions(project: str, run: Run = run_pip, tags: Tags = TAGS) -> tuple[str, ...]:
    """Return all versions of a project that have a wheel for one of some tags."""
    found = dict[str, None]()
    for python, platforms in tags:
        told = run(["index", "versions", project, *_tags(python, platforms)]) or ""
        listed = re.search(r"^Available versions: (.*)$", told, re.MULTILINE)
        found |= dict.fromkeys(listed[1].split(", ")) if listed else {}
    return tuple(found)


def bring(
    project: str, version: str, folder: Path, run: Run = run_pip, tags: Tags = TAGS
) -> Path | None:
    """Bring a release's wheel into a folder, if it is not there; return None if there is none."""
    name = re.sub(r"[-_.]+", "_", project)
    for python, platforms in tags:
        if wheel := _find(folder, name, version):
            return wheel
        words = ["download", "--quiet", "--no-deps", "--no-cache-dir", "--dest", str(folder)]
        run([*words, *_tags(python, platforms), f"{project}=={version}"])
    return _find(folder, name, version)


def _find(folder: Path, name: str, version: str) -> Path | None:
    wheels: Iterable[Path] = folder.glob("*.whl")
    return next((one for one in wheels if one.name.lower().startswith(f"{name}-{version}-")), None)


def _tags(python: str, platforms: Sequence[str]) -> tuple[str, ...]:
    named = (word for one in platforms for word in ("--platform", one))
    return ("--only-binary=:all:", "--python-version", python, "--implementation", "cp", *named)
