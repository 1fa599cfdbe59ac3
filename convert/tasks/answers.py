"""The task `answers`: makes the inputs of compiled programs, and the answers to compare with.

Recorded answers are used if the inputs made here are those that were recorded; sines and
exponentials differ in their last bit between processors. Otherwise, and for programs that a
certificate vouches for, the program is run once by the interpreter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sdcoreml.convert.mil.interpreter import Executable
from sdcoreml.convert.parity.recording import as_arrays, record_answers
from sdcoreml.convert.proof.answers import Answers
from sdcoreml.convert.proof.sampling import digest_of
from sdcoreml.convert.references.components import reference
from sdcoreml.convert.references.inputs import SEED, Feeds
from sdcoreml.convert.spec.model import Function, TensorType
from sdcoreml.convert.storage.joined import open_whole
from sdcoreml.convert.storage.package import OpenProgram
from sdcoreml.ground.codec import from_plain, to_plain
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.events import Emit, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A program by its compiled model, or two halves, and the file to write its inputs to."""

    component: str
    compiled: tuple[str, ...]
    inputs: str
    answers: Answers | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswersRequest:
    """The programs to answer for."""

    programs: tuple[Question, ...]


def task(request: Mapping[str, object], emit: Emit) -> list[dict[str, object]]:
    """Write the inputs of each program of an `AnswersRequest`.

    Returns `answers` for each, in order, and whether they were `computed` here.

    Raises:
        BadInputError: a program cannot be read, or its answers are too large to be compared.
        ParityError: a program violates its declaration, or a result is not finite.
    """
    asked = from_plain(AnswersRequest, request)
    return [_answer(question, emit) for question in asked.programs]


def _answer(question: Question, emit: Emit) -> dict[str, object]:
    paths = [Path(path) for path in question.compiled]
    with open_whole(paths[0] if len(paths) == 1 else (paths[0], paths[1])) as program:
        feeds = feeds_for(question.component, program.function)
        inputs = [as_arrays(feed) for feed in feeds]
        said = question.answers
        if said and (said.seed, said.runs, said.inputs) == (SEED, len(feeds), digest_of(inputs)):
            _write(Path(question.inputs), inputs)
            return {"answers": to_plain(said), "computed": False}
        emit(Event(kind="step", text=f"run {program.path.name} here, for answers to compare with"))
        answers = _compute(program, feeds[:1])
    _write(Path(question.inputs), inputs[:1])
    return {"answers": to_plain(answers), "computed": True}


def _compute(program: OpenProgram, feeds: tuple[Feeds, ...]) -> Answers:
    run = Executable.of(program)
    answers = record_answers(feeds, [run.run(feed) for feed in feeds])
    if answers is None:
        raise BadInputError("its results are too large for half precision", where=program.path)
    return answers


def feeds_for(component: str, function: Function) -> tuple[Feeds, ...]:
    """Return the inputs that a check of this program runs it with."""
    config = {"vocab_size": rows} if (rows := _vocabulary(function)) else {}
    return reference(component).feeds(config, function.input_shapes)


def _vocabulary(function: Function) -> int:
    """Return the number of rows of the longest table that a program looks rows up in; 0 if none."""
    shapes = {
        output.name: output.type.shape
        for operation in function.block.operations
        for output in operation.outputs
        if isinstance(output.type, TensorType)
    }
    tables = [
        shapes[name]
        for operation in function.block.operations
        if operation.type == "gather"
        for name in operation.inputs.get("x", ())
        if isinstance(name, str) and name in shapes
    ]
    return max((shape[0] or 0 for shape in tables if len(shape) > 1), default=0)


def _write(path: Path, inputs: list[dict[str, np.ndarray]]) -> None:
    arrays: dict[str, Any] = {
        f"{run}.{name}": array for run, feed in enumerate(inputs) for name, array in feed.items()
    }
    np.savez(path, **arrays)
