"""Checks a finished folder again: its files, its programs and, given its model, the numbers.

Without the model, files are compared with the manifest, and programs with each other and with what
the runtimes require. With the model, each compiled model (what apps load) is proved again against
the module that it was made from: see `sdcoreml.convert.jobs.against`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sdcoreml.convert.bundle.families import is_part_of
from sdcoreml.convert.bundle.tokenizer import (
    MERGES,
    VOCAB,
    check_tokenizer,
    pair_faults,
    read_written,
)
from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.jobs.answers import answer_faults
from sdcoreml.convert.jobs.forms import program_faults
from sdcoreml.convert.jobs.intact import (
    absent_packages,
    changed_faults,
    mode_faults,
    odd_faults,
    present,
    stranger_faults,
)
from sdcoreml.convert.jobs.manifest import (
    AGAIN,
    MARKER,
    Manifest,
    manifest_faults,
    read_manifest,
)
from sdcoreml.convert.jobs.unproven import unproven_claims
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.models.family import Family
from sdcoreml.convert.proof.record import Origin, ProgramProof
from sdcoreml.convert.worker import Runner
from sdcoreml.ground.errors import Fault
from sdcoreml.ground.events import Emit, Event, silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The result of verifying: faults, and the proofs of the numbers by program.

    `files` is the number of files that were compared. `absent` are packages that were deleted to
    save space: apps need only the compiled models. `notes` are what the user should know although
    it is no fault, such as checks that the folder does not permit.
    """

    bundle: Path
    files: int
    faults: tuple[Fault, ...]
    checked: Mapping[str, ProgramProof]
    absent: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no fault was found."""
        return not self.faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """The model to verify against, the accepted certificates, and whether to run only a sample.

    `refiner` is the model that `UnetRefiner` was made from. `issued` are all certificates that the
    manifest may refer to, even if they are not accepted as proofs now. `tokenizer` is the folder of
    the tokenizer that was given with a single file.
    """

    model: Path
    certificates: Mapping[str, Certificate]
    refiner: Path | None = None
    tokenizer: Path | None = None
    fast: bool = False
    issued: Mapping[str, Certificate] = field(default_factory=dict)

    @property
    def origins(self) -> Mapping[str, Origin]:
        """The record that a manifest has of each certificate, by the certificate's key."""
        return {key: one.origin for key, one in {**self.certificates, **self.issued}.items()}


def verify(
    bundle: Path, runner: Runner, against: Against | None = None, emit: Emit = silent
) -> Verification:
    """Check the finished folder `bundle`.

    Args:
        bundle: a folder that `sdcoreml convert` made.
        runner: runs the check of numbers in the built environment, if one is needed.
        against: the model that the folder was made from; without it, the numbers are not checked.
        emit: called with an event for each step.

    Raises:
        BadInputError: the folder has no manifest, or the model cannot be read.
        ParityError: a program does not compute what its module computes, or has wrong weights.
    """
    manifest = read_manifest(bundle)
    emit(Event(kind="step", text=f"compare the files of {bundle.name} with its manifest"))
    faults = folder_faults(bundle, manifest)
    checked: Mapping[str, ProgramProof] = {}
    notes = tuple(_notes(manifest))
    if against is not None and not faults:
        # Loaded only here: without a model, most of the converter is not needed.
        from sdcoreml.convert.jobs.against import compare

        found = compare(bundle, manifest, against, runner, emit)
        checked, faults, notes = found.checked, found.faults, (*notes, *found.notes)
    return Verification(
        bundle=bundle,
        files=len(present(bundle, manifest)),
        faults=faults,
        checked=checked,
        absent=absent_packages(bundle, manifest),
        notes=notes,
    )


def _notes(manifest: Manifest) -> Iterator[str]:
    if manifest.is_older:
        yield (
            "an earlier version made it, whose manifests have no digest of themselves or of the"
            " tokenizer: convert the model again to have them"
        )
    components = {entry.component for entry in manifest.programs.values()}
    is_alone = manifest.options.is_for_comfyui
    is_part = not is_alone and is_part_of(Family(manifest.model.family), components)
    if manifest.part or is_part:
        made = ", ".join(manifest.programs)
        yield f"it is a part of a model, {made}: no app runs it without the rest"
    yield from unproven_claims(manifest)


def folder_faults(bundle: Path, manifest: Manifest) -> tuple[Fault, ...]:
    """Return the faults of a finished folder that show without its model.

    If something else is in a file's place, such as a link, nothing is opened.
    """
    if odd := tuple(odd_faults(bundle, manifest)):
        return odd
    files = (
        *manifest_faults(bundle),
        *changed_faults(bundle, present(bundle, manifest)),
        *stranger_faults(bundle, manifest),
        *mode_faults(bundle, manifest),
    )
    told = {fault.where for fault in files}
    inside = (
        *program_faults(bundle, manifest),
        *tokenizer_faults(bundle, manifest),
        *answer_faults(bundle, manifest),
    )
    return (*files, *(fault for fault in inside if fault.where not in told))


def tokenizer_faults(bundle: Path, manifest: Manifest) -> Iterator[Fault]:
    """Yield the faults of a folder's tokenizer; a ControlNet's folder has none.

    Faults that the manifest records as the model's own are left out.
    """
    is_net = any(entry.component == CONTROLNET for entry in manifest.programs.values())
    if is_net or manifest.options.is_for_comfyui:
        return
    missing = [name for name in (VOCAB, MERGES) if not (bundle / name).is_file()]
    for name in missing:
        if name not in manifest.tokenizer:
            yield Fault(where=bundle / name, what="missing", remedy=AGAIN)
    if not missing:
        tokenizer = read_written(bundle)
        faults = tuple(check_tokenizer(tokenizer, bundle))
        odd = () if faults else tuple(pair_faults(tokenizer, bundle))
        yield from (*faults, *(one for one in odd if one.what not in manifest.odd_tokenizer))
        if not manifest.is_older and {*manifest.odd_tokenizer} - {fault.what for fault in odd}:
            what = "says of the tokenizer what is not so"
            yield Fault(where=bundle / MARKER, what=what, remedy=AGAIN)
