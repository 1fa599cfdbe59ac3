"""Reads a wheel: all names of its modules, as `module:name`, and which Python it needs."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from tools.releases.lazy import Lazy, read_exports
from tools.releases.naming import Reading, read_names
from tools.releases.passing import File, resolve

Cache = MutableMapping[tuple[int, int, bool], Reading]
"""What files say, by their check sum and size: most are the same in many releases.

Of those that are skipped there is only what they export.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release: its version, the Python it needs (`>=3.8`), and its modules' names.

    A module's names have `=py` if it is a file, and `=dir` if it is a folder.
    """

    version: str
    python: str
    modules: Mapping[str, frozenset[str]]


def read_wheel(path: Path, skipped: re.Pattern[str], cache: Cache) -> Release:
    """Read all modules of a wheel.

    Of those whose path in it is to be skipped there is only what others pass on.
    """
    readings, unread = dict[str, File](), set[str]()
    python = ""
    with zipfile.ZipFile(path) as wheel:
        for entry in wheel.infolist():
            if entry.filename.endswith(".dist-info/METADATA"):
                found = re.search(
                    r"^Requires-Python: (.*)$", wheel.read(entry).decode(), re.MULTILINE
                )
                python = found[1].replace(" ", "") if found else ""
            if not re.search(r"^(?![^/]*\.data/).*\.pyi?$", entry.filename):
                continue
            module, is_package = _module(entry.filename)
            is_skipped = bool(skipped.search(entry.filename))
            key = (entry.CRC, entry.file_size, is_skipped)
            if key not in cache:
                source = wheel.read(entry).decode("utf-8", "replace")
                cache[key] = _read_exports(source) if is_skipped else read_names(source)
            known = readings.get(module)
            reading = _merge(known[1], cache[key]) if known else cache[key]
            readings[module] = (is_package, reading)
            if is_skipped:
                unread.add(module)
    modules = resolve(readings, unread)
    return Release(version=path.name.split("-")[1], python=python, modules=modules)


def _read_exports(source: str) -> Reading:
    return Reading(lazy=Lazy(exports=read_exports(source)))


def _module(name: str) -> tuple[str, bool]:
    path = name.rpartition(".")[0].replace("/", ".")
    return path.removesuffix(".__init__"), path.endswith(".__init__")


def _merge(one: Reading, other: Reading) -> Reading:
    """Take a module and its stub for one."""
    return Reading(
        names=one.names | other.names,
        bases={**one.bases, **other.bases},
        stars=one.stars | other.stars,
        public=one.public | other.public,
        lazy=one.lazy if one.lazy.is_listed else other.lazy,
    )
