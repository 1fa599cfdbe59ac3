"""Adds to the modules of a release the names that they pass on from others, as imports do.

What lazy modules of transformers pass on is told in its `utils/import_utils.py`: `_LazyModule`,
`define_import_structure`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import TypeAlias

from tools.releases.lazy import FAST, Lazy
from tools.releases.naming import Reading

File: TypeAlias = tuple[bool, Reading]
"""Whether a module is a folder, and what its file says."""

Names: TypeAlias = dict[str, set[str]]


def resolve(files: Mapping[str, File], unread: Collection[str]) -> Mapping[str, frozenset[str]]:
    """Return all names of each module but those that are unread: also whose it passes on.

    Its submodules are among them.
    """
    given = {module: set(reading.names) for module, (_, reading) in files.items()}
    lazy = {module: reading.lazy for module, (_, reading) in files.items()}
    exported = _exported(files)
    for module in _lazy_modules(lazy):
        for folder in lazy[module].folders:
            given[module] |= exported[".".join(filter(None, (module, folder)))]
    _add_old_forms(given, lazy)
    modules = {module: set(names) for module, names in given.items()}
    for module, (is_package, reading) in files.items():
        modules[module] |= {
            f"{kind}<{base}" for kind, bases in reading.bases.items() for base in bases
        }
        modules[module].add("=dir" if is_package else "=py")
        parent, _, name = module.rpartition(".")
        if parent in modules and module not in unread:
            modules[parent].add(name)
    read = {module: file for module, file in files.items() if module not in unread}
    for module in read:
        for star in _stars(module, read, given, frozenset({module})):
            modules[module] |= star
    _add_old_modules(modules, lazy)
    return {module: frozenset(names) for module, names in modules.items() if module not in unread}


def _lazy_modules(lazy: Mapping[str, Lazy]) -> Iterator[str]:
    return (module for module, one in lazy.items() if one.is_module)


def _exported(files: Mapping[str, File]) -> Mapping[str, set[str]]:
    """Return what all files in a folder, and in those inside it, export; by the folder's module."""
    found = defaultdict[str, set[str]](set)
    for module, (is_package, reading) in files.items():
        if is_package or _UNSEEN.search(module):
            continue
        parts = module.split(".")
        for depth in range(1, len(parts)):
            found[".".join(parts[:depth])] |= reading.lazy.exports
    return found


_UNSEEN = re.compile(r"\.(?:convert|modular)_\w+$")
"""The files that are not for those who import."""


def _add_old_forms(given: Names, lazy: Mapping[str, Lazy]) -> None:
    """Add the names that lazy modules take for others: those with an ending, and of tokenizers."""
    endings = {ending for one in lazy.values() for ending in one.endings}
    converters = {name: of for one in lazy.values() for name, of in one.converters.items()}
    if not endings:
        return
    for module in _lazy_modules(lazy):
        names = given[module]
        shared = {of for name, of in converters.items() if name in names}
        shared |= {
            of for of in converters.values() if f"{of[: -len('Converter')]}Tokenizer" in names
        }
        names |= {name for name, of in converters.items() if of in shared}
        names |= {f"{one}{FAST}" for one in names if f"{one}{FAST}".endswith(tuple(endings))}


def _add_old_modules(modules: Names, lazy: Mapping[str, Lazy]) -> None:
    """Add the modules that stand for others under the names that these once had."""
    for package, one in lazy.items():
        known = {f"{package}.{old}": f"{package}.{new}" for old, new in one.aliases.items()}
        if f"{package}.{_IMAGES}_utils_fast" in known:
            processor = re.compile(rf"{package}\.models\.\w+\.{_IMAGES}_(?!pil_)\w+")
            known |= {f"{new}_fast": new for new in modules if processor.fullmatch(new)}
        for old, new in known.items():
            if old in modules or new not in modules:
                continue
            names = {name for name in modules[new] if name.isidentifier()}
            olden = {f"{name}{FAST}" for name in names if name.endswith("ImageProcessor")}
            modules[old] = names | olden
            parent, _, name = old.rpartition(".")
            modules[parent].add(name)


_IMAGES = "image_processing"
"""The modules of transformers whose old names end with `_fast`, since their base's does."""


def _stars(
    module: str, files: Mapping[str, File], given: Names, seen: frozenset[str]
) -> Iterator[set[str]]:
    is_package, reading = files[module]
    for star in reading.stars:
        level = len(star) - len(star.lstrip("."))
        up = module.split(".")[: len(module.split(".")) - level + is_package] if level else []
        source = ".".join([*up, *filter(None, star.lstrip(".").split("."))])
        if source not in files or source in seen:
            continue
        public, is_listed = files[source][1].public, files[source][1].lazy.is_listed
        plain = {one for one in given[source] if re.fullmatch(r"[A-Za-z]\w*", one)}
        yield public if public and not is_listed else plain | public
        yield from _stars(source, files, given, seen | {source})
