"""Reads a job file: models, and the options to convert each of them with.

A key is one of `convert`'s options without its dashes, and its value is read by that option's own
parser: an option that `convert` gets is a key by itself. A list of values makes a folder for each.
`false` leaves an option out, also one of `[defaults]`.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NoReturn

from sdcoreml.convert.models.files import SUFFIXES
from sdcoreml.convert.models.ingredients import parse_embedding
from sdcoreml.convert.programs.options import Target
from sdcoreml.doctor.commands.convert_options import declare
from sdcoreml.doctor.commands.convert_values import (
    lora,
    positive_int,
    positive_number,
    target,
    whole_number,
)
from sdcoreml.doctor.commands.named_models import as_model
from sdcoreml.ground.arguments import Parser, suggest
from sdcoreml.ground.codec import shown
from sdcoreml.ground.errors import BadInputError, UsageError
from sdcoreml.ground.places import as_path, expand_home
from sdcoreml.lockfiles.table import read_digested

MODEL, INTO, DEFAULTS, MODELS = "model", "into", "defaults", "models"

NO_KEYS: Mapping[str, str] = {
    "help": "asks for a page",
    **dict.fromkeys(("json", "plan", "toolchain", "workers"), "is said to jobs"),
    "index": "is about building the environment: `sdcoreml env` takes it",
    "sample": "is no model of the user's",
    "components": "mends one finished folder; a job finds what it can keep by itself",
    "converter": "is for comparing, one model at a time",
    "compare-upstream": "is for comparing, one model at a time",
}
"""Options of `convert` that are no keys, and why."""

OWN = frozenset({MODEL, "output", "name"})
"""Keys of a model that have no default, since no two folders may have the same."""

ALL_AT_ONCE = frozenset({"attention", "size"})
"""Options that `convert` itself takes several values of, a folder for each."""

_IN_NAME = frozenset({MODEL, "output", "name", "bits", "method", "group-size"})
"""Keys whose values tell folders apart as it is; those of others are added to the name."""

_TYPES: Mapping[object, tuple[type, ...]] = {
    int: (int,),
    positive_int: (int,),
    whole_number: (int,),
    positive_number: (int, float),
}
"""The TOML types that an option's parser reads; for all others, a text."""

_PATHS = frozenset({as_path, lora, parse_embedding})
"""Parsers of texts that begin with a path. The path is relative to the job file's folder."""

MOST = 10_000
"""The most conversions that a file may ask for: lists multiply."""

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key of a job file: its name, and the option of `convert` that it stands for.

    If `is_set`, the option is repeatable, so one list is one value: LoRAs that are merged together.
    """

    name: str
    action: argparse.Action

    @property
    def types(self) -> tuple[type, ...]:
        """The TOML types of its values; a key without a value takes true or false."""
        return (bool,) if self.action.nargs == 0 else _TYPES.get(self.action.type, (str,))

    @property
    def is_set(self) -> bool:
        """Whether a list is one value of this key."""
        is_repeatable = isinstance(self.action, argparse._AppendAction)  # noqa: SLF001
        return is_repeatable and self.name not in ALL_AT_ONCE

    @property
    def choices(self) -> tuple[object, ...]:
        """The values to choose from; empty if there are too many to list."""
        if self.action.type is target:
            return tuple(Target.names())
        return tuple(self.action.choices or ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One value of a key: the words that say it to `convert`, and its part of a folder's name."""

    words: tuple[str, ...] = ()
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One conversion that a file asks for, of one or more folders: `convert`'s arguments.

    `place` is the model's table in the file. `labels` are added to the model's name, since the
    other conversions of the same table would write the same folders.
    """

    place: str
    given: str
    args: argparse.Namespace
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFile:
    """A job file and its digest. `into` is the folder for `models/` and `controlnet/`."""

    path: Path
    into: Path
    requests: tuple[Request, ...]
    digest: str = ""


def read_job_file(path: Path) -> JobFile:
    """Read a job file; nothing that it names is opened.

    Raises:
        BadInputError: the file cannot be read, or has faults; they are told together.
    """
    remedy = "`sdcoreml jobs --example` prints one to begin with"
    content, digest = read_digested(path, remedy=remedy)
    reader = _Reader(base=path.parent)
    requests = tuple(reader.read(content))
    if reader.faults:
        more = len(reader.faults) - _SHOWN
        told = [*reader.faults[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        raise BadInputError("; ".join(told), where=path, remedy="correct it")
    into = content.get(INTO)
    base = _beside(path.parent, into) if isinstance(into, str) else os.fspath(path.parent)
    return JobFile(path=path, into=Path(base), requests=requests, digest=digest)


@cache
def keys() -> Mapping[str, Key]:
    """Return all keys of a model by name: the options of `convert`, except `NO_KEYS`."""
    found = {_name(action): action for action in _parser()._actions}  # noqa: SLF001  no other list
    return {name: Key(name=name, action=one) for name, one in found.items() if name not in NO_KEYS}


class _Parser(Parser):
    """A parser that says what is wrong in an error, without `--help`."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(re.sub(r"^argument \S+: ", "", message))


