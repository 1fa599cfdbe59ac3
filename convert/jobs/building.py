"""The steps of a conversion that write packages, and read them back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sdcoreml.convert.bundle.families import ProgramSpec
from sdcoreml.convert.cache.key import key_of
from sdcoreml.convert.jobs.conversion import Conversion, Folder
from sdcoreml.convert.jobs.kept import keep
from sdcoreml.convert.jobs.prove import StagedProgram
from sdcoreml.convert.jobs.upstream import build, options_of
from sdcoreml.convert.jobs.weighed import (
    Built,
    Offer,
    component_key,
    keep_palettes,
    note_built,
    offer,
)
from sdcoreml.convert.models.files import CONFIG_NAME
from sdcoreml.convert.packages.sharing import share_weights
from sdcoreml.convert.spec.reader import Package, read_package
from sdcoreml.ground.codec import from_plain
from sdcoreml.ground.events import Event
from sdcoreml.ground.quantity import amount


def draft(conversion: Conversion) -> Conversion:
    """List the programs to make, and put kept programs of earlier results into the folders."""

    def one(folder: Folder) -> Folder:
        programs = tuple(_stage(folder, part, conversion) for part in folder.job.parts)
        return replace(folder, kept=keep(folder.job, folder.path), programs=programs)

    return replace(conversion, folders=tuple(map(one, conversion.folders)))


def _stage(folder: Folder, part: ProgramSpec, conversion: Conversion) -> StagedProgram:
    job, foreign = folder.job, conversion.workshop.upstream is not None
    source = job.model.components[part.source]
    return StagedProgram(
        part=part,
        package=folder.path / f"{part.stem}.mlpackage",
        config=source.folder / CONFIG_NAME,
        settings=source.config,
        weights=conversion.weights[part.source],
        options=options_of(part, job) if foreign else job.options.for_program(part),
        halves=job.halves(part),
        foreign=foreign,
    )


_COMMON = ("config", "weights")
"""Fields of a request that are the same for all programs of a component."""


def build_packages(conversion: Conversion) -> Conversion:
    """Write all packages, using one child process, or the upstream converter."""
    workshop = conversion.workshop
    if workshop.upstream:
        for folder in conversion.folders:
            parts = (folder.job, folder.programs, workshop.upstream, workshop.runner)
            build(*parts, conversion.scratch / folder.path.name, conversion.emit)
        return conversion
    by_source: dict[str, list[tuple[Folder, StagedProgram]]] = {}
    for folder in conversion.folders:
        for program in folder.programs:
            by_source.setdefault(program.part.source, []).append((folder, program))
    if not by_source:
        return conversion
    offers = {source: _offer(source, made, conversion) for source, made in by_source.items()}
    components = [
        {**_component(made, conversion), **offers[source].request()}
        for source, made in by_source.items()
    ]
    request = {"components": components, "workers": workshop.workers}
    answer = workshop.runner.run("build", request, conversion.emit)
    conversion.emit(Event(kind="note", text=f"built in {amount(answer.peak_memory)} of memory"))
    built = iter(from_plain(tuple[Built, ...], answer.value))
    for source, written in by_source.items():
        _note(written, built, offers[source], conversion)
    return conversion


def _offer(
    source: str, made: Sequence[tuple[Folder, StagedProgram]], conversion: Conversion
) -> Offer:
    cache = conversion.workshop.finds
    if cache is None:
        return Offer(key="")
    key = component_key(source, conversion.inputs[source], conversion.workshop.toolchain)
    asked = (folder.job.options.recipe_for(one.part) for folder, one in made)
    recipes = {key_of(recipe): recipe for recipe in asked if recipe}
    return offer(key, [recipes[name] for name in sorted(recipes)], cache)


def _component(
    made: Sequence[tuple[Folder, StagedProgram]], conversion: Conversion
) -> dict[str, object]:
    """Return the request for the programs of one component."""
    asked = []
    for folder, one in made:
        where = "" if len(conversion.folders) == 1 else f" of {folder.job.output.name}"
        recipe = folder.job.options.recipe_for(one.part)
        extra = {"recipe": recipe} if recipe else {}
        asked.append({**one.request(), "title": one.part.stem + where, **extra})
    own = [{key: one[key] for key in one if key not in _COMMON} for one in asked]
    return {**{key: asked[0][key] for key in _COMMON}, "programs": own}


def _note(
    made: Sequence[tuple[Folder, StagedProgram]],
    built: Iterator[Built],
    offered: Offer,
    conversion: Conversion,
) -> None:
    """Note where the weight files of a component's new programs are from, and its palettes."""
    found = [next(built) for _ in made]
    for (folder, one), said in zip(made, found, strict=True):
        for package, placed in zip(one.packages, said.weights, strict=False):
            folder.layouts[package.stem] = note_built(package, placed, offered, conversion.weighed)
    if cache := conversion.workshop.finds:
        keep_palettes(found, offered, cache)


def share(folder: Folder, _: Conversion) -> Folder:
    """Hard-link equal weight files of new and kept programs, so that they are stored once."""
    share_weights(folder.path)
    return folder


def read_back(folder: Folder, conversion: Conversion) -> Folder:
    """Read the packages that were written, once for all the steps that follow."""

    def read(made: StagedProgram) -> StagedProgram:
        packages = tuple(map(read_package, made.packages))
        return replace(made, read=packages, content=_content(made, packages, conversion))

    return replace(folder, programs=tuple(map(read, folder.programs)))


def _content(made: StagedProgram, packages: Sequence[Package], conversion: Conversion) -> str:
    """Return a digest of a program's weight files and of the component; "" without a cache."""
    files = {f"{number}": one.weights for number, one in enumerate(packages) if one.weights}
    if conversion.workshop.finds is None:
        return ""
    source, toolchain = made.part.source, conversion.workshop.toolchain
    held = conversion.weighed.describe(files)
    return key_of(
        {
            "component": component_key(source, conversion.inputs[source], toolchain),
            "files": {number: one.sha256 for number, one in held.items()},
        }
    )
