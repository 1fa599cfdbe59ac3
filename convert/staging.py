"""A result folder is made aside, under one lock, and takes its place in one rename.

`models/cat` is made as `models/.cat.partial`; the folder it replaces waits as `models/.cat.old` for
the moment between two renames. Killed anywhere, the next run finds either the old folder or the new
one, puts right what is left over, and starts afresh.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convert.errors import BadInputError, ConvertError, NoSpaceError

MARKER = "manifest.json"
"""Only a folder that holds this file, or an empty one, is ever replaced."""


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """Give an empty folder to fill; on leaving without an error it becomes `target`.

    Raises:
        BadInputError: `target` exists and is not a result of this tool.
        ConvertError: another process is making the same folder, or the place is not writable.
        NoSpaceError: the disk is full; nothing is left behind.
    """
    _check_replaceable(target)
    partial, old = (
        target.with_name(f".{target.name}.partial"),
        target.with_name(f".{target.name}.old"),
    )
    with told(target), _locked(target):
        _put_right(target, partial, old)
        partial.mkdir()
        try:
            yield partial
            sync_tree(partial)
            _swap(target, partial, old)
        except ConvertError as error:  # nobody shall look for a file under its passing name
            raise type(error)(str(error).replace(str(partial), str(target))) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def told(target: Path) -> Iterator[None]:
    """Turn the operating system's refusals while making `target` into errors of this house."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpaceError(
                f"{target}: the disk is full; what was half-made is removed; free some space or"
                " choose an output on another disk"
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            where = error.filename or target
            raise ConvertError(f"{where}: not writable; choose another output folder") from error
        raise


def sync_tree(folder: Path) -> None:
    """Flush every file and folder below `folder` to the disk."""
    for place, _, names in os.walk(folder, topdown=False):
        for path in (*(os.path.join(place, name) for name in names), place):  # noqa: PTH118  hot
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _check_replaceable(target: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise BadInputError(f"{target}: a file of that name exists; choose another output")
    if any(target.iterdir()) and not (target / MARKER).is_file():
        raise BadInputError(
            f"{target}: holds something that this tool did not make; choose another output"
        )


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """Hold the lock of `target` and take its file away at the end."""
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = target.with_name(f".{target.name}.lock")
    with _lock(lock) as held:
        if not held:
            raise ConvertError(
                f"{target}: another conversion is writing this folder; wait for it, or choose"
                " another output"
            )
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


@contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Try to lock the file; a lock on a file that its last holder has removed is worth nothing."""
    while True:
        with path.open("w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            if path.exists() and path.stat().st_ino == os.fstat(stream.fileno()).st_ino:
                yield True
                return


def _put_right(target: Path, partial: Path, old: Path) -> None:
    """Undo what a killed run left: between the two renames only `.old` holds the good folder."""
    shutil.rmtree(partial, ignore_errors=True)
    if old.exists() and not target.exists():
        old.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _swap(target: Path, partial: Path, old: Path) -> None:
    if target.exists():
        target.rename(old)
    try:
        partial.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    shutil.rmtree(old, ignore_errors=True)
