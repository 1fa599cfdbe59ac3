"""Makes small git repositories that stand in for that of the upstream converter."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from sdcoreml.lockfiles.toolchain import Upstream, load_toolchain

FILES: Mapping[str, str] = {
    "README.md": "a stand-in\n",
    "setup.py": "1\n",
    "python_coreml_stable_diffusion/__init__.py": "",
    "python_coreml_stable_diffusion/torch2coreml.py": "print('converts')\n",
    "swift/Deep/Deeper/a.swift": "// a\n",
}
ADDRESS = "https://example.invalid/apple/ml-stable-diffusion"


def git(folder: Path, *words: str) -> str:
    settings = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "gc.auto=0")
    done = subprocess.run(
        ["git", *settings, "-C", str(folder), *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def make_repository(folder: Path, files: Mapping[str, str] = FILES) -> Upstream:
    """Make a repository with one commit, which has an executable and a symbolic link."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q")
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("README.md")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    return Upstream(repository=ADDRESS, commit=git(folder, "rev-parse", "HEAD"))


def make_toolchain(folder: Path, upstream: Upstream) -> Path:
    """Write a copy of the tested toolchain with another commit of the upstream converter."""
    tested = load_toolchain("tested")
    text = (tested.folder / "toolchain.toml").read_text("utf-8")
    text = text.replace(tested.upstream.commit, upstream.commit)
    shutil.copytree(tested.folder, folder)
    (folder / "toolchain.toml").write_text(text)
    return folder
