"""Finds a model that another program keeps: by its exact name, or else ignoring case.

The folders of `SDCOREML_MODELS` are searched, and those added with `sdcoreml sources add`.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from sdcoreml.convert.models.files import INDEX_NAME, SUFFIXES
from sdcoreml.envs.mirrors.configuration import read_configuration
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.places import expand_home

VARIABLE = "SDCOREML_MODELS"
KINDS: Mapping[str, tuple[str, ...]] = {
    "folder": ("",),
    "comfy": (
        "models/checkpoints",
        "models/diffusers",
        "models/unet",
        "models/diffusion_models",
    ),
    "a1111": ("models/Stable-diffusion",),
}
"""Maps a kind of folder to the places in it where such a program keeps models, or their UNets."""
_CONVERTED = (".mlpackage", ".mlmodelc")
_DEPTH = 4
_NEAR = 4


def find_model(word: str, emit: Emit, environ: Mapping[str, str] = os.environ) -> Path:
    """Find the model named `word` on this machine; no network is used.

    Raises:
        BadInputError: there is no such model, or there are several.
    """
    folders = tuple(folders_here(environ))
    models = tuple(dict.fromkeys(path for folder in folders for path in models_in(folder)))
    found = match(word, models)
    if len(found) == 1:
        emit(Event(kind="note", text=f"{word} is {found[0]}"))
        return found[0]
    if found:
        raise BadInputError(
            f"{len(found)} models have this name: {', '.join(map(str, found))}",
            where=word,
            remedy="give the path of one",
        )
    raise BadInputError(_absence(folders, models), where=word, remedy=_remedy(word, models))


def match(word: str, models: Iterable[Path]) -> tuple[Path, ...]:
    """Return the models named `word`: exactly, else without the suffix, else ignoring case."""
    known = tuple(models)
    tests = (
        lambda path: path.name == word,
        lambda path: name_of(path) == word,
        lambda path: name_of(path).casefold() == word.casefold(),
    )
    for test in tests:
        if found := tuple(path for path in known if test(path)):
            return found
    return ()


def name_of(path: Path) -> str:
    """Return a model's name: the file name without its suffix, or the folder name."""
    return path.stem if path.suffix.lower() in SUFFIXES else path.name


def folders_here(environ: Mapping[str, str] = os.environ) -> Iterator[Path]:
    """Yield the folders to search."""
    for text in filter(None, environ.get(VARIABLE, "").split(os.pathsep)):
        yield expand_home(text)
    for kind, roots in read_configuration().sources.items():
        for root in roots:
            yield from (expand_home(root) / below for below in KINDS.get(kind, ("",)))


def homes_of(kind: str) -> tuple[Path, ...]:
    """Return the folders of a program that `sdcoreml sources add` was told of."""
    return tuple(map(expand_home, read_configuration().sources.get(kind, ())))


def models_in(folder: Path) -> Iterator[Path]:
    """Yield the models in a folder and below: weight files, and folders in diffusers' layout."""
    for place, names, files in os.walk(folder, followlinks=True):
        here = Path(place)
        if INDEX_NAME in files:
            yield here
            names.clear()
            continue
        if len(here.relative_to(folder).parts) >= _DEPTH:
            names.clear()
        names[:] = sorted(
            name for name in names if not name.startswith(".") and not name.endswith(_CONVERTED)
        )
        yield from (
            here / name
            for name in sorted(files)
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")
        )


def _absence(folders: Iterable[Path], models: Iterable[Path]) -> str:
    count, places = len(tuple(models)), len(tuple(folders))
    if not places:
        return "there is no file or folder with that name"
    models_there = f"{count} model{'s' if count != 1 else ''}"
    return (
        f"there is no file or folder with that name, nor among the {models_there} in"
        f" {places} model folder{'s' if places > 1 else ''}"
    )


def _remedy(word: str, models: Iterable[Path]) -> str:
    names = {name_of(path).casefold(): name_of(path) for path in models}
    near = difflib.get_close_matches(word.casefold(), names, n=_NEAR, cutoff=0.5)
    inside = [name for name in names if word.casefold() in name and name not in near]
    if close := [names[name] for name in (*near, *sorted(inside))][:_NEAR]:
        return f"similar names: {', '.join(close)}"
    return (
        "give a path, or owner/name of a model on the hub; add folders to search with"
        f" `sdcoreml sources add folder PATH`, or {VARIABLE}"
    )
