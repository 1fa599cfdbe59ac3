"""The weight files of a conversion: those that were made before, their digests and their audits.

All sizes and layouts of attention of a program have the same weight file. So it is not written,
hashed and compared with the model again: it is taken from a finished folder, if it still has its
content there, and with it the audit of the same constants. Palettes are kept, too: finding them
takes most of the time of a compressed program.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sdcoreml.convert.bundle.contract import COMPILED, PACKAGE
from sdcoreml.convert.cache.key import builder_version, key_of
from sdcoreml.convert.cache.shelf import Cache, Values, WeightFile
from sdcoreml.convert.compile.compiled import WEIGHTS as LOADED
from sdcoreml.convert.jobs.manifest import MadeIn, Manifest
from sdcoreml.convert.models.files import CONFIG_NAME
from sdcoreml.convert.packages.write import WEIGHTS, Placed
from sdcoreml.convert.proof.audit import Audit
from sdcoreml.ground.codec import DecodeError, from_plain, to_plain
from sdcoreml.ground.digest import FileRecord, describe
from sdcoreml.ground.errors import BadInputError


def component_key(source: str, inputs: Mapping[str, FileRecord], toolchain: MadeIn) -> str:
    """Return the key of a component: of what its weight files and palettes are made from."""
    config = f"{source}/{CONFIG_NAME}"
    return key_of(
        {
            "source": source,
            "config": [one.sha256 for name, one in inputs.items() if name == config],
            "weights": sorted(one.sha256 for name, one in inputs.items() if name != config),
            "toolchain": [toolchain.name, toolchain.lock, toolchain.python],
            "builder": builder_version(),
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What the task `build` says about a program: its weight files, and palettes that are new.

    The other fields are counts, and what it cost.
    """

    component: str = ""
    packages: tuple[str, ...] = ()
    parameters: int = 0
    operations: int = 0
    cpu: float = 0.0
    weights: tuple[Placed, ...] = ()
    palettes: Mapping[str, object] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Weighed:
    """The digests of the files that a conversion wrote or took, which nobody else writes to.

    A file is known by device, inode, size and time of writing: linking it changes its other time.
    """

    _known: dict[tuple[int, ...], FileRecord] = field(default_factory=dict)

    def describe(self, files: Mapping[str, Path]) -> Mapping[str, FileRecord]:
        """Return the size and SHA-256 of each file by its name; only what is new is hashed."""
        new = {name: path for name, path in files.items() if state_of(path) not in self._known}
        for name, record in describe(new).items():
            self.learn(new[name], record)
        return {name: self._known[state_of(path)] for name, path in files.items()}

    def learn(self, path: Path, record: FileRecord) -> None:
        """Remember the record of a file."""
        self._known[state_of(path)] = record


def state_of(path: Path) -> tuple[int, ...]:
    """Return what tells a file from others, and from itself after a change."""
    one = path.stat()
    return one.st_dev, one.st_ino, one.st_size, one.st_mtime_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFile:
    """A weight file whose content was checked when it was in this `state`."""

    path: Path
    content: FileRecord
    state: tuple[int, ...]

    @property
    def is_unchanged(self) -> bool:
        """Whether nobody has written to it since."""
        try:
            return state_of(self.path) == self.state
        except OSError:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What was made of the component with this `key` before, and is still there.

    `made` are weight files by their layout; `palettes` are kept under `palettes_key`.
    """

    key: str
    made: Mapping[str, KnownFile] = field(default_factory=dict)
    palettes_key: str = ""
    palettes: Mapping[str, object] = field(default_factory=dict)

    def request(self) -> dict[str, object]:
        """Return what a request to build the component's programs has of it."""
        paths = {layout: os.fspath(one.path) for layout, one in self.made.items()}
        return {"made": paths, "palettes": self.palettes}


def offer(key: str, recipes: Sequence[object], cache: Cache) -> Offer:
    """Find what was made of the component with this key before, for programs with these recipes."""
    known = {
        layout: there
        for layout, one in cache.find_weights(key).items()
        if (there := _find_file(one, cache))
    }
    if not recipes:
        return Offer(key=key, made=known)
    palettes_key = key_of({"component": key, "recipes": recipes})
    palettes = cache.find_values(Values.PALETTES, palettes_key)
    return Offer(key=key, made=known, palettes_key=palettes_key, palettes=palettes)


def _find_file(made: WeightFile, cache: Cache) -> KnownFile | None:
    for path in map(Path, reversed(made.paths)):
        with suppress(BadInputError, OSError):  # another folder may have it
            before = state_of(path)
            if cache.describe({"": path})[""] == made.content:
                return KnownFile(path=path, content=made.content, state=before)
    with suppress(OSError):  # it has just left
        if kept := cache.find_file(made.content):
            return KnownFile(path=kept, content=made.content, state=state_of(kept))
    return None


def note_built(package: Path, placed: Placed, offered: Offer, weighed: Weighed) -> tuple[str, str]:
    """Learn the content of a package's weight file that was taken from an offer.

    Returns:
        the keys under which the file is recorded: those of its component and of its layout.
    """
    known = offered.made.get(placed.layout)
    if known and placed.source == os.fspath(known.path) and known.is_unchanged:
        weighed.learn(package / WEIGHTS, known.content)
    return offered.key, placed.layout


def keep_palettes(found: Iterable[Built], offered: Offer, cache: Cache) -> None:
    """Keep the palettes that are new."""
    new = {key: table for one in found for key, table in one.palettes.items()}
    if new and offered.palettes_key:
        both = {**offered.palettes, **new}
        cache.keep_values(Values.PALETTES, offered.palettes_key, both)


def record_weights(
    layouts: Mapping[str, tuple[str, str]], manifest: Manifest, output: Path, cache: Cache
) -> None:
    """Record the weight files of a finished folder.

    `layouts` has the keys of each by the name of its package or compiled model, without suffix.
    Packages may be removed, so the file of the compiled model is recorded: but only if it is the
    package's, since Apple's compiler may write another.
    """
    files = {name: one for entry in manifest.programs.values() for name, one in entry.files.items()}
    for stem, (key, layout) in layouts.items():
        name, packaged = f"{stem}{COMPILED}/{LOADED}", f"{stem}{PACKAGE}/{WEIGHTS}"
        if name not in files:  # ComfyUI loads packages, which are all that there is
            name = packaged
        if name in files and files[name] == files.get(packaged):
            path = output.absolute() / name
            made = WeightFile(content=files[name], paths=(os.fspath(path),))
            cache.keep_weights(key, layout, made)
            cache.remember({path: files[name]}, time.time_ns())


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAudits:
    """Audits in the cache."""

    cache: Cache

    def find(self, key: str) -> Audit | None:
        """Return the audit with this key; `None` if it is not known, damaged, or has faults."""
        values = self.cache.find_values(Values.AUDITS, key)
        try:
            found = from_plain(Audit, values, "audit") if values else None
        except DecodeError:
            return None
        return found if found and found.passed else None

    def keep(self, key: str, audit: Audit) -> None:
        """Keep an audit."""
        self.cache.keep_values(Values.AUDITS, key, to_plain(audit))
