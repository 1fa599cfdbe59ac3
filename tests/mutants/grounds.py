"""A copy of the checkout, with an environment of its own: there, mutants do no harm."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdcoreml.ground.places import ROOT
from tests.mutants.mutant import Mutant

_LINK = "_editable_impl_sdcoreml.pth"


def copy_checkout(target: Path, root: Path = ROOT) -> None:
    """Copy what git knows of the checkout, as it is on disk, and make a `.venv` that imports it."""
    listing = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = subprocess.run(listing, cwd=root, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        source, copy = root / name, target / name
        if source.is_symlink() or source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy, follow_symlinks=False)
    _copy_venv(root / ".venv", target / ".venv")
    for cached in _bytecode(root, names):
        copy = target / cached.relative_to(root)
        copy.parent.mkdir(exist_ok=True)
        shutil.copy2(cached, copy)


def _bytecode(root: Path, names: str) -> Iterator[Path]:
    """Yield the bytecode of these files; it is current in a copy, too, whose times are the same."""
    for folder in sorted(
        {(root / name).parent for name in names.split("\0") if name[-3:] == ".py"}
    ):
        yield from folder.glob("__pycache__/*.pyc")


def _copy_venv(source: Path, target: Path) -> None:
    """Make a virtual environment whose packages are links to another's, but for this project."""
    shutil.copytree(source / "bin", target / "bin", symlinks=True)
    for script in (target / "bin").iterdir():
        content = script.read_bytes()
        if content.startswith(b"#!") or script.name.startswith(("activate", "Activate")):
            script.write_bytes(content.replace(os.fsencode(source), os.fsencode(target)))
    for file in source.iterdir():
        if file.is_file():
            shutil.copy2(file, target / file.name)
    packages = next(source.glob("lib/python3*/site-packages"))
    copy = target / packages.relative_to(source)
    copy.mkdir(parents=True)
    for entry in packages.iterdir():
        if entry.name != _LINK:
            (copy / entry.name).symlink_to(entry)
    (copy / _LINK).write_text(f"{target.parent}")


@contextmanager
def mutated(root: Path, mutant: Mutant) -> Iterator[None]:
    """Apply a mutant in a copy of the checkout while the block runs."""
    module = root / mutant.path
    source, times = module.read_bytes(), module.stat()
    # Python takes bytecode for current if time and size are equal.
    for cached in (module.parent / "__pycache__").glob(f"{module.stem}.*.pyc"):
        cached.unlink()
    module.write_bytes(mutant.apply(source))
    try:
        yield
    finally:
        module.write_bytes(source)
        os.utime(module, ns=(times.st_atime_ns, times.st_mtime_ns))
