"""Mutations of files and folders as such: links, pipes, devices, names, depths and modes."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TypeAlias

PlaceMutation: TypeAlias = Callable[[Path, Random], None]
"""A function that changes a file or folder where it is."""

_TERABYTE = 1 << 40
_DEPTH = 300
_NAMES = (
    b"\xff\xfe.json",
    b"a" * 255,
    b"new\nline.safetensors",
    b"\x1b[31mred.safetensors",
    b"-rf",
    b"model_index.json ",
    "ä\u202egnp.ckpt".encode(),
    b".hidden.safetensors",
    b"diffusion_pytorch_model-00001-of-00002.safetensors",
    b"diffusion_pytorch_model.fp16.safetensors",
    b"model.safetensors.index.json",
    b"unet",
    b"x.part",
)
_LINKED = (
    "/dev/zero",
    "/dev/full",
    "/dev/null",
    "/dev/random",
    "/",
    "/proc/self/mem",
    "/proc",
    ".",
)
CLOSED = 0o000
"""The mode of files that nobody but root can open."""


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def loop(path: Path, random: Random) -> None:
    """Replace a path by a link to itself, or by a cycle of two links."""
    _remove(path)
    if random.random() < 0.5:
        path.symlink_to(path.name)
    else:
        path.symlink_to(f"{path.name}.other")
        path.with_name(f"{path.name}.other").symlink_to(path.name)


def dangle(path: Path, random: Random) -> None:
    """Replace a path by a broken link."""
    _remove(path)
    path.symlink_to(random.choice(("gone", "/gone/file", "../" * 100 + "gone", "x" * 255)))


def pipe(path: Path, random: Random) -> None:  # noqa: ARG001  a `PlaceMutation`
    """Replace a path by a named pipe without a writer."""
    _remove(path)
    os.mkfifo(path)


def listen(path: Path, random: Random) -> None:  # noqa: ARG001  a `PlaceMutation`
    """Replace a path by a socket."""
    _remove(path)
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(path.parent)  # a socket's path may have 107 bytes
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path.name)
    finally:
        os.fchdir(here)
        os.close(here)


def exchange_kind(path: Path, random: Random) -> None:  # noqa: ARG001  a `PlaceMutation`
    """Replace a file by a folder, or a folder by a file."""
    was_folder = path.is_dir()
    _remove(path)
    if was_folder:
        path.write_bytes(b"a file")
    else:
        path.mkdir()
        (path / "inside").write_bytes(b"a file")


def link_outside(path: Path, random: Random) -> None:
    """Replace a path by a link to a device, to `/`, or to its own folder."""
    _remove(path)
    path.symlink_to(random.choice(_LINKED))


def link_up(path: Path, random: Random) -> None:
    """Add a link that points to a parent folder."""
    folder = path if path.is_dir() else path.parent
    target = random.choice((".", "..", "../.."))
    if not os.path.lexists(folder / "again"):
        (folder / "again").symlink_to(target)


def add_name(path: Path, random: Random) -> None:
    """Add a copy of a file, or an empty folder, under a strange name."""
    folder = path if path.is_dir() else path.parent
    added = Path(os.fsdecode(os.path.join(os.fsencode(folder), random.choice(_NAMES))))  # noqa: PTH118
    if os.path.lexists(added):
        return
    if random.random() < 0.25:
        added.mkdir()
    else:
        added.write_bytes(path.read_bytes() if path.is_file() else b"{}")


def rename(path: Path, random: Random) -> None:
    """Give a file or folder a strange name."""
    target = os.fsdecode(os.path.join(os.fsencode(path.parent), random.choice(_NAMES)))  # noqa: PTH118
    if not os.path.lexists(target):
        path.rename(target)


def nest(path: Path, random: Random) -> None:  # noqa: ARG001  a `PlaceMutation`
    """Add three hundred folders, each in the other, with a file in the innermost."""
    folder = path if path.is_dir() else path.parent
    deepest = folder / "/".join(["d"] * _DEPTH)
    deepest.mkdir(parents=True, exist_ok=True)
    (deepest / "model.safetensors").write_bytes(b"")


def crowd(path: Path, random: Random) -> None:
    """Add hundreds of files to a folder."""
    folder = path if path.is_dir() else path.parent
    suffix = random.choice((".json", ".safetensors", ".txt", ".bin"))
    for number in range(400):
        (folder / f"extra-{number}{suffix}").write_bytes(b"")


def make_sparse(path: Path, random: Random) -> None:
    """Extend a file to a terabyte of zeros that take no space on the disk."""
    if path.is_file():
        os.truncate(path, random.choice((_TERABYTE, 3 << 30)))


def delete(path: Path, random: Random) -> None:  # noqa: ARG001  a `PlaceMutation`
    """Delete a file or folder."""
    _remove(path)


def empty_folder(path: Path, random: Random) -> None:  # noqa: ARG001  a `PlaceMutation`
    """Replace a path by an empty folder."""
    folder = path if path.is_dir() else path.parent
    for item in folder.iterdir():
        _remove(item)


def close(path: Path, random: Random) -> None:  # noqa: ARG001  a `PlaceMutation`
    """Remove all permissions of a file or folder."""
    path.chmod(CLOSED)


PLACES: tuple[PlaceMutation, ...] = (
    loop,
    dangle,
    pipe,
    listen,
    exchange_kind,
    exchange_kind,
    link_outside,
    link_outside,
    link_up,
    add_name,
    add_name,
    rename,
    nest,
    crowd,
    make_sparse,
    delete,
    delete,
    empty_folder,
    close,
    close,
)
