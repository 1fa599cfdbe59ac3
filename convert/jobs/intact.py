"""Checks that a finished folder has exactly the files that were written.

Every name in the manifest must be a regular file with the recorded content, reached through no
link. A program must hold nothing that the manifest does not name, and all files must have the same
mode.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath

from sdcoreml.convert.bundle.contract import COMPILED, PACKAGE
from sdcoreml.convert.jobs.manifest import AGAIN, MARKER, Manifest
from sdcoreml.convert.storage.joined import Packages
from sdcoreml.ground.digest import FileRecord, find_changed
from sdcoreml.ground.errors import Fault
from sdcoreml.ground.tree import walk

APART = "move it out of the folder"


def recorded(manifest: Manifest) -> Mapping[str, FileRecord]:
    """Return the records of all files that the manifest describes, by their paths in the folder."""
    entries = manifest.programs.values()
    files = {name: one for entry in entries for name, one in entry.files.items()}
    return {**manifest.tokenizer, **manifest.answers, **manifest.report, **files}


def present(bundle: Path, manifest: Manifest) -> Mapping[str, FileRecord]:
    """Return the records of all files, except those of packages that were deliberately removed."""
    absent = absent_packages(bundle, manifest)
    return {
        name: one
        for name, one in recorded(manifest).items()
        if name.partition("/")[0] not in absent
    }


def absent_packages(bundle: Path, manifest: Manifest) -> tuple[str, ...]:
    """List packages that are missing although their compiled models are present."""
    return tuple(
        package.name
        for name, program in manifest.programs.items()
        for package in as_paths(program.find_packages(bundle, name))
        if not os.path.lexists(package) and package.with_suffix(COMPILED).is_dir()
    )


def as_paths(written: Packages) -> tuple[Path, ...]:
    """Return the path of one package, or the paths of two halves, always as a tuple."""
    return (written,) if isinstance(written, Path) else written


def odd_faults(bundle: Path, manifest: Manifest) -> Iterator[Fault]:
    """Yield a fault where a link or device replaces what was written; it must not be opened."""
    told: set[Path] = set()
    for name in present(bundle, manifest):
        path = bundle
        for part in PurePosixPath(name).parts:
            path /= part
            if path in told:
                break
            if what := _find_oddity(path, is_last=path == bundle / name):
                told.add(path)
                yield Fault(where=path, what=what, remedy=AGAIN)
                break


def _find_oddity(path: Path, *, is_last: bool) -> str:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return ""  # missing, or in a folder that is
    if stat.S_ISLNK(mode):
        return "a link in place of what was written"
    if is_last and not stat.S_ISREG(mode):
        return "a folder, pipe or device in place of a file"
    return ""


def changed_faults(bundle: Path, records: Mapping[str, FileRecord]) -> Iterator[Fault]:
    """Yield a fault for each file of `records` that is missing or was changed."""
    there = {name: bundle / name for name in records if (bundle / name).is_file()}
    changed = find_changed(there, records)
    for name, described in records.items():
        if name not in there:
            yield Fault(where=bundle / name, what="missing", remedy=AGAIN)
        elif name in changed and (size := there[name].stat().st_size) != described.size:
            what = f"has {size:,} bytes, but {described.size:,} were written"
            yield Fault(where=bundle / name, what=what, remedy=AGAIN)
        elif name in changed:
            yield Fault(where=bundle / name, what="changed since it was written", remedy=AGAIN)


def stranger_faults(bundle: Path, manifest: Manifest) -> Iterator[Fault]:
    """Yield faults for programs of another run, and for foreign files in our programs.

    Programs of another run matter because apps prefer, for example, halves of a UNet to the whole.
    Files that the Finder leaves inside a program are no faults.
    """
    known = present(bundle, manifest)
    programs = {name.partition("/")[0] for name in known if "/" in name}
    folders = {str(parent) for name in known for parent in PurePosixPath(name).parents}
    for path in sorted(bundle.iterdir()):
        if path.name in programs and path.is_dir() and not path.is_symlink():
            yield from _inside(path, known.keys(), folders)
        elif path.suffix.lower() in (PACKAGE, COMPILED) and path.name not in programs:
            what = "this is from another conversion, and apps may load it instead"
            yield Fault(where=path, what=what, remedy=APART)


def _inside(program: Path, files: Collection[str], folders: Collection[str]) -> Iterator[Fault]:
    top = len(os.fspath(program.parent)) + 1
    for place, below, names in walk(program):
        start = os.fspath(place)[top:]
        inside = {name: f"{start}/{name}" for name in below + names}
        for name in sorted(inside):
            if inside[name] in files or inside[name] in folders:
                continue
            path = Path(place, name)
            if not _is_finders(path):
                yield Fault(where=path, what="not written by this conversion", remedy=APART)
        below[:] = [name for name in below if inside[name] in folders]


def _is_finders(path: Path) -> bool:
    is_named = path.name == ".DS_Store" or path.name.startswith("._")
    return is_named and stat.S_ISREG(path.lstat().st_mode)


def mode_faults(bundle: Path, manifest: Manifest) -> Iterator[Fault]:
    """Yield faults for files and folders whose mode (permissions) differs from most others'."""
    files = [name for name in present(bundle, manifest) if (bundle / name).is_file()]
    parents = (parent for name in files for parent in PurePosixPath(name).parents)
    folders = dict.fromkeys(str(parent) for parent in parents if parent.parts)
    yield from _odd_modes(bundle, [MARKER, *files])
    yield from _odd_modes(bundle, [*folders])


def _odd_modes(bundle: Path, names: list[str]) -> Iterator[Fault]:
    modes = {name: stat.S_IMODE((bundle / name).lstat().st_mode) for name in names}
    for usual, _ in Counter(modes.values()).most_common(1):
        for name, mode in modes.items():
            if mode != usual:
                what = f"its mode is {mode:04o}, the others' is {usual:04o}"
                remedy = f"give it the mode {usual:04o} with chmod"
                yield Fault(where=bundle / name, what=what, remedy=remedy)
