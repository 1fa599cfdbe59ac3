"""Opens what a job file asks for: each of its conversions becomes a batch of folders, or a fault.

A batch is what one `convert` would do: one model with its ingredients, one or more folders.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from sdcoreml.convert.bundle.judgement import Judgement
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.jobs.unpacked import draft
from sdcoreml.convert.models.ingredients import Ingredients
from sdcoreml.convert.models.layout import Model
from sdcoreml.doctor.commands.convert import (
    read_jobs,
    with_refiner_of,
)
from sdcoreml.doctor.commands.convert_ingredients import ingredients_of, judge_ingredients
from sdcoreml.doctor.commands.jobs_file import JobFile, Request
from sdcoreml.doctor.commands.named_models import fetch_headers
from sdcoreml.doctor.core.subjects import ModelFolder
from sdcoreml.doctor.gather.model import describe
from sdcoreml.ground.errors import BadInputError, Fault, SdcoremlError
from sdcoreml.ground.events import Emit, silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One conversion of a job file: its arguments, and the folders to make.

    Without `jobs`, it waits for the folder `after`, which another batch makes, or has a `fault`.
    """

    request: Request
    args: argparse.Namespace
    jobs: tuple[Job, ...] = ()
    judgement: Judgement | None = None
    described: ModelFolder | None = None
    after: Path | None = None
    fault: Fault | None = None

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The folders that it makes."""
        return tuple(job.output for job in self.jobs)


_Read: TypeAlias = tuple[Model, Judgement, ModelFolder]
"""A model as it is to be converted, how it was judged, and what the doctor's estimates need."""


@dataclass(slots=True, kw_only=True)
class Opener:
    """Opens batches; a model that several of them convert is read only once.

    `run` has the arguments that are those of the whole run: toolchain and workers.
    """

    into: Path
    run: Mapping[str, object]
    stack: ExitStack
    emit: Emit = silent
    _paths: dict[str, Path] = field(default_factory=dict)
    _models: dict[tuple[object, ...], _Read | SdcoremlError] = field(default_factory=dict)

    def open(self, request: Request) -> Batch:
        """Open one of the file's conversions; errors become its fault."""
        args = argparse.Namespace(**{**vars(request.args), **self.run, "into": self.into})
        batch = Batch(request=request, args=args)
        try:
            args.model = self._locate(request)
            model, judgement, described = self._read(args)
            args.name = name_of(args, model, request.labels)
            jobs = read_jobs(args, model)
            return replace(batch, jobs=jobs, judgement=judgement, described=described)
        except SdcoremlError as error:
            return replace(batch, fault=error.fault)

    def _locate(self, request: Request) -> Path:
        """Return the path of the model, or of a folder of headers for one given by name."""
        if request.given not in self._paths:
            found = self.stack.enter_context(fetch_headers(request.args.model, self.emit))
            self._paths[request.given] = found
        return self._paths[request.given]

    def _read(self, args: argparse.Namespace) -> _Read:
        ingredients = ingredients_of(args)
        said = vars(args)
        key = (ingredients, said.get("prediction"), said.get("refiner_folder"))
        if key not in self._models:
            self._models[key] = _try_to_read(ingredients, args)
        found = self._models[key]
        if isinstance(found, SdcoremlError):
            raise found
        return found


def _try_to_read(ingredients: Ingredients, args: argparse.Namespace) -> _Read | SdcoremlError:
    try:
        judgement = judge_ingredients(args)
        judgement.require_convertible()
        model = with_refiner_of(draft(ingredients, judgement=judgement), args)
        return model, judgement, describe(judgement)
    except SdcoremlError as error:
        return error


def name_of(args: argparse.Namespace, model: Model, labels: Sequence[str]) -> str | None:
    """Return the model's name in the names of folders, with the labels; `None` for its own."""
    given: str | None = args.name
    if args.output or not labels:
        return given
    return "-".join([given or model.path.resolve().name, *labels])


def open_batches(file: JobFile, opener: Opener) -> tuple[Batch, ...]:
    """Open all conversions of a job file.

    Raises:
        BadInputError: two of them would make the same folder.
    """
    batches = tuple(map(opener.open, file.requests))
    makers: dict[str, Batch] = {}
    for batch in batches:
        for output in batch.outputs:
            other = makers.setdefault(os.path.realpath(output), batch)
            if other is not batch:
                raise _refuse_twins(file, output, other, batch)
    return tuple(_waiting(batch, makers) for batch in batches)


def _refuse_twins(file: JobFile, output: Path, one: Batch, other: Batch) -> BadInputError:
    places = " and ".join(dict.fromkeys((one.request.place, other.request.place)))
    told = f"{places} would make the folder {output} twice"
    remedy = "give each a name of its own: name = 'NAME'"
    return BadInputError(told, where=file.path, remedy=remedy)


def _waiting(batch: Batch, makers: Mapping[str, Batch]) -> Batch:
    """Return a ControlNet's batch as one that waits, if its folder is made by another batch.

    Even where that folder is there, it may be made anew, with other options.
    """
    beside: Path | None = vars(batch.args).get("beside")
    if beside is None or os.path.realpath(beside) not in makers:
        return batch
    return replace(batch, fault=None, after=beside)


def in_order(batches: Sequence[Batch]) -> Iterator[Batch]:
    """Yield the batches in their order, but those that wait for others' folders last."""
    yield from (batch for batch in batches if batch.after is None)
    yield from (batch for batch in batches if batch.after is not None)
