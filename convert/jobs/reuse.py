"""Finds programs that an earlier conversion made of the same, and takes their files.

What counts is what a program is made from (`keys_of`), never what it is called. A file is taken
only if it still has the recorded content; a folder with one that has not is said, and passed over.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache as once
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from sdcoreml.convert.bundle.families import ProgramSpec
from sdcoreml.convert.cache.key import builder_version, key_of
from sdcoreml.convert.cache.shelf import Cache, Record
from sdcoreml.convert.compile.xcode import find_xcode
from sdcoreml.convert.jobs.manifest import Manifest, ProgramEntry, inputs_of
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.jobs.prove import ProofPolicy
from sdcoreml.convert.jobs.weighed import state_of
from sdcoreml.convert.models.files import CONFIG_NAME
from sdcoreml.convert.packages.write import WEIGHTS
from sdcoreml.convert.programs.options import Attention, ProgramOptions
from sdcoreml.convert.proof.answers import Answers
from sdcoreml.convert.weights.clone import clone, copy, place
from sdcoreml.ground.codec import DecodeError, from_plain, to_plain
from sdcoreml.ground.digest import FileRecord, sha256
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.events import Emit, Event

if TYPE_CHECKING:
    from sdcoreml.convert.jobs.workshop import Workshop

Inputs = Mapping[str, Mapping[str, FileRecord]]
"""The records of the source files by component, and by their names in a manifest."""


_WEIGHTS = PurePosixPath(WEIGHTS).name
_VAES = frozenset({"vae_decoder", "vae_encoder"})
_TEXT = ("attention", "height", "width")
_IDLE: Mapping[str, tuple[str, ...]] = {
    "text_encoder": _TEXT,
    "text_encoder_2": _TEXT,
    **dict.fromkeys(("unet", "controlled_unet", "unet_refiner", "controlnet"), ("clip_skip",)),
    **dict.fromkeys(_VAES, ("clip_skip", "tokens")),
}
"""Options that all programs of a folder have, but that these programs and proofs do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Programs of earlier conversions in a folder: their entries and answers, by name."""

    programs: Mapping[str, ProgramEntry] = field(default_factory=dict)
    answers: Mapping[str, Answers] = field(default_factory=dict)


NONE = Found()


def keys_of(job: Job, inputs: Inputs, shop: Workshop) -> Mapping[str, str]:
    """Return the keys of the job's programs whose component has known source files, by program."""
    return {
        part.program: _program_key(job, part, inputs[part.source], shop)
        for part in job.parts
        if part.source in inputs
    }


def _program_key(
    job: Job,
    part: ProgramSpec,
    inputs: Mapping[str, FileRecord],
    shop: Workshop,
) -> str:
    """Return the key of a program, whose component has the source files `inputs`.

    Weights count by their content, in whatever order of shards. How programs are proved counts too,
    since the proof is taken with the program.
    """
    configs = {f"{part.source}/{CONFIG_NAME}"}
    weights = sorted(one.sha256 for name, one in inputs.items() if name not in configs)
    return key_of(
        {
            "program": part.program,
            "name": part.stem,
            "source": part.source,
            "config": [one.sha256 for name, one in inputs.items() if name in configs],
            "weights": weights,
            "options": _bearing(part.program, job.options.for_program(part)),
            "recipe": job.options.recipe_for(part),
            "halves": job.halves(part),
            "toolchain": [shop.toolchain.name, shop.toolchain.lock, shop.toolchain.python],
            "proof": proof_terms(shop.policy),
            "xcode": xcode(),
            "builder": builder_version(),
        }
    )


def _bearing(program: str, options: ProgramOptions) -> Mapping[str, object]:
    """Return the options that a program's bytes or proof depend on: builders ignore others.

    The layout of attention is that of UNets. For a VAE it only decides on how small an image the
    program is run (`convert.parity.miniature`), which is another one for the layout in pieces.
    """
    stated = dict(options.as_json())
    for name in _IDLE.get(program, ()):
        stated.pop(name, None)
    if program in _VAES:
        stated["attention"] = options.attention is Attention.SPLIT_EINSUM_V2
    return stated


@once
def xcode() -> str | None:
    """Return the digest of Apple's compiler, whose result is compared or kept; `None` without."""
    found = find_xcode()
    return sha256(Path(found.command[0])) if found else None


def proof_terms(policy: ProofPolicy) -> Mapping[str, object]:
    """Return what a proof depends on beside the program, as JSON values."""
    return {
        "run": sorted(policy.run),
        "unrun": policy.reason,
        "accepts": bool(policy.certificates),
        "requires": policy.certified_only,
        "draws": policy.draws,
    }


