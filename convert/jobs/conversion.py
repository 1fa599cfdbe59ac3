"""A conversion under way: the folders that are made from one model, and what is known so far."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from sdcoreml.convert.jobs.kept import NOTHING, Kept
from sdcoreml.convert.jobs.manifest import CompiledRecord, Manifest, ProgramEntry
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.jobs.prove import StagedProgram
from sdcoreml.convert.jobs.reuse import NONE, Found
from sdcoreml.convert.jobs.weighed import Weighed
from sdcoreml.convert.jobs.workshop import Workshop
from sdcoreml.convert.proof.answers import Answers
from sdcoreml.convert.proof.record import ProgramProof
from sdcoreml.ground.digest import FileRecord
from sdcoreml.ground.events import Emit


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A result that is being made in the staging folder `path`; the steps fill in the fields.

    `kept` are programs of an earlier result, `found` those that were made before of the same, and
    `programs` new ones, with their proofs and records. `keys` are those of programs in the cache.
    `twins` are programs that an earlier folder of this conversion makes, too: they are taken from
    it. `layouts` has the keys of new weight files, by the names of their packages.
    """

    job: Job
    path: Path
    kept: Kept = NOTHING
    found: Found = NONE
    keys: Mapping[str, str] = field(default_factory=dict)
    twins: frozenset[str] = frozenset()
    layouts: dict[str, tuple[str, str]] = field(default_factory=dict)
    programs: tuple[StagedProgram, ...] = ()
    proofs: Mapping[str, ProgramProof] = field(default_factory=dict)
    compiled: Mapping[str, CompiledRecord] = field(default_factory=dict)
    answers: Mapping[str, Answers] = field(default_factory=dict)
    manifest: Manifest | None = None

    @property
    def earlier(self) -> Mapping[str, ProgramEntry]:
        """The entries of programs that are not new, by name."""
        return {**self.kept.programs, **self.found.programs}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """The folders that are made from one model, and what the steps know about it.

    `weights` maps each component to its safetensors file, `inputs` to its source files' records.
    `weighed` knows the files that it wrote. What `held` has is released when all folders are
    finished.
    """

    folders: tuple[Folder, ...]
    workshop: Workshop
    emit: Emit
    scratch: Path
    held: ExitStack
    weights: Mapping[str, Path] = field(default_factory=dict)
    inputs: Mapping[str, Mapping[str, FileRecord]] = field(default_factory=dict)
    weighed: Weighed = field(default_factory=Weighed)
