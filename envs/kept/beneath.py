"""Lists the files of an environment's Python that the environment can run.

These are its binary, libpython, the standard library and `lib-dynload`; of a Python that we
installed, also its other libraries. The list is a separate manifest. The seal excludes it, since
the same toolchain uses other Pythons on other machines; verification includes it.

Paths are absolute, and links are followed. The list excludes packages installed into that Python,
bytecode for `-O`, which is never used here, and everything but the sources of Python's own tests.
Python may write bytecode at any time; verification compares it with its source.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sdcoreml.envs.kept.manifest import EntryKind, ManifestEntry, digest_of, kind_of, mode_of
from sdcoreml.envs.kept.runs import runs_of
from sdcoreml.envs.processes.process import isolate, run
from sdcoreml.envs.pythons.interpreter import OBTAINED, Interpreter
from sdcoreml.ground.codec import from_plain
from sdcoreml.ground.documents import parse_json
from sdcoreml.ground.errors import BadInputError, BrokenError

PYTHON = "(python)"
"""The owner that the manifest gives to the files of the environment's Python."""
_ASK = """\
import json, sys, sysconfig
get = sysconfig.get_config_var
names = {get("INSTSONAME"), get("LDLIBRARY")} - {None, ""}
folders = {get("LIBDIR"), get("PYTHONFRAMEWORKPREFIX"), sys.base_prefix} - {None, ""}
print(json.dumps([sys.base_prefix, sys.path, sorted(f"{f}/{n}" for f in folders for n in names)]))
"""
_IN_FRAMEWORK = "Resources/Python.app/Contents/MacOS/Python"
"""The path below a macOS framework's prefix of the binary that its `bin/python3` starts."""
ELSEWHERE = frozenset({"site-packages", "dist-packages"})
"""Folders of installed packages in the library; an environment imports nothing from them."""
_TESTS = "test"
_LIBRARY = re.compile(r".*\.(so|dylib)(\.[0-9.]+)?")


def is_ours(interpreter: Interpreter, root: Path) -> bool:
    """Return True if a Python is one that we installed below `root`, the folder of environments."""
    path, root = interpreter.path.parent.resolve(), root.resolve()
    return path.is_relative_to(root) and path.relative_to(root).as_posix().startswith(OBTAINED)


def take_beneath(interpreter: Interpreter, root: Path) -> tuple[ManifestEntry, ...]:
    """List the files of its Python that an environment in `root` can run, sorted by path.

    Raises:
        BrokenError: the Python cannot be asked for its paths.
    """
    answer = run([*isolate(interpreter.path), "-S", "-c", _ASK])
    try:
        said = parse_json(answer.out, interpreter.path)
        prefix, on_path, libraries = from_plain(tuple[object, ...], said)
        prefix = from_plain(str, prefix)
        on_path = from_plain(tuple[str, ...], on_path)
        libraries = from_plain(tuple[str, ...], libraries)
    except (ValueError, BadInputError):
        raise BrokenError(
            "cannot be asked for its paths",
            where=interpreter.path,
            remedy="name another with --python PATH",
        ) from None
    binary, framework = interpreter.path, Path(prefix) / _IN_FRAMEWORK
    files = [*map(os.fspath, (binary, binary.resolve(), framework)), *libraries]
    if is_ours(interpreter, root):
        files += _libraries(Path(prefix) / "lib")
    roots, others = _split(on_path)
    # If this file is beside the binary, Python looks for its library elsewhere.
    others.append(os.fspath(interpreter.path.parent / "pybuilddir.txt"))
    found = walk_beneath(roots)
    for path in (*files, *others):
        status = stat_beneath(path)
        if status is not None and stat.S_ISREG(status.st_mode):
            found[path] = status
    runs = list(runs_of(found.items(), lambda item: item[1].st_size))
    with ThreadPoolExecutor() as pool:
        entries = {entry.path: entry for made in pool.map(_describe, runs) for entry in made}
    entries |= {path: _absence(path) for path in others if not os.path.lexists(path)}
    if unruly := [path for path in entries if "\n" in path]:
        raise BrokenError(f"a file name with a line break in it: {unruly[0]!r}", where=prefix)
    return tuple(entries[path] for path in sorted(entries))


def roots_of(folders: Iterable[str]) -> tuple[str, ...]:
    """Return the outermost of the listed folders: their whole content was listed."""
    known = set(folders)
    return tuple(sorted(path for path in known if os.path.dirname(path) not in known))  # noqa: PTH120  many


def walk_beneath(roots: Iterable[str]) -> dict[str, os.stat_result]:
    """Return the paths to list in these folders, with their status; links are followed."""
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
    """Add an item, following links to files; links to folders are skipped."""
    try:
        status = item.stat()
    except OSError:
        status = item.stat(follow_symlinks=False)
    if not (stat.S_ISDIR(status.st_mode) and item.is_symlink()):
        found[item.path] = status


def stat_beneath(path: str) -> os.stat_result | None:
    """Return the status of a listed path, following links; None if it does not exist."""
    try:
        return os.stat(path)  # noqa: PTH116  many
    except OSError:
        return os.lstat(path) if os.path.islink(path) else None  # noqa: PTH114  as above


def _split(on_path: Iterable[str]) -> tuple[list[str], list[str]]:
    """Split Python's module search path into its outermost folders and its files."""
    paths = list(dict.fromkeys(on_path))
    folders = [path for path in paths if os.path.isdir(path)]  # noqa: PTH112  as strings
    roots = [one for one in folders if not any(one.startswith(f"{o}/") for o in folders)]
    return roots, [path for path in paths if path not in folders]


def _libraries(folder: Path) -> list[str]:
    """Return the shared libraries in a folder, which a conda package's Python loads."""
    return [os.fspath(path) for path in folder.iterdir() if _LIBRARY.fullmatch(path.name)]


def _describe(found: Iterable[tuple[str, os.stat_result]]) -> list[ManifestEntry]:
    return [_entry(path, status) for path, status in found]


def _entry(path: str, status: os.stat_result) -> ManifestEntry:
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
