"""The worker's task "check": written packages against their modules, one after the other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convert.parity import FULL, QUICK, Parity, check_component
from envs.events import Emit, Event


def task(request: Mapping[str, Any], emit: Emit) -> dict[str, Any]:
    """Check each of `request["packages"]`; one process, so torch is imported once.

    Each is an object of `component`, `package`, and the paths `config` and `weights` of the
    component's config.json and safetensors file; `fast` in the request asks for a sample only. The
    answer maps components to `Parity.as_json`.

    Raises:
        ParityError: a package is not what it should be.
    """
    fast = bool(request.get("fast"))
    return {item["component"]: _check(item, fast, emit).as_json() for item in request["packages"]}


def _check(item: Mapping[str, Any], fast: bool, emit: Emit) -> Parity:  # noqa: FBT001  the one flag
    package = Path(item["package"])
    emit(Event(kind="step", text=f"check {package.stem}"))
    parity = check_component(
        item["component"],
        package,
        json.loads(Path(item["config"]).read_bytes()),
        Path(item["weights"]),
        QUICK if fast else FULL,
        emit,
    )
    parity.require()
    return parity
