"""The task `build`: builds the programs of components and writes their packages."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sdcoreml.convert.bundle.contract import chunk_paths
from sdcoreml.convert.compression.compress import Palettes, compress
from sdcoreml.convert.compression.recipe import parse_recipe
from sdcoreml.convert.models.known import open_known
from sdcoreml.convert.packages.chunk import chunk
from sdcoreml.convert.packages.write import Shelf, write_packages
from sdcoreml.convert.programs import build_program
from sdcoreml.convert.programs.config import Config
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.storage.table import Table
from sdcoreml.convert.tasks.palettes import KnownPalettes
from sdcoreml.convert.tasks.shares import Shares, amount_of_writing
from sdcoreml.ground.codec import from_plain, to_plain
from sdcoreml.ground.collector import collect_rarely
from sdcoreml.ground.crew import Crew
from sdcoreml.ground.documents import read_object
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.files import Document
from sdcoreml.ground.labour import STARTING, Labour, drawing, tell


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramRequest:
    """A program to build.

    `package` is the path to write to; with `chunk`, the program's two halves are written instead,
    to the paths that `chunk_paths` derives from it. `recipe` has the fields of a recipe file;
    `title` names the program in progress messages.
    """

    component: str
    package: str
    options: ProgramOptions = field(default_factory=ProgramOptions)
    recipe: Mapping[str, object] | None = None
    chunk: bool = False
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentRequest:
    """Programs to build from one config.json and one safetensors file, given by their paths.

    `made` are weight files that were made from these before, by their layout
    (`convert.packages.write.layout_of`), and `palettes` what rounded weights of these before
    (`convert.tasks.palettes`).
    """

    config: str
    weights: str
    programs: tuple[ProgramRequest, ...]
    made: Mapping[str, str] = field(default_factory=dict)
    palettes: Mapping[str, Table] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """Components to build, one after the other: starting a process takes longer than some do.

    `workers` is the number of processes that share the work, this one included.
    """

    components: tuple[ComponentRequest, ...]
    workers: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What the programs of a component have in common: palettes and weight files made so far."""

    shares: Shares
    finder: KnownPalettes
    shelf: Shelf
    made: frozenset[str] = frozenset()
    palettes: Palettes = field(default_factory=dict)


def task(request: Mapping[str, object], emit: Emit) -> list[dict[str, object]]:
    """Build the programs of a `BuildRequest`; return paths, counts and CPU seconds for each.

    Palettes and weight files that the programs of a component have in common are made once; the
    answer has those that are new. The CPU seconds of the first program include the start of the
    process.
    """
    collect_rarely()
    asked = from_plain(BuildRequest, request)
    tell(emit, Labour.DRAW, STARTING)
    built, begun = [], 0.0
    for component in asked.components:
        with Crew(asked.workers, emit=emit) as crew:  # helpers have one component's weights open
            for made in _build_component(component, crew, emit):
                begun, since = time.process_time(), begun
                built.append({**made, "cpu": begun - since})
    return built


def _build_component(
    asked: ComponentRequest, crew: Crew, emit: Emit
) -> Iterator[dict[str, object]]:
    config = read_config(Path(asked.config))
    with open_known(Path(asked.weights), config) as tensors:
        shares = Shares(tensors=tensors, crew=crew)
        common = Common(
            shares=shares,
            finder=KnownPalettes(finder=shares, emit=emit, known=dict(asked.palettes)),
            shelf=Shelf({layout: Path(path) for layout, path in asked.made.items()}),
            made=frozenset(asked.made.values()),
        )
        for program in asked.programs:
            yield _build(program, config, common, emit)


def _build(
    program: ProgramRequest, config: Config, common: Common, emit: Emit
) -> dict[str, object]:
    component, package = program.component, Path(program.package)
    shares, tensors = common.shares, common.shares.tensors
    emit(Event(kind="step", text=f"build {program.title or package.stem}"))
    built = build_program(component, config, tensors, program.options)
    emit(Event(kind="note", text=f"{component}: {built.parameters:,} parameters"))
    tell(emit, Labour.DRAW, drawing(len(built.payloads)))
    if program.recipe:
        recipe = parse_recipe(program.recipe, component)
        built = compress(built, tensors, recipe, common.palettes, common.finder)
    written = {package: built}
    if program.chunk:
        written = dict(zip(chunk_paths(package), chunk(built), strict=True))
    placed = write_packages(written, tensors, common.shelf, shares.write)
    for path, made in written.items():
        if placed[path].source in common.made:  # others are foreseen to be written once
            tell(emit, Labour.WRITE, sum(map(amount_of_writing, made.payloads)))
    return {
        "component": component,
        "packages": [str(path) for path in written],
        "parameters": built.parameters,
        "operations": sum(
            len(part.model.program.main.block.operations) for part in written.values()
        ),
        "weights": to_plain(tuple(placed.values())),
        "palettes": to_plain(common.finder.take_new()),
    }


def read_config(path: Path) -> Config:
    """Read a config.json.

    Raises:
        BadInputError: it is not a JSON object.
    """
    return read_object(path, Document.CONFIG, remedy="take it from the model's source")
