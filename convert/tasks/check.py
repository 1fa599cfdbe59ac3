"""The worker's task "check": written packages against the modules that they were made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdcoreml.convert.bundle.contract import chunk_paths
from sdcoreml.convert.parity.check import FULL, QUICK, check_component
from sdcoreml.convert.parity.outcome import Parity, as_foreign
from sdcoreml.convert.programs.options import parse_options
from sdcoreml.ground.errors import ParityError
from sdcoreml.ground.events import Emit, Event


def task(request: Mapping[str, Any], emit: Emit) -> dict[str, Any]:
    """Check every one of `request["packages"]` and answer the `ProgramProof` of each, by component.

    Each names its `component` and the paths of its `package`, of its `config` (config.json) and of
    its `weights` (one safetensors file) and the `options` of the conversion that concern it (fields
    of `ProgramOptions`); where `chunk` is true, the two halves of the package are checked instead.
    `request["fast"]` asks for a sample only. A package that is `foreign` passes as
    `convert.parity.outcome.as_foreign` has it.

    Raises:
        ParityError: packages are not what they should be; all of them are named.
    """
    depth = QUICK if request.get("fast") else FULL
    checked: dict[str, Parity] = {}
    for part in request["packages"]:
        package = Path(part["package"])
        emit(Event(kind="step", text=f"check {package.name}"))
        foreign = part.get("foreign", False)
        parity = check_component(
            part["component"],
            chunk_paths(package) if part.get("chunk") else package,
            json.loads(Path(part["config"]).read_bytes()),
            Path(part["weights"]),
            replace(depth, program=parse_options(part.get("options", {})), lenient=not foreign),
            emit,
        )
        checked[part["component"]] = as_foreign(parity) if foreign else parity
    failures = [parity.complaint() for parity in checked.values() if not parity.passed]
    if failures:
        raise ParityError("; ".join(failures))
    return {component: parity.proof().as_json() for component, parity in checked.items()}
