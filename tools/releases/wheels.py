"""Reads a wheel: all names of its modules, as `module:name`, and which Python it needs."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from tools.releases.naming import Reading, read_names

Cache = MutableMapping[tuple[int, int], Reading]
"""What files say, by their check sum and size: most are the same in many releases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release: its version, the Python it needs (`>=3.8`), and its modules' names.

    A module's names have `=py` if it is a file, and `=dir` if it is a folder.
    """

    version: str
    python: str
    modules: Mapping[str, frozenset[str]]


def read_wheel(path: Path, skipped: re.Pattern[str], cache: Cache) -> Release:
    """Read all modules of a wheel but those whose path in it is to be skipped."""
    readings = dict[str, tuple[bool, Reading]]()
    python = ""
    with zipfile.ZipFile(path) as wheel:
        for entry in wheel.infolist():
            if entry.filename.endswith(".dist-info/METADATA"):
                found = re.search(
                    r"^Requires-Python: (.*)$", wheel.read(entry).decode(), re.MULTILINE
                )
                python = found[1].replace(" ", "") if found else ""
            if not re.search(r"\.pyi?$", entry.filename) or skipped.search(entry.filename):
                continue
            key = (entry.CRC, entry.file_size)
            if key not in cache:
                cache[key] = read_names(wheel.read(entry).decode("utf-8", "replace"))
            module, is_package = _module(entry.filename)
            known = readings.get(module)
            reading = _merge(known[1], cache[key]) if known else cache[key]
            readings[module] = (is_package, reading)
    return Release(version=path.name.split("-")[1], python=python, modules=_resolve(readings))


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
        is_lazy=one.is_lazy or other.is_lazy,
    )


def _resolve(readings: Mapping[str, tuple[bool, Reading]]) -> Mapping[str, frozenset[str]]:
    """Add to each module the names that it passes on, and its submodules."""
    modules = {module: set(reading.names) for module, (_, reading) in readings.items()}
    for module, (is_package, reading) in readings.items():
        modules[module] |= {
            f"{kind}<{base}" for kind, bases in reading.bases.items() for base in bases
        }
        modules[module].add("=dir" if is_package else "=py")
        parent, _, name = module.rpartition(".")
        if parent in modules:
            modules[parent].add(name)
    for module in readings:
        for star in _stars(module, readings, frozenset({module})):
            modules[module] |= star
    return {module: frozenset(names) for module, names in modules.items()}


def _stars(
    module: str, readings: Mapping[str, tuple[bool, Reading]], seen: frozenset[str]
) -> Iterator[set[str]]:
    is_package, reading = readings[module]
    for star in reading.stars:
        level = len(star) - len(star.lstrip("."))
        up = module.split(".")[: len(module.split(".")) - level + is_package] if level else []
        source = ".".join([*up, *filter(None, star.lstrip(".").split("."))])
        if source not in readings or source in seen:
            continue
        given = readings[source][1]
        plain = {one for one in given.names if re.fullmatch(r"[A-Za-z]\w*", one)}
        yield (given.public if given.public and not given.is_lazy else plain | given.public)
        yield from _stars(source, readings, seen | {source})