@cache
def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="convert", allow_abbrev=False)
    declare(parser)
    return parser


def _name(action: argparse.Action) -> str:
    longs = (text for text in action.option_strings if text.startswith("--"))
    return next(longs, action.dest).removeprefix("--")


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Reads the content of a job file in the folder `base`, and collects its faults."""

    base: Path
    faults: list[str] = field(default_factory=list)

    def read(self, content: Mapping[str, object]) -> Iterator[Request]:
        """Yield the conversions that the file asks for; they are right if there are no faults."""
        self._require_known(content, "", {INTO, DEFAULTS, MODELS})
        into = content.get(INTO, ".")
        if not isinstance(into, str) or not into:
            self._refuse(INTO, f"is {shown(into)}, not the path of a folder")
        defaults = self._table(content.get(DEFAULTS, {}), DEFAULTS)
        models = content.get(MODELS)
        if not isinstance(models, list) or not models:
            self._refuse(MODELS, "is missing: write [[models]] and model = 'PATH' below it")
            return
        self._require_known(defaults, DEFAULTS, keys().keys() - OWN)
        usual = self._choices(defaults, DEFAULTS)
        left = MOST
        for number, given in enumerate(models):
            place = f"{MODELS}[{number}]"
            table = self._table(given, place)
            self._require_known(table, place, keys().keys())
            if MODEL not in table:
                self._refuse(place, "has no model = 'PATH'")
            chosen = {**usual, **self._choices(table, place)}
            left -= math.prod(map(len, chosen.values()))
            if left < 0:
                self._refuse(place, f"the lists multiply to more than {MOST:,} conversions")
                return
            if not self.faults:
                yield from _multiply(chosen, place)

    def _table(self, value: object, place: str) -> Mapping[str, object]:
        if isinstance(value, Mapping):
            return value
        self._refuse(place, f"is {shown(value)}, not a table")
        return {}

    def _require_known(
        self, table: Mapping[str, object], place: str, known: Collection[str]
    ) -> None:
        for name in table:
            if name in known:
                continue
            if place and name in NO_KEYS:
                why = f"--{name} {NO_KEYS[name]}"
            elif place == DEFAULTS and name in OWN:
                why = "is a key of [[models]]"
            else:
                why = f"no such key; {suggest(name, sorted(known))}".removesuffix("; ")
            self._refuse(f"{place}.{name}" if place else name, why)

    def _choices(self, table: Mapping[str, object], place: str) -> dict[str, tuple[Choice, ...]]:
        found = {}
        for name, value in table.items():
            if key := keys().get(name):
                found[name] = tuple(self._of_key(key, value, f"{place}.{name}"))
        return found

    def _of_key(self, key: Key, value: object, place: str) -> Iterator[Choice]:
        """Yield the values of a key, one for each folder that they make."""
        if not isinstance(value, list):
            yield self._of_value(key, value, place)
        elif key.name in ALL_AT_ONCE:
            made = [self._of_value(key, one, place) for one in value if self._is(key, one, place)]
            yield Choice(words=tuple(word for one in made for word in one.words))
        elif key.is_set and all(isinstance(one, list) for one in value) and value:
            yield from (self._of_set(key, one, place) for one in value)
        elif key.is_set:
            yield self._of_set(key, value, place)
        else:
            yield from (self._of_value(key, one, place) for one in value)
        if value == [] and not key.is_set:
            self._refuse(place, "is an empty list")

    def _of_set(self, key: Key, values: Sequence[object], place: str) -> Choice:
        """Return several values of a repeatable key as one."""
        made = [self._of_value(key, one, place) for one in values if self._is(key, one, place)]
        words = tuple(word for one in made for word in one.words)
        return Choice(words=words, label="-".join(filter(None, (one.label for one in made))))

    def _of_value(self, key: Key, value: object, place: str) -> Choice:
        if value is False and key.name != MODEL:
            return Choice()
        if not self._is(key, value, place):
            return Choice()
        if value is True:
            return Choice(words=(f"--{key.name}",), label=key.name)
        text = relative(key.action.type, str(value), self.base)
        words = (text,) if key.name == MODEL else (f"--{key.name}={text}",)
        try:
            _parse(words)
        except (BadInputError, UsageError) as error:
            self._refuse(place, str(error))
            return Choice()
        return Choice(words=words, label=_label(key, str(value)))

    def _is(self, key: Key, value: object, place: str) -> bool:
        """Whether a value is of the key's type, and one to choose; otherwise that is a fault."""
        if type(value) in key.types and (not key.choices or value in key.choices):
            return True
        named = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
        wanted = named[key.types[-1]]
        if key.choices:
            wanted = f"one of {', '.join(map(str, key.choices))}"
        self._refuse(place, f"is {shown(value)}, not {wanted}")
        return False

    def _refuse(self, place: str, what: str) -> None:
        self.faults.append(f"{place}: {what}")


