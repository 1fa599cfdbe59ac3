"""Lists the Python beneath an environment: what of it the environment can run.

These are its binary, libpython, and what is on its path: the standard library and `lib-dynload`.
Of a Python that we brought its other libraries, too. The list is the machine's part of the
manifest: the seal leaves it out, since the same toolchain has other files beneath it on another
machine; verification looks at it all the same.

Paths are absolute, and links are followed: where a distribution keeps a file is its own affair.
Left out are the packages that others install there, bytecode for `-O`, which nothing here uses, and
of Python's own tests all but the sources. Bytecode may appear and be written anew: Python does so
by itself, and verification compares it with its source.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sdcoreml.envs.kept.manifest import EntryKind, ManifestEntry, digest_of, kind_of, mode_of
from sdcoreml.envs.processes.process import isolate, run
from sdcoreml.envs.pythons.interpreter import OBTAINED, Interpreter
from sdcoreml.ground.errors import BrokenError

PYTHON = "(python)"
"""The owner of what is listed here."""
_ASK = """\
import json, sys, sysconfig
get = sysconfig.get_config_var
names = {get("INSTSONAME"), get("LDLIBRARY")} - {None, ""}
folders = {get("LIBDIR"), get("PYTHONFRAMEWORKPREFIX"), sys.base_prefix} - {None, ""}
print(json.dumps([sys.base_prefix, sys.path, sorted(f"{f}/{n}" for f in folders for n in names)]))
"""
_IN_FRAMEWORK = "Resources/Python.app/Contents/MacOS/Python"
"""What a framework's `bin/python3` runs, below its prefix."""
ELSEWHERE = frozenset({"site-packages", "dist-packages"})
"""What others install there, directly below a folder of the library, is not on the path."""
_TESTS = "test"
_LIBRARY = re.compile(r".*\.(so|dylib)(\.[0-9.]+)?")


def is_ours(interpreter: Interpreter, root: Path) -> bool:
    """Whether a Python was brought into the folder of environments `root`."""
    path, root = interpreter.path.parent.resolve(), root.resolve()
    return path.is_relative_to(root) and path.relative_to(root).parts[0].startswith(OBTAINED)


def take_beneath(interpreter: Interpreter, root: Path) -> tuple[ManifestEntry, ...]:
    """List what an environment in `root` can run of its Python, sorted by path.

    Raises:
        BrokenError: the Python cannot say where it keeps its files.
    """
    answer = run([*isolate(interpreter.path), "-S", "-c", _ASK])
    try:
        prefix, on_path, libraries = json.loads(answer.out)
    except ValueError:
        raise BrokenError(
            "does not say where it keeps its files",
            where=interpreter.path,
            remedy="name another with --python PATH",
        ) from None
    binary, framework = interpreter.path, Path(prefix) / _IN_FRAMEWORK
    files = [*map(os.fspath, (binary, binary.resolve(), framework)), *libraries]
    if is_ours(interpreter, root):
        files += _libraries(Path(prefix) / "lib")
    roots, others = _split(on_path)
    # Beside its binary, this file makes Python look elsewhere for its library.
    others.append(os.fspath(interpreter.path.parent / "pybuilddir.txt"))
    found = walk_beneath(roots)
    for path in (*files, *others):
        status = stat_beneath(path)
        if status is not None and stat.S_ISREG(status.st_mode):
            found[path] = status
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        entries = {entry.path: entry for entry in pool.map(_describe, found.items())}
    entries |= {path: _absence(path) for path in others if not os.path.lexists(path)}
    if unruly := [path for path in entries if "\n" in path]:
        raise BrokenError(f"a file name with a line break in it: {unruly[0]!r}", where=prefix)
    return tuple(entries[path] for path in sorted(entries))


def roots_of(folders: Iterable[str]) -> tuple[str, ...]:
    """Those of the listed folders that were listed with all that is in them."""
    known = set(folders)
    return tuple(sorted(path for path in known if os.path.dirname(path) not in known))  # noqa: PTH120  many


def walk_beneath(roots: Iterable[str]) -> dict[str, os.stat_result]:
    """Every path that is listed of these folders, and they themselves; links are followed."""
    found: dict[str, os.stat_result] = {}
    for root in roots:
        if (status := stat_beneath(root)) is None:
            continue
        found[root] = status
        pending = [(root, False)]
        while pending:
            folder, in_tests = pending.pop()
            with os.scandir(folder) as items:
                for item in items:
                    is_folder = item.is_dir(follow_symlinks=False)
                    at_root = folder == root
                    is_tests = in_tests or (at_root and item.name == _TESTS)
                    if _is_listed(item.name, is_folder, is_tests) and not (
                        at_root and item.name in ELSEWHERE
                    ):
                        _add(found, item)
                        if is_folder:
                            pending.append((item.path, is_tests))
    return found


def _is_listed(name: str, is_folder: bool, is_tests: bool) -> bool:  # noqa: FBT001  one of 7,000
    if is_folder:
        return not (is_tests and name == "__pycache__")
    return ".opt-" not in name and (not is_tests or name.endswith((".py", ".so")))


def _add(found: dict[str, os.stat_result], item: os.DirEntry[str]) -> None:
    """Add what an item is or leads to; a link to a folder leads out of what is listed."""
    try:
        status = item.stat()
    except OSError:
        status = item.stat(follow_symlinks=False)
    if not (stat.S_ISDIR(status.st_mode) and item.is_symlink()):
        found[item.path] = status


def stat_beneath(path: str) -> os.stat_result | None:
    """The status of one path as it is listed; None when it is not there."""
    try:
        return os.stat(path)  # noqa: PTH116  many
    except OSError:
        return os.lstat(path) if os.path.islink(path) else None  # noqa: PTH114  as above


def _split(on_path: Iterable[str]) -> tuple[list[str], list[str]]:
    """The folders on Python's path that no other contains, and what else is on it."""
    paths = list(dict.fromkeys(on_path))
    folders = [path for path in paths if os.path.isdir(path)]  # noqa: PTH112  as strings
    roots = [one for one in folders if not any(one.startswith(f"{o}/") for o in folders)]
    return roots, [path for path in paths if path not in folders]


def _libraries(folder: Path) -> list[str]:
    """The libraries directly in a folder, which a conda package's Python loads."""
    return [os.fspath(path) for path in folder.iterdir() if _LIBRARY.fullmatch(path.name)]


def _describe(found: tuple[str, os.stat_result]) -> ManifestEntry:
    path, status = found
    kind = kind_of(status)
    is_file = stat.S_ISREG(status.st_mode)
    return ManifestEntry(
        kind=kind,
        mode=mode_of(kind, status),
        digest=digest_of(Path(path), kind),
        size=status.st_size if is_file else 0,
        mtime=status.st_mtime_ns if is_file else 0,
        owner=PYTHON,
        path=path,
    )


def _absence(path: str) -> ManifestEntry:
    return ManifestEntry(
        kind=EntryKind.ABSENT, mode=0, digest="", size=0, mtime=0, owner=PYTHON, path=path
    )
