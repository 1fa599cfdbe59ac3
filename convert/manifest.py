"""The manifest of a finished folder: where everything came from and how it was checked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from convert.bundle import NAMES
from convert.digest import describe_files, files_below
from convert.errors import BadInputError
from convert.models.layout import CONFIG_NAME, Component
from convert.plan import Job
from convert.proof import Built
from convert.staging import MARKER

SCHEMA = 1
"""Version of the manifest's layout."""

AGAIN = "convert the model again"
COMPONENTS: Mapping[str, str] = {name: component for component, name in NAMES.items()}


def write_manifest(
    job: Job, built: Sequence[Built], proofs: Mapping[str, Mapping[str, Any]], folder: Path
) -> None:
    """Where everything came from and how it was checked; no dates, so that it can be compared.

    `proofs` are the outcomes by kind and program, and stand in the manifest under their kind.
    """
    sources = dict.fromkeys(made.part.source for made in built)
    inputs = [path for name in sources for path in _inputs(job.model.components[name])]
    content = {
        "schema": SCHEMA,
        "model": {"name": job.model.path.resolve().name, "family": job.model.family.value},
        "inputs": describe_files(inputs, job.model.path),
        "options": asdict(job.options),
        "toolchain": job.toolchain,
        "programs": {
            NAMES[made.part.program]: {
                "source": made.part.source,
                "options": made.options,
                **{kind: outcomes[made.part.program] for kind, outcomes in proofs.items()},
                "files": describe_files(
                    (*files_below(made.package), *files_below(made.compiled)), folder
                ),
            }
            for made in built
        },
    }
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / MARKER).write_text(text + "\n", encoding="utf-8")


def _inputs(component: Component) -> tuple[Path, ...]:
    return (component.folder / CONFIG_NAME, *component.weights)


def read_manifest(bundle: Path) -> Mapping[str, Any]:
    """The manifest of a finished folder.

    Raises:
        BadInputError: there is none, or it is not one of ours.
    """
    path = bundle / MARKER
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInputError(
            f"{path}: not readable: {error.strerror}; give a folder that sdcoreml convert made"
        ) from error
    except ValueError as error:
        raise BadInputError(f"{path}: not JSON: {error}; {AGAIN}") from error
    if _is_manifest(manifest):
        return dict(manifest)
    raise BadInputError(f"{path}: not a manifest of this version of sdcoreml; {AGAIN}")


def _is_manifest(content: object) -> bool:
    """Whether the parts that are used here are there."""
    match content:
        case {
            "schema": 1,
            "inputs": dict(),
            "options": dict(),
            "programs": dict() as programs,
        }:
            return all(
                name in COMPONENTS
                and isinstance(program, dict)
                and program.keys() >= {"files", "options", "source"}
                for name, program in programs.items()
            )
    return False
