"""The task `build`: programs of one component, from its files to packages."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdcoreml.convert.bundle.contract import chunk_paths
from sdcoreml.convert.compression.compress import Palettes, compress
from sdcoreml.convert.compression.recipe import parse_recipe
from sdcoreml.convert.packages.chunk import chunk
from sdcoreml.convert.packages.write import Shelf, write_packages
from sdcoreml.convert.programs import build_program
from sdcoreml.convert.programs.config import Config
from sdcoreml.convert.programs.options import parse_options
from sdcoreml.convert.programs.payload import DescribedTensors
from sdcoreml.convert.weights.safetensors import TensorFile
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.events import Emit, Event


def task(request: Mapping[str, Any], emit: Emit) -> list[dict[str, Any]]:
    """Build `request["programs"]`, all of them from one config.json and one safetensors file.

    `config` and `weights` are the paths of these. Each program names its `component`, the path of
    its `package`, and may have `options` (fields of `ProgramOptions`), a `recipe` (fields of
    `Recipe`), a `title` for those who watch, and `chunk`: if true, the two halves are written in
    place of the whole, to `chunk_paths` of the package. What the programs have in common, palettes
    and weight files, is made once. Answers with what was written, counts, and CPU seconds, for each
    of them; the first bears the start of the process.
    """
    config = read_config(Path(request["config"]))
    palettes: Palettes = {}
    shelf = Shelf()
    with TensorFile.open(Path(request["weights"])) as tensors:
        built, begun = [], 0.0
        for program in request["programs"]:
            made = _build(program, config, tensors, (palettes, shelf), emit)
            begun, since = time.process_time(), begun
            built.append({**made, "cpu": begun - since})
        return built


def _build(
    program: Mapping[str, Any],
    config: Config,
    tensors: DescribedTensors,
    common: tuple[Palettes, Shelf],
    emit: Emit,
) -> dict[str, Any]:
    component, package = program["component"], Path(program["package"])
    palettes, shelf = common
    emit(Event(kind="step", text=f"build {program.get('title', package.stem)}"))
    built = build_program(component, config, tensors, parse_options(program.get("options", {})))
    emit(Event(kind="note", text=f"{component}: {built.parameters:,} parameters"))
    if program.get("recipe"):
        built = compress(built, tensors, parse_recipe(program["recipe"], component), palettes)
    written = {package: built}
    if program.get("chunk"):
        written = dict(zip(chunk_paths(package), chunk(built), strict=True))
    write_packages(written, tensors, shelf)
    return {
        "component": component,
        "packages": [str(path) for path in written],
        "parameters": built.parameters,
        "operations": sum(
            len(part.model.program.main.block.operations) for part in written.values()
        ),
    }


def read_config(path: Path) -> Config:
    """A parsed config.json.

    Raises:
        BadInputError: it is not a JSON object.
    """
    try:
        config = json.loads(path.read_bytes())  # a byte order mark may come first
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"{error}", where=path, remedy="take it from the model's source"
        ) from None
    if not isinstance(config, dict):
        raise BadInputError(
            "not a JSON object", where=path, remedy="take it from the model's source"
        )
    return config
