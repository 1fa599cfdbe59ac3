"""Keeps programs of an earlier result when only some programs are rebuilt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sdcoreml.convert.jobs.against import input_faults
from sdcoreml.convert.jobs.answers import read_answers
from sdcoreml.convert.jobs.foreign import UNREADABLE
from sdcoreml.convert.jobs.intact import absent_packages, changed_faults
from sdcoreml.convert.jobs.manifest import (
    MARKER,
    Manifest,
    ProgramEntry,
    manifest_faults,
    read_manifest,
)
from sdcoreml.convert.jobs.plan import Job, require_known
from sdcoreml.convert.jobs.prove import ProofPolicy
from sdcoreml.convert.proof.answers import Answers
from sdcoreml.convert.proof.record import ProgramProof
from sdcoreml.convert.weights.clone import place
from sdcoreml.ground.digest import FileRecord
from sdcoreml.ground.errors import BadInputError, raise_first


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Kept programs by name: their entries of the earlier manifest, source files and answers."""

    programs: Mapping[str, ProgramEntry] = field(default_factory=dict)
    answers: Mapping[str, Answers] = field(default_factory=dict)
    inputs: Mapping[str, FileRecord] = field(default_factory=dict)


NOTHING = Kept()


def keep(job: Job, folder: Path) -> Kept:
    """Place in `folder` the programs of the earlier result that the job does not rebuild.

    Each file is a hard link or a copy-on-write clone if the disk supports it.

    Raises:
        BadInputError: the earlier result was changed, lacks a package or is from another model; or
            a name to rebuild is none of its programs or components.
    """
    if job.redo is None:
        return NOTHING
    require_known(job)
    if is_nothing(job.output):
        return NOTHING
    manifest = read_manifest(job.output)
    raise_first(tuple(manifest_faults(job.output)))
    made = {part.stem for part in job.parts}
    programs = {name: entry for name, entry in manifest.programs.items() if name not in made}
    if absent := absent_packages(job.output, replace(manifest, programs=programs)):
        raise BadInputError(
            f"its programs can be kept only with their packages, and {absent[0]} is missing",
            where=job.output,
            remedy="convert the whole model again, without --components",
        )
    written = {name: one for entry in programs.values() for name, one in entry.files.items()}
    written.update(manifest.answers)
    raise_first(tuple(changed_faults(job.output, written)))
    sources = {entry.source for entry in programs.values()}
    raise_first(tuple(input_faults(job.model, manifest, sources)))
    for entry in programs.values():
        for name in entry.files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            place(job.output / name, folder / name)
    inputs = {
        name: described
        for name, described in manifest.inputs.items()
        if name.partition("/")[0] in sources
    }
    kept = {name: replace(entry, kept=True) for name, entry in programs.items()}
    answers = {n: one for n, one in read_answers(job.output, manifest).items() if n in kept}
    return Kept(programs=kept, inputs=inputs, answers=answers)


def is_nothing(folder: Path) -> bool:
    """Whether there is no earlier result: `folder` does not exist or is empty."""
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


def require_lesser(job: Job, policy: ProofPolicy) -> None:
    """Raise `BadInputError` if the earlier result is worth more than the job's result will be.

    This is so if the earlier result is of another model. It is also so if its numbers were checked
    and the new ones cannot be, because there is neither torch nor any certificate. Whether they are
    checked is otherwise known only later: see `require_checked`.
    """
    if (before := _replaced(job)) is None:
        return
    name = job.model.path.resolve().name
    if before.model.name != name:
        raise _refusal(job, f"holds a different model: {before.model.name}, not {name}")
    if policy.reason and not policy.certificates and _is_checked(before):
        what = f"its programs were checked, and the new ones would not be: {policy.reason}"
        raise _refusal(job, what)


def require_checked(job: Job, proofs: Mapping[str, ProgramProof]) -> None:
    """Raise `BadInputError` if programs that were not checked would replace a checked result.

    `require_lesser` cannot decide this: whether a certificate proves a program is known only after
    its graph is written.
    """
    unchecked = {name: proof.unchecked for name, proof in proofs.items() if proof.unchecked}
    if not unchecked or (before := _replaced(job)) is None or not _is_checked(before):
        return
    named, reason = ", ".join(unchecked), next(iter(unchecked.values()))
    raise _refusal(job, f"its programs were checked, and the new {named} would not be: {reason}")


def _replaced(job: Job) -> Manifest | None:
    """Read the manifest of the earlier result that the job would replace; `None` if there is none.

    A job that rebuilds only some programs replaces no result.
    """
    if job.redo is not None or not (job.output / MARKER).is_file():
        return None
    try:
        return read_manifest(job.output)
    except BadInputError as error:
        error.remedy = UNREADABLE
        raise


def _is_checked(before: Manifest) -> bool:
    programs = before.programs.values()
    return bool(programs) and not any(entry.checked.unchecked for entry in programs)


def _refusal(job: Job, what: str) -> BadInputError:
    remedy = "choose another --output, or add --force to replace it"
    return BadInputError(what, where=job.output, remedy=remedy)
