"""Compares a finished folder with the model that it was made from.

What the manifest says is worked out again, because digests reveal only accidental changes: whoever
changes a file on purpose can also change its digest. Each compiled model (what apps load) is proved
again against the module that it was made from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sdcoreml.convert.bundle.contract import COMPILED, NAMES, PACKAGE
from sdcoreml.convert.bundle.families import REFINER, ProgramSpec
from sdcoreml.convert.bundle.tokenizer import read_tokenizer, tokenizer_folder
from sdcoreml.convert.jobs.answers import false_answers
from sdcoreml.convert.jobs.claims import false_claims
from sdcoreml.convert.jobs.manifest import AGAIN, MARKER, Manifest, ProgramEntry
from sdcoreml.convert.jobs.opening import open_again
from sdcoreml.convert.jobs.prove import ProofPolicy, StagedProgram, prove
from sdcoreml.convert.jobs.recompress import Recompressed, compress_again
from sdcoreml.convert.jobs.stated import false_options
from sdcoreml.convert.jobs.unpacked import unpack_again
from sdcoreml.convert.jobs.verify import Against
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.models.files import CONFIG_NAME
from sdcoreml.convert.models.layout import Model
from sdcoreml.convert.models.merge import merge_component
from sdcoreml.convert.models.prediction import PredictionSource
from sdcoreml.convert.programs.options import Runtime
from sdcoreml.convert.proof.compared import differences
from sdcoreml.convert.proof.record import ProgramProof
from sdcoreml.convert.worker import Runner
from sdcoreml.ground.aside import scratch_near
from sdcoreml.ground.digest import find_changed
from sdcoreml.ground.errors import BadInputError, Fault
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.files import Document, read_bytes
from sdcoreml.ground.quantity import count_programs

_TOKENIZER = (
    "add --tokenizer FOLDER if it was converted with one, otherwise convert the model again"
)
"""The remedy where a single file has no tokenizer of its own, so that another was to be given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The proofs made now, by program, the faults, and notes on what the model cannot prove."""

    faults: tuple[Fault, ...] = ()
    checked: Mapping[str, ProgramProof] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def compare(
    bundle: Path, manifest: Manifest, against: Against, runner: Runner, emit: Emit
) -> Comparison:
    """Compare a folder that has no faults of its own with its model.

    Raises:
        BadInputError: the model cannot be read.
        ParityError: a program does not compute what its module computes, or has wrong weights.
    """
    with open_against(against, bundle, manifest, emit) as model:
        faults = tuple(_absent_components(model, manifest)) or (
            *input_faults(model, manifest),
            *_other_tokenizer(bundle, manifest, model, against),
            *false_claims(manifest, model, against.model, bundle),
        )
        if faults:
            return Comparison(faults=faults)
        with scratch_near(bundle.resolve()) as scratch:
            made = [
                pair_program(bundle, name, program, model, scratch, emit)
                for name, program in manifest.programs.items()
            ]
            checked = _check(made, manifest, against, runner, emit)
            anew = {} if against.fast else _compress_again(made, manifest, checked, emit)
        faults = (
            *_false_proofs(bundle, manifest, checked, against),
            *_compression_faults(bundle, anew),
            *(() if against.fast else false_answers(bundle, manifest, checked)),
        )
        return Comparison(
            checked=checked,
            faults=faults,
            notes=(*_strange_notes(checked), *_compression_notes(anew), *_notes(manifest, against)),
        )


def _compress_again(
    made: Iterable[StagedProgram],
    manifest: Manifest,
    checked: Mapping[str, ProgramProof],
    emit: Emit,
) -> Mapping[str, Recompressed]:
    """Work out the compressed weights of our own programs again, by name."""
    recipes = {name: entry.recipe for name, entry in manifest.programs.items()}
    compressed = [
        one
        for one in made
        if not one.foreign and (recipes[one.part.stem] or checked[one.part.stem].audit.compressed)
    ]
    if compressed:
        emit(Event(kind="step", text="compress its weights again, to compare palettes and scales"))
    return {one.part.stem: compress_again(one, recipes[one.part.stem]) for one in compressed}


def _compression_faults(bundle: Path, anew: Mapping[str, Recompressed]) -> Iterator[Fault]:
    for name, found in anew.items():
        if found.wrong:
            count = len(found.wrong)
            what = f"{name}: its recipe gives other numbers than {count} of its weights have"
            first = f"{what}, such as {found.wrong[0]}"
            yield Fault(where=bundle / f"{name}{COMPILED}", what=first, remedy=AGAIN)


def _strange_notes(checked: Mapping[str, ProgramProof]) -> Iterator[str]:
    """Yield a note on each program that another version may have drawn, or somebody changed."""
    for name, proof in checked.items():
        if proof.strange:
            yield f"{name}: {proof.strange}; it computes the same with the inputs that were run"


def _compression_notes(anew: Mapping[str, Recompressed]) -> Iterator[str]:
    for name, found in anew.items():
        if found.as_exact:
            yield (
                f"{len(found.as_exact)} palettes of {name} are not bit for bit those that its"
                " recipe gives on this machine, but as exact"
            )


def _notes(manifest: Manifest, against: Against) -> Iterator[str]:
    """Yield notes on claims that the model would have to prove, and does not."""
    if manifest.model.made_from and not against.model.is_file():
        yield (
            "the files that its model was assembled from, its notes and an app's settings are only"
            " said: give that one file to --against, and they are compared"
        )
    if against.fast and any(entry.recipe for entry in manifest.programs.values()):
        yield "with --fast, palettes and scales are not worked out again from the recipe"
    if against.fast and manifest.answers:
        yield "with --fast, the recorded answers are not compared with the programs'"


def _false_proofs(
    bundle: Path, manifest: Manifest, checked: Mapping[str, ProgramProof], against: Against
) -> Iterator[Fault]:
    """Yield faults where a proof in the manifest differs from the one made now."""
    for name, found in checked.items():
        for what in _compare(manifest.programs[name], found, against):
            yield Fault(where=bundle / MARKER, what=f"{name}: {what}", remedy=AGAIN)


def _compare(entry: ProgramEntry, found: ProgramProof, against: Against) -> Iterator[str]:
    said = entry.checked
    yield from differences(said, found, against.origins, fast=against.fast)
    if said.sibling and against.certificates and not (found.sibling or found.certificate):
        yield f"its graph is not that of {said.sibling.title} in other shapes"
    if found.certificate and (certificate := against.certificates.get(found.graph or "")):
        yield from false_options(entry, certificate)


@contextmanager
def open_against(against: Against, bundle: Path, manifest: Manifest, emit: Emit) -> Iterator[Model]:
    """Open the model to compare a folder with.

    Raises:
        BadInputError: it cannot be read, or a folder with SDXL's refiner needs that model, too.
    """
    sources = {program.source for program in manifest.programs.values()}
    if REFINER in sources and against.refiner is None:
        raise BadInputError(
            f"its {NAMES['unet_refiner']} was made from another model, SDXL's refiner",
            where=bundle,
            remedy="add --refiner FOLDER",
        )
    if against.model.is_file():
        with unpack_again(against.model, manifest, bundle.parent, emit, against.tokenizer) as model:
            yield model
    else:
        said = manifest.options.prediction
        told = PredictionSource(option=said and said.value)
        yield open_again(against.model, against.refiner, told)


def _other_tokenizer(
    bundle: Path, manifest: Manifest, model: Model, against: Against
) -> Iterator[Fault]:
    """Yield faults for tokenizer files that differ from those made from the model."""
    if CONTROLNET in model.components or manifest.options.is_for_comfyui:
        return
    is_given = against.tokenizer or not against.model.is_file()
    remedy = AGAIN if is_given else _TOKENIZER
    for name, content in read_tokenizer(tokenizer_folder(model.path)).files():
        if read_bytes(bundle / name, Document.VOCABULARY) != content:
            yield Fault(where=bundle / name, what="not the model's tokenizer", remedy=remedy)
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
    made: Sequence[StagedProgram],
    manifest: Manifest,
    against: Against,
    runner: Runner,
    emit: Emit,
) -> Mapping[str, ProgramProof]:
    """Prove each program again.

    A program whose proof in the manifest was made by running it at its own size is run again,
    unless only a sample is asked for. Others are proved by a certificate if there is one, otherwise
    by running them, for a small image where that proves enough.
    """
    measured = {
        entry.component
        for entry in manifest.programs.values()
        if not (_relies_on_certificate(entry.checked) or entry.checked.unchecked or against.fast)
    }
    policy = ProofPolicy(certificates=against.certificates, run=frozenset(measured), draws=True)
    emit(Event(kind="step", text=f"audit the weights of {count_programs(len(made), 'compiled ')}"))
    proofs = prove(made, policy, runner, emit, fast=against.fast)
    return {one.part.stem: proofs[one.part.program] for one in made}


def _relies_on_certificate(said: ProgramProof) -> bool:
    return bool(said.certificate or said.sibling)


def pair_program(
    bundle: Path, name: str, program: ProgramEntry, model: Model, scratch: Path, emit: Emit
) -> StagedProgram:
    """Return a program of the folder, as apps load it, and the component it was made from."""
    source = model.components[program.source]
    suffix = PACKAGE if program.options.runtime is Runtime.COMFYUI else COMPILED
    return StagedProgram(
        part=ProgramSpec(program=program.component, source=source.name, name=name),
        package=bundle / f"{name}{suffix}",
        config=source.folder / CONFIG_NAME,
        settings=source.config,
        weights=merge_component(source, scratch / source.name, emit),
        options=program.options,
        halves=program.halves,
        foreign=program.made_by is not None,
    )
