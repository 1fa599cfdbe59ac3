"""What `sdcoreml queue add` was given, as an entry: convert's options as a job file."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path

from sdcoreml.convert.hub.names import PlainWord
from sdcoreml.convert.sources.find import find_model
from sdcoreml.doctor.commands.convert_values import positive_int
from sdcoreml.doctor.commands.jobs_file import INTO, MODEL, MODELS, Key, keys, relative
from sdcoreml.doctor.commands.named_models import as_model
from sdcoreml.doctor.core.backend import add_toolchain
from sdcoreml.doctor.queue.entry import Kind
from sdcoreml.doctor.queue.order import New
from sdcoreml.ground.errors import BadInputError, UsageError
from sdcoreml.ground.events import Event

OF_RUN = ("toolchain", "workers")
"""Options of `convert` that are options of `jobs`, and no keys of a job file."""

_SUFFIX = ".toml"


def read_entry(words: Sequence[str], here: Path) -> New:
    """Return the entry for the words of a command, as seen from the folder `here`.

    Raises:
        BadInputError: no such file or folder, nor a model of that name.
        UsageError: there is no model, or an option beside a job file.
    """
    given = vars(_parser().parse_args(words))
    model = given.pop(MODEL) or ""
    if not model:
        raise UsageError("give a model or a job file", remedy="see `sdcoreml queue add --help`")
    options = {name: given.pop(name) for name in OF_RUN}
    of_run = [f"--{name}={value[-1]}" for name, value in options.items() if value]
    if Path(model).suffix == _SUFFIX:
        return _of_file(here / Path(model).expanduser(), given, of_run, here)
    table = {name: _value(keys()[name], said, here) for name, said in given.items() if said}
    table[MODEL] = found = relative(keys()[MODEL].action.type, model, here)
    named = as_model(found)
    if isinstance(named, Path) and not os.path.lexists(here / named):
        raise BadInputError("no such file or folder", where=found, remedy="check the path")
    if isinstance(named, PlainWord):
        find_model(named.word, _quiet)  # as `convert` would, but before anything is added
    return New(
        kind=Kind.CONVERT,
        title=_title(words, model),
        words=tuple(of_run),
        job={INTO: os.fspath(here), MODELS: [table]},
        place=os.fspath(here),
    )


def _quiet(event: Event) -> None:
    """Leave to the run what it tells of the model."""


def _of_file(path: Path, given: Mapping[str, object], of_run: Sequence[str], here: Path) -> New:
    """Return the entry for a job file, which is read when its turn comes."""
    if said := next((name for name, value in given.items() if value and name != "install"), None):
        raise UsageError(f"--{said} is said in the job file", where=path)
    if not path.is_file():
        raise BadInputError("no such file", where=path, remedy="check the path")
    install = ["--install"] if given.get("install") else []
    return New(
        kind=Kind.CONVERT,
        title=path.name,
        words=("jobs", os.fspath(path), *of_run, *install),
        place=os.fspath(here),
    )


def _title(words: Sequence[str], model: str) -> str:
    rest = list(words)
    rest.remove(model)
    name = Path(model).name if os.path.lexists(model) else model
    return " ".join(filter(None, (name, shlex.join(word for word in rest if word != "--"))))


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare what `queue add` takes: what a job file can say, and what is said to its run."""
    for key in keys().values():
        # As argparse itself does with `parents`; a copy, since completions word its help anew.
        parser._add_action(copy(key.action))  # noqa: SLF001
    add_toolchain(parser)
    parser.add_argument(
        "--workers", type=positive_int, metavar="N", help="processes that share the work"
    )


def _parser() -> argparse.ArgumentParser:
    """Return a parser that takes the same, and keeps each value as it was typed."""
    parser = argparse.ArgumentParser(add_help=False)
    for name, key in keys().items():
        options = key.action.option_strings
        if not options:
            parser.add_argument(name, nargs="?")
        elif key.action.nargs == 0:
            parser.add_argument(*options, dest=name, action="store_true")
        else:
            parser.add_argument(*options, dest=name, action="append")
    for name in OF_RUN:
        parser.add_argument(f"--{name}", action="append")
    return parser


def _value(key: Key, said: object, here: Path) -> object:
    """Return the value of a key: the last one that was typed, or all of a repeatable option."""
    if not isinstance(said, list):
        return said
    values = [_one(key, text, here) for text in said]
    return values if isinstance(key.action, argparse._AppendAction) else values[-1]  # noqa: SLF001


def _one(key: Key, text: str, here: Path) -> object:
    if key.types == (int,):
        return int(text)
    if float in key.types:
        return float(text)
    return relative(key.action.type, text, here)
