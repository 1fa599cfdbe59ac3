"""Checks a finished folder again: its files, its programs and, given its model, the numbers.

Without the model, files are compared with the manifest, and programs with each other and with what
the runtimes require. With the model, each compiled model (what apps load) is proved again against
the module that it was made from. What the manifest says is worked out again, too, because digests
reveal only accidental changes: whoever changes a file on purpose can also change its digest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sdcoreml.convert.bundle.contract import COMPILED, NAMES
from sdcoreml.convert.bundle.families import REFINER, ProgramSpec, is_part_of
from sdcoreml.convert.bundle.tokenizer import (
    MERGES,
    VOCAB,
    check_tokenizer,
    pair_faults,
    read_tokenizer,
    read_written,
    tokenizer_folder,
)
from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.jobs.claims import false_claims, unproven_claims
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
    ProgramEntry,
    manifest_faults,
    read_manifest,
)
from sdcoreml.convert.jobs.opening import open_again
from sdcoreml.convert.jobs.prove import ProofPolicy, StagedProgram, prove
from sdcoreml.convert.jobs.unpacked import unpack_again
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.files import CONFIG_NAME
from sdcoreml.convert.models.layout import Model
from sdcoreml.convert.models.merge import merge_component
from sdcoreml.convert.proof.compared import differences
from sdcoreml.convert.proof.record import Origin, ProgramProof
from sdcoreml.convert.worker import Runner
from sdcoreml.ground.aside import scratch_near
from sdcoreml.ground.digest import find_changed
from sdcoreml.ground.errors import BadInputError, Fault
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.files import Document, read_bytes


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
    manifest may refer to, even if they are not accepted as proofs now.
    """

    model: Path
    certificates: Mapping[str, Certificate]
    refiner: Path | None = None
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
    if against is not None and not faults:
        with _open_against(against, bundle, manifest, emit) as model:
            faults = tuple(_absent_components(model, manifest)) or (
                *input_faults(model, manifest),
                *other_tokenizer(bundle, manifest, model),
                *false_claims(manifest, model, against.model, bundle),
            )
            if not faults:
                checked = _check(bundle, manifest, model, against, runner, emit)
                faults = tuple(_false_proofs(bundle, manifest, checked, against))
    return Verification(
        bundle=bundle,
        files=len(present(bundle, manifest)),
        faults=faults,
        checked=checked,
        absent=absent_packages(bundle, manifest),
        notes=tuple(_notes(manifest)),
    )


def _false_proofs(
    bundle: Path, manifest: Manifest, checked: Mapping[str, ProgramProof], against: Against
) -> Iterator[Fault]:
    """Yield faults where a proof in the manifest differs from the one made now."""
    for name, found in checked.items():
        for what in _compare(manifest.programs[name].checked, found, against):
            yield Fault(where=bundle / MARKER, what=f"{name}: {what}", remedy=AGAIN)


def _compare(said: ProgramProof, found: ProgramProof, against: Against) -> Iterator[str]:
    return differences(said, found, against.origins, fast=against.fast)


def _notes(manifest: Manifest) -> Iterator[str]:
    if manifest.is_older:
        yield (
            "an earlier version made it, whose manifests have no digest of themselves or of the"
            " tokenizer: convert the model again to have them"
        )
    components = {entry.component for entry in manifest.programs.values()}
    if manifest.part or is_part_of(Family(manifest.model.family), components):
        made = ", ".join(manifest.programs)
        yield f"it is a part of a model, {made}: no app runs it without the rest"
    yield from unproven_claims(manifest)


@contextmanager
def _open_against(
    against: Against, bundle: Path, manifest: Manifest, emit: Emit
) -> Iterator[Model]:
    sources = {program.source for program in manifest.programs.values()}
    if REFINER in sources and against.refiner is None:
        raise BadInputError(
            f"its {NAMES['unet_refiner']} was made from another model, SDXL's refiner",
            where=bundle,
            remedy="add --refiner FOLDER",
        )
    if against.model.is_file():
        with unpack_again(against.model, manifest, bundle.parent, emit) as model:
            yield model
    else:
        yield open_again(against.model, against.refiner)


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
    inside = (*program_faults(bundle, manifest), *tokenizer_faults(bundle, manifest))
    return (*files, *(fault for fault in inside if fault.where not in told))


