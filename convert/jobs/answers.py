"""The recorded answers of a folder's programs, in a file beside the manifest that lists it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdcoreml.convert.jobs.manifest import AGAIN, ANSWERS, Manifest
from sdcoreml.convert.proof.answers import Answers
from sdcoreml.convert.proof.record import ProgramProof
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.digest import FileRecord, describe
from sdcoreml.ground.documents import read_record
from sdcoreml.ground.errors import BadInputError, Fault
from sdcoreml.ground.files import Document

if TYPE_CHECKING:
    from sdcoreml.convert.jobs.prove import StagedProgram

SCHEMA = 1
"""The version of the file's layout."""

CLOSE = 1 / 256
"""How far an answer may be from the recorded one, relative to the range of its output.

Both are computed in float32, perhaps on two machines, and recorded with 11 bits. A smaller change
misleads nobody: Core ML's results are held to 35 dB.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The file's content: the answers of each program that has any, by the program's name."""

    programs: Mapping[str, Answers]
    schema: int = SCHEMA


def answers_of(
    programs: Iterable[StagedProgram], proofs: Mapping[str, ProgramProof]
) -> Mapping[str, Answers]:
    """Return the recorded answers of the programs that were run at their own size, by name."""
    found = {made.part.stem: proofs[made.part.program] for made in programs}
    return {name: proof.answers for name, proof in found.items() if proof.answers}


def write_answers(answers: Mapping[str, Answers], folder: Path) -> Mapping[str, FileRecord]:
    """Write the answers into a folder; return what its manifest says of the file.

    Nothing is written if there are no answers.
    """
    if not answers:
        return {}
    content = to_plain(Record(programs=answers))
    path = folder / ANSWERS
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return describe({ANSWERS: path})


def read_answers(folder: Path, manifest: Manifest) -> Mapping[str, Answers]:
    """Read the answers that a folder's manifest lists.

    Raises:
        BadInputError: the file is missing, or is none that this version writes.
    """
    if not manifest.answers:
        return {}
    record = read_record(folder / ANSWERS, Document.ANSWER, Record, remedy=AGAIN)
    if record.schema != SCHEMA:
        what = f"schema {record.schema}; this version reads {SCHEMA}"
        raise BadInputError(what, where=folder / ANSWERS, remedy=AGAIN)
    return record.programs


def answer_faults(folder: Path, manifest: Manifest) -> Iterator[Fault]:
    """Yield the faults of the recorded answers that show without the model."""
    try:
        for name, said in read_answers(folder, manifest).items():
            entry = manifest.programs.get(name)
            if entry is None or entry.checked.runs != said.runs or entry.checked.sample:
                what = f"answers of {name}, which was not run at its own size as often"
                yield Fault(where=folder / ANSWERS, what=what, remedy=AGAIN)
            for output in said.outputs:
                said.numbers(output)
    except BadInputError as error:
        yield error.fault.at(folder / ANSWERS)


def false_answers(
    folder: Path, manifest: Manifest, checked: Mapping[str, ProgramProof]
) -> Iterator[Fault]:
    """Yield a fault for each recorded program whose answers are not those that it gives now.

    `checked` are the proofs made now. A program that was not run at its own size is not compared.
    """
    for name, said in read_answers(folder, manifest).items():
        found = checked[name].answers
        if found and (what := _difference(name, said, found)):
            yield Fault(where=folder / ANSWERS, what=what, remedy=AGAIN)


def _difference(name: str, said: Answers, found: Answers) -> str:
    if (said.seed, said.runs, said.outputs.keys()) != (
        found.seed,
        found.runs,
        found.outputs.keys(),
    ):
        return f"answers of {name} to other inputs, or of other outputs"
    other = [output for output in said.outputs if not _are_close(said, found, output)]
    return f"answers of {name} that it does not give: {', '.join(other)}" if other else ""


def _are_close(said: Answers, found: Answers, output: str) -> bool:
    for one, other in zip(said.numbers(output), found.numbers(output), strict=True):
        span = max(other) - min(other) or max(map(abs, other))
        if len(one) != len(other):
            return False
        if any(abs(a - b) > CLOSE * span for a, b in zip(one, other, strict=True)):
            return False
    return True