def recall_inputs(jobs: Iterable[Job], cache: Cache) -> Inputs:
    """Return the records of the components whose files were hashed before, without reading them."""
    found: dict[str, Mapping[str, FileRecord]] = {}
    for job in jobs:
        for source in {part.source for part in job.parts} - found.keys():
            known = cache.digests.recall_all(dict(inputs_of(job.model.components[source])))
            if known is not None:
                found[source] = known
    return found


def remember_inputs(jobs: Iterable[Job], inputs: Inputs, cache: Cache, since: int) -> None:
    """Remember the digests of source files that were read from `since` on, in nanoseconds."""
    components = {part.source: job.model.components for job in jobs for part in job.parts}
    for source in components.keys() & inputs.keys():
        files = dict(inputs_of(components[source][source]))
        cache.remember({path: inputs[source][name] for name, path in files.items()}, since)


def take(
    job: Job, keys: Mapping[str, str], folder: Path, cache: Cache, emit: Emit
) -> tuple[Job, Found]:
    """Put the programs of the job that were made before into `folder`, a staging folder.

    `keys` are those of programs, by program. The job that is returned makes only the others.
    """
    programs: dict[str, ProgramEntry] = {}
    answers: dict[str, Answers] = {}
    parts = {part.program: part for part in job.parts if part.program in keys}
    for program, part in parts.items():
        stem = part.stem
        record = cache.find(keys[program])
        if record is None or (read := read_entry(record)) is None:
            continue
        if source := _take_files(record, read[0], folder, cache):
            emit(Event(kind="note", text=f"{stem}: as it was made before, from {source}"))
            options = job.options.for_program(part)
            programs[stem] = replace(read[0], options=options)
            if read[1]:
                answers[stem] = read[1]
    made = frozenset(entry.component for entry in programs.values())
    return replace(job, found=job.found | made), Found(programs=programs, answers=answers)


def read_entry(record: Record) -> tuple[ProgramEntry, Answers | None] | None:
    """Return a record's entry and answers; `None` if they are none that this version writes."""
    try:
        entry = from_plain(ProgramEntry, record.entry, "entry")
        return entry, from_plain(Answers, record.answers, "answers") if record.answers else None
    except DecodeError:
        return None


def _take_files(record: Record, entry: ProgramEntry, folder: Path, cache: Cache) -> str:
    """Take a program's files from the newest folder that has them, or those that are kept.

    Returns:
        where they are from; "" if they are nowhere.
    """
    for source in reversed(record.folders):
        there = {name: Path(source) / name for name in entry.files}
        if not all(os.path.lexists(path) for path in there.values()):
            continue
        if _take_unchanged(there, entry, folder, cache):
            return source
        cache.warn(f"{source}: changed since it was written; its programs are not taken from it")
    kept = {name: cache.find_file(content) for name, content in entry.files.items()}
    there = {name: path for name, path in kept.items() if path}
    is_whole = len(there) == len(kept) and _take_unchanged(there, entry, folder, cache)
    return "the cache" if is_whole else ""


def _take_unchanged(
    there: Mapping[str, Path], entry: ProgramEntry, folder: Path, cache: Cache
) -> bool:
    """Take files if they are what the entry says, and nobody has replaced one meanwhile."""
    try:
        before = [state_of(path) for path in there.values()]
        if cache.describe(there) == entry.files:
            place_files(there, folder)
            if [state_of(path) for path in there.values()] == before:
                return True
    except (BadInputError, OSError):
        pass  # they may be elsewhere
    for name in entry.files:
        shutil.rmtree(folder / name.partition("/")[0], ignore_errors=True)
    return False


def place_files(files: Mapping[str, Path], folder: Path) -> None:
    """Clone, link or copy files; weight files that are one file stay one."""
    placed: dict[tuple[int, int], Path] = {}
    for name, source in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        status = source.stat()
        one = (status.st_dev, status.st_ino)
        if target.name == _WEIGHTS:
            place(placed.get(one, source), target)
        elif not clone(source, target):  # people look into the others, and may write to them
            copy(source, target)
        placed.setdefault(one, target)


def record_programs(
    keys: Mapping[str, str],
    answers: Mapping[str, Answers],
    manifest: Manifest,
    output: Path,
    shop: Workshop,
) -> None:
    """Record the programs of a finished folder under their keys, by program."""
    cache = shop.cache
    if cache is None:
        return
    has_packages = shop.keeps_packages
    written = {**manifest.tokenizer, **manifest.answers, **manifest.report}
    for stem, entry in manifest.programs.items():
        if entry.component not in keys or entry.kept:
            continue
        said = answers.get(stem)
        cache.keep(
            keys[entry.component],
            Record(
                entry=entry.as_json(),
                answers=to_plain(said) if said else None,
                folders=(os.fspath(output.absolute()),) if has_packages else (),
            ),
        )
        if has_packages:
            written.update(entry.files)
    # A link to a file has changed the times of all its names, not the bytes.
    cache.remember({output / name: one for name, one in written.items()}, time.time_ns())
