"""The `build` task of `convert.tasks`: one component, from its files to its package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convert.chunk import chunk, chunk_paths
from convert.compress import compress, parse_recipe
from convert.errors import BadInputError
from convert.package import write_packages
from convert.programs import build_program
from convert.programs.options import parse_options
from convert.weights.safetensors import TensorFile
from envs.events import Emit, Event


def task(request: Mapping[str, Any], emit: Emit) -> dict[str, Any]:
    """Build `request["component"]` and write it to `request["package"]`.

    Also read from the request: `config` and `weights` (paths of a config.json and a safetensors
    file), `options` (fields of `ProgramOptions`), `recipe` (fields of `Recipe`) and `chunk`: if
    true, the two halves are written in place of the whole, to `chunk_paths` of the package.
    Answers with what was written, and counts for all of it.
    """
    component, package = request["component"], Path(request["package"])
    config = read_config(Path(request["config"]))
    options = parse_options(request.get("options", {}))
    recipe = parse_recipe(request["recipe"]) if "recipe" in request else None
    with TensorFile.open(Path(request["weights"])) as tensors:
        built = build_program(component, config, tensors, options)
        emit(Event(kind="note", text=f"{component}: {built.parameters:,} parameters"))
        if recipe is not None:
            built = compress(built, tensors, recipe)
        programs = {package: built}
        if request.get("chunk"):
            programs = dict(zip(chunk_paths(package), chunk(built), strict=True))
        write_packages(programs, tensors)
    return {
        "packages": [str(path) for path in programs],
        "parameters": built.parameters,
        "operations": sum(
            len(part.model.program.functions["main"].block.operations) for part in programs.values()
        ),
    }


def read_config(path: Path) -> Mapping[str, Any]:
    """A parsed config.json.

    Raises:
        BadInputError: it is not a JSON object.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInputError(f"{path}: {error}; take it from the model's source") from None
    if not isinstance(config, dict):
        raise BadInputError(f"{path}: not a JSON object; take it from the model's source")
    return config
