"""Checks the programs of a finished folder, and that packages agree with compiled models."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from pathlib import Path

from sdcoreml.convert.bundle.contract import COMPILED
from sdcoreml.convert.bundle.families import is_part_of
from sdcoreml.convert.bundle.fit import (
    Called,
    check_controlnet,
    check_first_half,
    check_programs,
)
from sdcoreml.convert.compile.check import faults
from sdcoreml.convert.compile.compare import package_differences
from sdcoreml.convert.compile.compiled import WEIGHTS, CompiledModel, read_compiled
from sdcoreml.convert.compile.exact import (
    compile_alike,
    compiled_oddities,
    model_oddities,
    package_oddities,
    weight_oddities,
)
from sdcoreml.convert.compile.package import OURS
from sdcoreml.convert.jobs.intact import as_paths, recorded
from sdcoreml.convert.jobs.manifest import AGAIN, Manifest, ProgramEntry
from sdcoreml.convert.models.controlnet import CONTROLNET
from sdcoreml.convert.models.family import Family
from sdcoreml.convert.packages.write import WEIGHTS as PACKAGED_WEIGHTS
from sdcoreml.convert.spec.model import Model
from sdcoreml.convert.spec.reader import Package, read_package
from sdcoreml.convert.storage.joined import join
from sdcoreml.convert.storage.package import NoWeights, OpenProgram, main_function
from sdcoreml.ground.digest import FileRecord
from sdcoreml.ground.errors import Fault, SdcoremlError

MODEL_FILE = "Data/com.apple.CoreML/model.mlmodel"


def program_faults(bundle: Path, manifest: Manifest) -> Iterator[Fault]:
    """Yield faults of the programs: what runtimes would reject, and what no conversion writes."""
    models: dict[str, Model] = {}
    records = recorded(manifest)
    for name, entry in manifest.programs.items():
        halves: list[OpenProgram] = []
        try:
            for package in as_paths(entry.find_packages(bundle, name)):
                half = yield from _read(package, entry, records)
                halves += [half] if half else []
            if len(halves) == 1 and not entry.halves:
                models[entry.component] = halves[0].model
            elif len(halves) > 1:
                whole = models[entry.component] = join(*halves).model
                yield from check_first_half(halves[0].model, whole, halves[0].path)
        except SdcoremlError as error:
            yield error.fault
    if models.keys() == {CONTROLNET}:
        yield from check_controlnet(models[CONTROLNET], bundle)
    else:
        components = {entry.component for entry in manifest.programs.values()}
        is_part = manifest.part or (
            manifest.is_older and is_part_of(Family(manifest.model.family), components)
        )
        called = Called(runtime=manifest.options.runtime, is_part=is_part)
        yield from check_programs(models, bundle, called)


def _read(
    package: Path, entry: ProgramEntry, records: Mapping[str, FileRecord]
) -> Generator[Fault, None, OpenProgram | None]:
    """Yield the faults of one program, and return it as read, without its weights.

    The compiled model is returned if there is one, otherwise the package; `None` if both are
    missing.
    """
    path, digest = package.with_suffix(COMPILED), _model_digest(package, records)
    source = read_package(package) if os.path.lexists(package) else None
    is_there = os.path.lexists(path)
    is_ours = entry.compiled.verdict.startswith(OURS)
    # If a file is not what the package compiles to, the compiled model is read to say what differs.
    alike = compile_alike(source, path, digest) if source and is_there and is_ours else None
    compiled = alike or (read_compiled(path) if is_there else None)
    if compiled:
        yield from faults(compiled)
        yield from _located(_find_in_compiled(compiled, entry))
    if compiled and is_ours and not alike:
        yield from _located(compiled_oddities(compiled, digest))
    if source:
        yield from _located(_find_in_package(source, entry, digest))
    if source and compiled and not entry.compiled.differences:
        different = () if alike else package_differences(source, compiled)
        for difference in (*different, *_find_other_weights(package, path, records)):
            what = f"does not agree with {path.name}: {difference}"
            yield Fault(where=package, what=what, remedy=AGAIN)
    read = compiled or source
    if read is None:
        return None
    return OpenProgram(
        path=read.path,
        model=read.model,
        function=main_function(read.model),
        storage=NoWeights(package=read.path),
    )


def _located(oddities: Iterable[tuple[Path, str]]) -> Iterator[Fault]:
    return (Fault(where=path, what=what, remedy=AGAIN) for path, what in oddities)


def _model_digest(package: Path, records: Mapping[str, FileRecord]) -> str:
    record = records.get(f"{package.name}/{MODEL_FILE}")
    return record.sha256 if record else ""


def _find_in_compiled(compiled: CompiledModel, entry: ProgramEntry) -> Iterator[tuple[Path, str]]:
    yield from ((compiled.path, what) for what in model_oddities(compiled.model))
    if entry.made_by is None and compiled.weights:
        found = weight_oddities(compiled.program, compiled.weights)
        yield from ((compiled.weights, what) for what in found)


def _find_in_package(
    source: Package, entry: ProgramEntry, digest: str
) -> Iterator[tuple[Path, str]]:
    yield from ((source.model_path, what) for what in model_oddities(source.model))
    if entry.made_by is None:
        yield from package_oddities(source, digest)


def _find_other_weights(
    package: Path, path: Path, records: Mapping[str, FileRecord]
) -> Iterator[str]:
    """Yield a fault if a package and its compiled model have different weights.

    Their recorded digests are compared; that the files match these is checked elsewhere.
    """
    names = (f"{package.name}/{PACKAGED_WEIGHTS}", f"{path.name}/{WEIGHTS}")
    packaged, compiled = (records.get(name) for name in names)
    if packaged != compiled:
        yield "weights differ" if packaged and compiled else "only one of the two has weights"
