"""Re-checks a finished folder: its files, the programs' ports and, given its model, the numbers.

Without the model, the files are compared with the manifest and the programs with what the runtimes
require. With the model, every compiled model, which is what apps load, is proved again against the
module it was made from, and its package, if present, must agree with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.convert.bundle.contract import COMPILED, NAMES
from sdcoreml.convert.bundle.families import REFINER, ProgramSpec, is_part_of
from sdcoreml.convert.bundle.fit import folder_faults
from sdcoreml.convert.bundle.tokenizer import MERGES, VOCAB, Tokenizer, check_tokenizer
from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.compile.compare import package_differences
from sdcoreml.convert.jobs.manifest import AGAIN, PACKAGE, Manifest, ProgramEntry, read_manifest
from sdcoreml.convert.jobs.opening import open_again
from sdcoreml.convert.jobs.prove import ProofPolicy, StagedProgram, prove
from sdcoreml.convert.jobs.unpacked import unpack_again
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.layout import CONFIG_NAME, Model
from sdcoreml.convert.models.merge import merge_component
from sdcoreml.convert.proof.record import ProgramProof
from sdcoreml.convert.storage.joined import Packages
from sdcoreml.convert.worker import Runner
from sdcoreml.ground.aside import scratch_near
from sdcoreml.ground.digest import describe, describe_files
from sdcoreml.ground.errors import BadInputError, Fault
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.ground.files import Document, read_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The result of verifying: faults, and the proofs of the numbers by program.

    `absent` are packages that were deleted to save space: apps need only the compiled models.
    """

    bundle: Path
    files: int
    faults: tuple[Fault, ...]
    checked: Mapping[str, ProgramProof]
    absent: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no fault was found."""
        return not self.faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """The model to verify against, the accepted certificates, and whether to run only a sample.

    `refiner` is the model that `UnetRefiner` was made from.
    """

    model: Path
    certificates: Mapping[str, Certificate]
    refiner: Path | None = None
    fast: bool = False


def verify(
    bundle: Path, runner: Runner, against: Against | None = None, emit: Emit = silent
) -> Verification:
    """Check the finished folder `bundle`.

    Args:
        bundle: a folder that `sdcoreml convert` made.
        runner: runs the check of numbers in the built environment, if one is needed.
        against: the model it was made from; without it, the numbers are not checked.
        emit: called with an event for each step.

    Raises:
        BadInputError: the folder has no manifest, or the model cannot be read.
        ParityError: a program does not compute what its module computes.
    """
    manifest = read_manifest(bundle)
    emit(Event(kind="step", text=f"compare the files of {bundle.name} with its manifest"))
    faults = [*file_faults(bundle, manifest), *program_faults(bundle, manifest)]
    checked: Mapping[str, ProgramProof] = {}
    if against is not None and not faults:
        with _open_against(against, bundle, manifest, emit) as model:
            faults += (*input_faults(model, manifest), *package_faults(bundle, manifest))
            checked = {} if faults else _check(bundle, manifest, model, against, runner, emit)
    absent = absent_packages(bundle, manifest)
    files = sum(
        name.partition("/")[0] not in absent
        for program in manifest.programs.values()
        for name in program.files
    )
    return Verification(
        bundle=bundle, files=files, faults=tuple(faults), checked=checked, absent=absent
    )


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


def file_faults(bundle: Path, manifest: Manifest) -> Iterator[Fault]:
    """Yield faults for files that are missing, were changed, or come from another run."""
    absent = absent_packages(bundle, manifest)
    for fault in changed_files(bundle, manifest.programs.values()):
        if Path(fault.where).relative_to(bundle).parts[0] not in absent:
            yield fault
    yield from _strangers(bundle, manifest.programs.values())


def absent_packages(bundle: Path, manifest: Manifest) -> tuple[str, ...]:
    """List packages that are missing although their compiled models are present."""
    return tuple(
        package.name
        for name, program in manifest.programs.items()
        for package in _paths(program.find_packages(bundle, name))
        if not package.exists() and package.with_suffix(COMPILED).is_dir()
    )


def package_faults(bundle: Path, manifest: Manifest) -> Iterator[Fault]:
    """Yield faults for packages that differ from their compiled models.

    Absent packages are skipped, and so are those that Apple's compiler compiled differently.
    """
    for name, program in manifest.programs.items():
        for package in _paths(program.find_packages(bundle, name)):
            compiled = package.with_suffix(COMPILED)
            if package.exists() and not program.compiled.differences:
                for difference in package_differences(package, compiled):
                    what = f"does not agree with {compiled.name}: {difference}"
                    yield Fault(where=package, what=what, remedy=AGAIN)


def _paths(written: Packages) -> tuple[Path, ...]:
    return (written,) if isinstance(written, Path) else written


def changed_files(bundle: Path, programs: Iterable[ProgramEntry]) -> Iterator[Fault]:
    """Yield faults for files of these manifest entries that are missing or were changed."""
    recorded = {
        name: described for program in programs for name, described in program.files.items()
    }
    present = [bundle / name for name in recorded if (bundle / name).is_file()]
    actual = describe_files(present, bundle)
    for name, described in recorded.items():
        if name not in actual:
            yield Fault(where=bundle / name, what="missing", remedy=AGAIN)
        elif actual[name].size != described.size:
            what = f"has {actual[name].size:,} bytes, but {described.size:,} were written"
            yield Fault(where=bundle / name, what=what, remedy=AGAIN)
        elif actual[name] != described:
            yield Fault(where=bundle / name, what="changed since it was written", remedy=AGAIN)


def _strangers(bundle: Path, programs: Iterable[ProgramEntry]) -> Iterator[Fault]:
    """Yield faults for programs of another run, such as halves that apps would load instead."""
    known = {name.partition("/")[0] for program in programs for name in program.files}
    for path in sorted(bundle.iterdir()):
        if path.suffix in (PACKAGE, COMPILED) and path.name not in known:
            what = "this is from another conversion, and apps may load it instead"
            yield Fault(where=path, what=what, remedy="move it out of the folder")


def program_faults(bundle: Path, manifest: Manifest) -> Iterator[Fault]:
    """Yield faults for what the runtimes would reject in the programs and the tokenizer."""
    programs: dict[str, Packages] = {}
    for name, program in manifest.programs.items():
        packages = program.find_packages(bundle, name)
        are_there = all(package.exists() for package in _paths(packages))
        programs[program.component] = (
            packages if are_there else program.find_packages(bundle, name, COMPILED)
        )
    is_part = is_part_of(Family(manifest.model.family), programs)
    yield from folder_faults(programs, bundle, is_part=is_part)
    if CONTROLNET in programs:
        return
    missing = [name for name in (VOCAB, MERGES) if not (bundle / name).is_file()]
    for name in missing:
        yield Fault(where=bundle / name, what="missing", remedy=AGAIN)
    if not missing:
        vocab, merges = (read_bytes(bundle / name, Document.VOCABULARY) for name in (VOCAB, MERGES))
        yield from check_tokenizer(Tokenizer(vocab=vocab, merges=merges), bundle)


def input_faults(
    model: Model, manifest: Manifest, sources: Collection[str] | None = None
) -> Iterator[Fault]:
    """Yield faults for the model's files that differ from those that the folder was made from.

    `sources` limits the check to these components.
    """
    remedy = "give the model that the folder was made from, or convert this one"
    recorded = {
        name: described
        for name, described in manifest.inputs.items()
        if sources is None or name.partition("/")[0] in sources
    }
    places = {name: _place(model, name) for name in recorded}
    actual = describe({name: path for name, path in places.items() if path.is_file()})
    for name, described in recorded.items():
        if actual.get(name) != described:
            what = "not the file that the folder was made from" if name in actual else "missing"
            yield Fault(where=places[name], what=what, remedy=remedy)


def _place(model: Model, name: str) -> Path:
    """Return the current path of a file among the manifest's inputs."""
    source, _, file = name.partition("/")
    component = model.components.get(source)
    return (component.folder if component else model.path / source) / file


def _check(
    bundle: Path, manifest: Manifest, model: Model, against: Against, runner: Runner, emit: Emit
) -> Mapping[str, ProgramProof]:
    """Prove each program: by certificate if there is one, otherwise by running it."""
    policy = ProofPolicy(certificates=against.certificates)
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
    """Pair a compiled program of the manifest with the component that it was made from."""
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