def _parse(words: Sequence[str]) -> argparse.Namespace:
    return _parser().parse_args(words)


def _multiply(chosen: Mapping[str, Sequence[Choice]], place: str) -> Iterator[Request]:
    """Yield a conversion for every combination of the values; the models are the slowest to change.

    Only what several values were given for gets into the names of folders.
    """
    order = [MODEL, *sorted(chosen.keys() - {MODEL})]
    for combination in itertools.product(*(chosen[name] for name in order)):
        model, *options = combination
        if not model.words:
            continue
        words = [word for one in options for word in one.words]
        labels = tuple(
            one.label
            for name, one in zip(order[1:], options, strict=True)
            if one.label and len(chosen[name]) > 1 and name not in _IN_NAME
        )
        yield Request(
            place=place,
            given=model.words[0],
            args=_parse([*words, "--", *model.words]),
            labels=labels,
        )


def _label(key: Key, text: str) -> str:
    """Return what a value adds to a folder's name: a file's name without its ending, or itself."""
    if key.action.type in _PATHS:
        text = Path(text.partition(":")[0]).stem
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.")


def relative(kind: Callable[[str], object] | object, text: str, base: Path) -> str:
    """Return a value with its path, if it is one, as seen from where the command was started."""
    if kind in _PATHS:
        return _beside(base, text)
    if kind is not as_model:
        return text
    is_address = ":" in text.partition("/")[0]
    is_path = text[:1] in (".", "~", "/") or Path(text).suffix.lower() in SUFFIXES
    is_there = os.path.lexists(base / text)
    return _beside(base, text) if is_there or (is_path and not is_address) else text


def _beside(base: Path, text: str) -> str:
    return os.fspath(base / expand_home(text)) if text else text
