"""Gathers facts about the upstream converter's checkout: commit, changes, origin, missing files.

`envs.upstream` reads it file by file, without git, because git runs programs that a repository's
configuration names (a file system monitor, a filter, a hook).
"""

from __future__ import annotations

from pathlib import Path

from sdcoreml.doctor.core.facts import (
    Absent,
    Unknown,
)
from sdcoreml.doctor.core.tools import Checkout
from sdcoreml.doctor.gather.environment import without_login
from sdcoreml.doctor.gather.probe import Probe
from sdcoreml.envs.upstream.checkout import differences
from sdcoreml.envs.upstream.repository import Repository, find_repository
from sdcoreml.envs.upstream.store import examine
from sdcoreml.ground.errors import SdcoremlError
from sdcoreml.ground.places import environments_folder
from sdcoreml.lockfiles.toolchain import load_toolchain

VARIABLE = "SDCOREML_UPSTREAM"
NOT_NEEDED = "not needed unless --backend upstream"
_LEFT_BY_USE = ("__pycache__/", ".DS_Store", ".pyc", ".egg-info/")
"""Suffixes of files that Python and Finder leave in a checkout."""


def checkout(folder: str, probe: Probe, toolchain: str = "tested") -> Checkout | Absent | Unknown:
    """Examine the checkout named by an argument or SDCOREML_UPSTREAM, else the kept one."""
    path = folder or probe.environ.get(VARIABLE, "")
    if not path:
        return find_kept(toolchain)
    repository = find_repository(Path(path))
    if repository is None or repository.git == Path(path):  # a bare repository, or a .git folder
        return Checkout(
            path=path, repository=False, commit="", remote="", shallow=False, changed=()
        )
    return _read(path, repository)


def find_kept(toolchain: str) -> Checkout | Absent:
    """Examine the tested commit that `sdcoreml env upstream` keeps beside the environments."""
    upstream = load_toolchain(toolchain).upstream
    found = examine(upstream, environments_folder())
    if found is None:
        return Absent(reason=NOT_NEEDED)
    return Checkout(
        path=str(found.path),
        repository=True,
        commit=upstream.commit,
        remote=without_login(upstream.repository),
        shallow=True,
        changed=found.changed,
        kept=True,
    )


def _read(path: str, repository: Repository) -> Checkout | Unknown:
    commit = repository.commit()
    try:
        files = repository.objects.files_of(commit) if commit else {}
    except SdcoremlError as error:
        return Unknown(reason=f"{path}: {error.what}")
    changed = differences(Path(path), files) if files else ()
    return Checkout(
        path=path,
        repository=True,
        commit=commit,
        remote=without_login(repository.origin()),
        shallow=repository.is_shallow,
        changed=tuple(name for name in changed if name in files or _matters(path, name)),
    )


def _matters(path: str, name: str) -> bool:
    """Return True if an extra file is worth reporting; not what Python or Finder leave behind."""
    if name.endswith(_LEFT_BY_USE):
        return False
    return not name.endswith("/") or Path(path, name, "__init__.py").exists()
