"""Keeps models that the page asks about open, so that each choice is planned in milliseconds.

What a model is, and which options it can be converted with, is asked of the converter: `judge`,
`draft` and `read_jobs`, as `sdcoreml convert --plan` does.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from sdcoreml.convert.bundle.judgement import Judgement, judge
from sdcoreml.convert.hub.names import ModelName
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.jobs.unpacked import draft
from sdcoreml.convert.models.identify import Identity, identify_path
from sdcoreml.convert.models.layout import Model
from sdcoreml.convert.models.prediction import PredictionSource
from sdcoreml.convert.models.unpack import UnpackOptions
from sdcoreml.doctor.commands.convert import (
    read_jobs,
    with_refiner_of,
)
from sdcoreml.doctor.commands.convert_ingredients import (
    ingredients_of,
    judge_ingredients,
    unpacking_of,
)
from sdcoreml.doctor.commands.convert_jobs import runtime_of
from sdcoreml.doctor.commands.convert_options import declare
from sdcoreml.doctor.commands.convert_plan import bytes_of
from sdcoreml.doctor.commands.named_models import as_model, fetch_headers
from sdcoreml.doctor.core.engine import DEFAULT_TOOLCHAIN
from sdcoreml.ground.errors import SdcoremlError, UsageError
from sdcoreml.ground.events import silent

Value: TypeAlias = str | int | float | bool | Sequence[str]
"""The value of a key of a job file: several texts are given together, as LoRAs are."""

Table: TypeAlias = Mapping[str, Value]
"""The options of a conversion: keys of a job file's `[[models]]`, without the model itself."""

MOST = 3
"""The most models that are kept open."""

MOST_READ = 8
"""The most ways of reading one model that are kept."""