def tokenizer_faults(bundle: Path, manifest: Manifest) -> Iterator[Fault]:
    """Yield the faults of a folder's tokenizer; a ControlNet's folder has none.

    Faults that the manifest records as the model's own are left out.
    """
    if any(entry.component == CONTROLNET for entry in manifest.programs.values()):
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


def other_tokenizer(bundle: Path, manifest: Manifest, model: Model) -> Iterator[Fault]:
    """Yield faults for tokenizer files that differ from those made from the model."""
    if CONTROLNET in model.components:
        return
    for name, content in read_tokenizer(tokenizer_folder(model.path)).files():
        if read_bytes(bundle / name, Document.VOCABULARY) != content:
            yield Fault(where=bundle / name, what="not the model's tokenizer", remedy=AGAIN)
        elif not manifest.is_older and name not in manifest.tokenizer:
            yield Fault(where=bundle / MARKER, what=f"does not name {name}", remedy=AGAIN)


def input_faults(
    model: Model, manifest: Manifest, sources: Collection[str] | None = None
) -> Iterator[Fault]:
    """Yield faults for the model's files that differ from those that the folder was made from.

    If `sources` are given, only the files of these components are checked.
    """
    remedy = "give the model that the folder was made from, or convert this one"
    recorded = {
        name: described
        for name, described in manifest.inputs.items()
        if sources is None or name.partition("/")[0] in sources
    }
    places = {name: _place(model, name) for name in recorded}
    there = {name: path for name, path in places.items() if path.is_file()}
    changed = find_changed(there, recorded)
    for name, place in places.items():
        if name in changed or name not in there:
            what = "not the file that the folder was made from" if name in there else "missing"
            yield Fault(where=place, what=what, remedy=remedy)


def _absent_components(model: Model, manifest: Manifest) -> Iterator[Fault]:
    """Yield a fault for each component that the folder was made from and the model lacks."""
    needed = {program.source for program in manifest.programs.values()}
    for source in sorted(needed - model.components.keys()):
        remedy = "give the model that the folder was made from"
        yield Fault(where=model.path, what=f"has no {source}", remedy=remedy)


def _place(model: Model, name: str) -> Path:
    """Return the path in `model` of a source file, given its name in the manifest."""
    source, _, file = name.partition("/")
    component = model.components.get(source)
    return (component.folder if component else model.path / source) / file


def _check(
    bundle: Path, manifest: Manifest, model: Model, against: Against, runner: Runner, emit: Emit
) -> Mapping[str, ProgramProof]:
    """Prove each program again.

    A program whose proof in the manifest was made by running it is run again, unless only a sample
    is asked for. Others are proved by a certificate if there is one, otherwise by running them.
    """
    measured = {
        entry.component
        for entry in manifest.programs.values()
        if not (entry.checked.certificate or entry.checked.unchecked or against.fast)
    }
    policy = ProofPolicy(certificates=against.certificates, run=frozenset(measured))
    with scratch_near(bundle.resolve()) as scratch:
        built = [
            _pair_program(bundle, name, program, model, scratch, emit)
            for name, program in manifest.programs.items()
        ]
        emit(Event(kind="step", text=f"audit the weights of {len(built)} compiled programs"))
        proofs = prove(built, policy, runner, emit, fast=against.fast)
    return {made.part.stem: proofs[made.part.program] for made in built}


def _pair_program(
    bundle: Path, name: str, program: ProgramEntry, model: Model, scratch: Path, emit: Emit
) -> StagedProgram:
    """Return a compiled program of the folder together with the component it was made from."""
    source = model.components[program.source]
    return StagedProgram(
        part=ProgramSpec(program=program.component, source=source.name, name=name),
        package=bundle / f"{name}{COMPILED}",
        config=source.folder / CONFIG_NAME,
        settings=source.config,
        weights=merge_component(source, scratch / source.name, emit),
        options=program.options,
        halves=program.halves,
        foreign=program.made_by is not None,
    )
