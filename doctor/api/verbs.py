"""The verbs as functions of values: what they take, what they return, what they raise.

Everything else is imported when a function is called: `import sdcoreml.api` costs next to nothing,
and nothing here ever imports torch into the caller's process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sdcoreml.ground.events import Event, silent

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from sdcoreml.convert.bundle.facts import ProgramFacts
    from sdcoreml.convert.bundle.judgement import Judgement
    from sdcoreml.convert.jobs.manifest import Manifest
    from sdcoreml.convert.jobs.verify import Verification
    from sdcoreml.convert.loading.record import LoadReport
    from sdcoreml.doctor.api.options import (
        ConvertOptions,
        DoctorOptions,
        StrPath,
        VerifyOptions,
    )
    from sdcoreml.doctor.commands.convert_plan import ConversionPlan
    from sdcoreml.doctor.commands.convert_summary import Converted
    from sdcoreml.doctor.core.engine import Report
    from sdcoreml.ground.errors import SdcoremlError


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a path is: the judgement of a model, and the programs of a finished folder."""

    judgement: Judgement
    programs: tuple[ProgramFacts, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """The folders that a conversion made, with their manifests.

    On a Mac, `loaded` has what Core ML itself said of each. With `install`, `installed` has where
    each folder was put for the app, and `withheld` why one was not, though it is made.
    """

    manifests: Mapping[Path, Manifest]
    loaded: Mapping[Path, LoadReport]
    installed: Mapping[Path, Path] = field(default_factory=dict)
    withheld: Mapping[Path, SdcoremlError] = field(default_factory=dict)

    @property
    def folders(self) -> tuple[Path, ...]:
        """The finished folders, in the order of the options."""
        return tuple(self.manifests)


def inspect(path: StrPath) -> Inspection:
    """Say what a checkpoint or a finished folder is, by its headers alone.

    Raises:
        SdcoremlError: a model that is given by name cannot be found.
    """
    from sdcoreml.doctor.api.options import read_options
    from sdcoreml.doctor.commands.inspect import look
    from sdcoreml.doctor.commands.named_models import fetch_headers_and_name

    given = read_options("inspect", [path], {}).path
    with as_ours(), fetch_headers_and_name(given) as (found, _):
        judgement, programs = look(found)
        return Inspection(judgement=judgement, programs=programs)


def doctor(*paths: StrPath, **options: Unpack[DoctorOptions]) -> Report:
    """Examine this machine, and a model or a finished folder; change nothing.

    Raises:
        UsageError: an option is wrong.
    """
    from sdcoreml.doctor.api.options import read_options
    from sdcoreml.doctor.commands.doctor import examine_given, fetch_named_headers

    args = read_options("doctor", paths, options)
    with as_ours(), ExitStack() as looking:
        fetch_named_headers(args, looking)
        report, _ = examine_given(args)
        return report


def plan(
    model: StrPath,
    *,
    on_event: Callable[[Event], None] = silent,
    **options: Unpack[ConvertOptions],
) -> ConversionPlan:
    """Say what `convert` would make with these options, from what, and what it takes.

    Raises:
        SdcoremlError: nothing can be made; the error says why.
    """
    from sdcoreml.doctor.api.options import read_options
    from sdcoreml.doctor.commands.convert import work_out_plan

    args = read_options("convert", [model], options)
    with as_ours():
        return work_out_plan(args, on_event).plan


def convert(
    model: StrPath,
    *,
    on_event: Callable[[Event], None] = silent,
    **options: Unpack[ConvertOptions],
) -> Conversion:
    """Convert a model to finished, checked folders; build the environment first if it is missing.

    `on_event` is called with each step, and how far it is. Whatever it raises ends the conversion.

    Raises:
        SdcoremlError: a folder could not be made. Those before it stay, nothing partial is left.
    """
    from sdcoreml.doctor.api.options import read_options
    from sdcoreml.doctor.commands.convert import make

    args = read_options("convert", [model], options)
    with as_ours():
        return _as_conversion(make(args, on_event))


def _as_conversion(made: Converted) -> Conversion:
    return Conversion(
        manifests=made.manifests,
        loaded=made.loaded,
        installed={folder: one.path for folder, one in made.installed.items()},
        withheld=made.withheld,
    )


def verify(
    folder: StrPath,
    *,
    on_event: Callable[[Event], None] = silent,
    **options: Unpack[VerifyOptions],
) -> Verification:
    """Check a finished folder again, alone or `against` its model.

    What is wrong with the folder is in the result, `faults`. With `with_="coreml"`, on a Mac, what
    Core ML computes wrongly is a fault, too.

    Raises:
        SdcoremlError: it is no finished folder, the model cannot be read, or a program computes
            wrong numbers.
    """
    from sdcoreml.doctor.api.options import read_options
    from sdcoreml.doctor.commands.verify import examine

    args = read_options("verify", [folder], options)
    with as_ours():
        return examine(args, on_event).as_one


@contextmanager
def as_ours() -> Iterator[None]:
    """Raise what the system refuses, such as a write to a full disk, as one of our errors.

    Raises:
        NoSpaceError: the disk is full.
        BadInputError: a path cannot be read or written.
    """
    from sdcoreml.ground.errors import BadInputError, NoSpaceError
    from sdcoreml.ground.refusals import FULL

    try:
        yield
    except OSError as error:
        kind = NoSpaceError if error.errno in FULL else BadInputError
        where = os.fsdecode(error.filename) if error.filename else ""
        remedy = "check the disk and its permissions"
        raise kind(error.strerror or str(error), where=where, remedy=remedy) from error


@contextmanager
def show_progress() -> Iterator[Callable[[Event], None]]:
    """Yield an `on_event` that draws: bars on a terminal and in a notebook, elsewhere lines."""
    from sdcoreml.doctor.report.terminal import draw

    with draw() as on_event:
        yield on_event
