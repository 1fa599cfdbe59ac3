"""Generates files for conda, mamba and micromamba: environment files and explicit locks.

They are never edited by hand. The environment files repeat toolchain.toml and the compiled
requirements; the explicit locks repeat the conda lock.
"""

from __future__ import annotations

from sdcoreml.lockfiles.conda import CondaLock, conda_lock_path, load_conda_lock
from sdcoreml.lockfiles.target import TARGETS, LockTarget
from sdcoreml.lockfiles.toolchain import OWN, Toolchain

ALIAS = "https://conda.anaconda.org/"
"""The URL to which conda appends a channel's name: the default of its `channel_alias` setting."""
_WRITTEN = "# Written by `sdcoreml env conda-files`; what it says comes from toolchain.toml."


def conda_files(toolchain: Toolchain) -> dict[str, str]:
    """Map the name of every file to its text.

    A target has an explicit lock only if its conda packages are locked. A variant for another
    Python has no such files, since conda installs the toolchain's own Python.
    """
    files: dict[str, str] = {}
    if toolchain.is_variant:
        return files
    for name in toolchain.targets:
        target = TARGETS[name]
        files[f"environment.{name}.yml"] = environment_file(toolchain, target)
        if conda_lock_path(toolchain, name).exists():
            lock = load_conda_lock(toolchain, name)
            files[f"conda-{target.conda_subdir}.lock"] = explicit_lock(toolchain, target, lock)
    return files


def environment_file(toolchain: Toolchain, target: LockTarget) -> str:
    """Return an environment.yml: the exact Python, and pip's hash-locked requirements."""
    file = f"environment.{target.name}.yml"
    return (
        f"{_WRITTEN}\n"
        f"# For {target.name}: conda env create --file {_place(toolchain)}/{file}\n"
        f"name: {toolchain.conda.name}\n"
        "channels:\n"
        f"  - {toolchain.conda.channel}\n"
        "  - nodefaults\n"
        "dependencies:\n"
        f"  - python={toolchain.python.version}\n"
        "  - pip\n"
        "  - pip:\n"
        "      - --require-hashes\n"
        "      - --only-binary=:all:\n"
        f"      - --requirement requirements.{target.name}.txt\n"
    )


def explicit_lock(toolchain: Toolchain, target: LockTarget, lock: CondaLock) -> str:
    """Return an explicit lock: the URL and SHA-256 of every conda package, sorted by name."""
    base = channel_url(toolchain.conda.channel)
    file = f"conda-{target.conda_subdir}.lock"
    lines = (f"{base}{package.path}#sha256:{package.sha256}" for package in lock.packages)
    return (
        f"{_WRITTEN}\n"
        f"# conda create --name {toolchain.conda.name} --file {_place(toolchain)}/{file}\n"
        f"# platform: {target.conda_subdir}\n"
        "@EXPLICIT\n" + "".join(f"{line}\n" for line in lines)
    )


def _place(toolchain: Toolchain) -> str:
    return f"{'lockfiles' if toolchain.is_shipped else OWN}/{toolchain.name}"


def channel_url(channel: str) -> str:
    """Return the URL of a channel (name or URL), with a `/` at its end."""
    return f"{channel if '://' in channel else ALIAS + channel}".rstrip("/") + "/"