_MOST_FILES = 2_000
"""The most files of a folder by which a change of it is noticed."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, where="the choices", remedy="choose again")


@cache
def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="convert", allow_abbrev=False, add_help=False)
    declare(parser)
    return parser


def words_of(table: Table) -> Iterator[str]:
    """Yield the options as `sdcoreml convert` takes them."""
    for key, value in table.items():
        match value:
            case bool():
                if value:
                    yield f"--{key}"
            case str() | int() | float():
                yield f"--{key}={value}"
            case _:
                yield from (f"--{key}={one}" for one in value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A model as some options read it: the judgement, and the model without its weights."""

    judgement: Judgement
    model: Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A path, or a model given by name, that was looked at.

    `given` is what `convert` is to be given. `path` is where its headers are: for a name, in a
    temporary folder. `into` is the folder for results.
    """

    given: str
    path: Path
    into: Path
    judgement: Judgement
    held: ExitStack = field(default_factory=ExitStack)
    _identities: dict[object, Identity] = field(default_factory=dict)
    _read: dict[object, Read | SdcoremlError] = field(default_factory=dict)

    def arguments(self, table: Table) -> argparse.Namespace:
        """Return the arguments of `convert` for these options.

        Raises:
            UsageError: an option does not exist, or does not take this value.
        """
        args = _parser().parse_args([*words_of(table), "--", "MODEL"])
        args.model, args.into = self.path, self.into
        args.typed = ("convert", *words_of(table), "--", self.given)
        return args

    def read(self, args: argparse.Namespace) -> Read:
        """Return the model as these arguments read it.

        Raises:
            SdcoremlError: it cannot be converted so.
        """
        said = vars(args)
        asked = (said.get(one) for one in ("prediction", "refiner_folder", "accept_schedule"))
        key = (ingredients_of(args), runtime_of(args), *asked)
        found = self._read.pop(key, None) or self._look_again(args)
        self._read[key] = found
        _forget(self._read)
        if isinstance(found, SdcoremlError):
            raise found
        return found

    def _look_again(self, args: argparse.Namespace) -> Read | SdcoremlError:
        try:
            unpacking = unpacking_of(args)
            known = self.judgement.identity.checkpoint
            identity = self._identities.pop(unpacking, None) or identify_path(
                self.path, unpacking, known
            )
            self._identities[unpacking] = identity
            _forget(self._identities)
            judgement = judge_ingredients(args, identity)
            judgement.require_convertible()
            model = with_refiner_of(draft(ingredients_of(args), silent, judgement), args)
        except SdcoremlError as error:
            return error
        return Read(judgement=judgement, model=model)

    def jobs(self, table: Table) -> tuple[Job, ...]:
        """Return what would be made with these options, as `convert --plan` works it out.

        Raises:
            SdcoremlError: it would be refused.
        """
        args = self.arguments(table)
        return read_jobs(args, self.read(args).model)

    def nbytes(self, table: Table) -> int:
        """Return about how large the result is.

        Raises:
            SdcoremlError: these options are refused.
        """
        judgement = self.read(self.arguments(table)).judgement
        return sum(bytes_of(job, part, judgement) for job in self.jobs(table) for part in job.parts)

    def refusal(self, table: Table) -> SdcoremlError | None:
        """Return why these options are refused; `None` if they are not."""
        try:
            self.jobs(table)
        except SdcoremlError as error:
            return error
        return None


def _forget(known: dict[Any, Any]) -> None:
    """Keep what was used last: of a large model, each is megabytes."""
    while len(known) > MOST_READ:
        known.pop(next(iter(known)))


class Bench:
    """The models that are open; the one that was used longest ago is closed first.

    Of a file or folder that changes, what was known is forgotten.
    """

    def __init__(self, into: Path, toolchain: str = DEFAULT_TOOLCHAIN) -> None:
        self.into, self.toolchain = into, toolchain
        self._open: dict[str, tuple[object, Examined]] = {}

    def take(self, given: Path | str) -> Examined:
        """Look at a path, or at a model that is given by name.

        Raises:
            UsageError: a text is no name of a model: paths are never given as texts.
            SdcoremlError: a model that is given by name cannot be found.
        """
        model = given if isinstance(given, Path) else _as_name(given)
        key, stamp = str(given), _stamp(model)
        known = self._open.pop(key, None)
        if known and known[0] != stamp:
            known[1].held.close()
            known = None
        self._open[key] = known or (stamp, self._look(key, model))
        while len(self._open) > MOST:
            self._open.pop(next(iter(self._open)))[1].held.close()
        return self._open[key][1]

    def _look(self, key: str, model: Path | ModelName) -> Examined:
        with ExitStack() as stack:
            path = stack.enter_context(fetch_headers(model, silent))
            usual = UnpackOptions(told=PredictionSource())
            identity = identify_path(path, usual)
            return Examined(
                given=key,
                path=path,
                into=self.into,
                judgement=judge(path, usual, identity=identity),
                held=stack.pop_all(),
                _identities={usual: identity},
            )

    def close(self) -> None:
        """Close all models, and remove what was fetched of those that were given by name."""
        for _, one in self._open.values():
            one.held.close()
        self._open.clear()


def _as_name(text: str) -> ModelName:
    remedy = "give the name of a model on the hub, as owner/name, or choose a file or folder"
    try:
        model = as_model(text)
    except argparse.ArgumentTypeError as error:
        raise UsageError(str(error), where="the name", remedy=remedy) from None
    if isinstance(model, Path):
        raise UsageError("this is no name of a model", where="the name", remedy=remedy)
    return model


def _stamp(model: Path | ModelName) -> object:
    """Return what changes when a file or folder does."""
    if not isinstance(model, Path):
        return None
    files: list[tuple[str, int, int]] = []
    for place in _places(model):
        try:
            one = place.stat()
        except (OSError, ValueError):
            continue
        files.append((os.fspath(place), one.st_size, one.st_mtime_ns))
    return tuple(files)


def _places(path: Path) -> Iterator[Path]:
    """Yield a path, and of a folder what is in it and in its folders."""
    yield path
    left = _MOST_FILES
    folders = [path]
    for depth in range(2):
        below: list[Path] = []
        for folder in folders:
            try:
                inside = sorted(folder.iterdir())[:left]
            except OSError:
                continue
            left -= len(inside)
            yield from inside
            below += inside if not depth else []
        folders = below
