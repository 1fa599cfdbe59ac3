"""The manifest of a finished folder: where everything came from and how it was checked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sdcoreml.convert.bundle.contract import chunk_paths
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.jobs.prove import StagedProgram
from sdcoreml.convert.jobs.staging import MARKER
from sdcoreml.convert.models.layout import CONFIG_NAME, Component
from sdcoreml.convert.storage.joined import Packages
from sdcoreml.ground.aside import write_text
from sdcoreml.ground.digest import describe, describe_files, files_below
from sdcoreml.ground.errors import BadInputError

SCHEMA = 1
"""Version of the manifest's layout."""

PACKAGE = ".mlpackage"
AGAIN = "convert the model again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a manifest says of programs that stay as they are, and of the files they came from."""

    programs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)


NOTHING = Kept()


def write_manifest(
    job: Job,
    toolchain: Mapping[str, Any],
    built: Sequence[StagedProgram],
    proofs: Mapping[str, Mapping[str, Any]],
    folder: Path,
    kept: Kept = NOTHING,
) -> None:
    """Where everything came from and how it was checked; no dates, so that it can be compared.

    `proofs` are the outcomes by kind and program, and stand in the manifest under their kind.
    `kept` is what an older manifest says of the programs that were not made anew.
    """
    sources = dict.fromkeys(made.part.source for made in built)
    components = job.model.components
    inputs = {name: path for source in sources for name, path in inputs_of(components[source])}
    content = {
        "schema": SCHEMA,
        "model": {
            "name": job.model.path.resolve().name,
            "family": job.model.family.value,
            **({"made_from": job.model.origin} if job.model.origin else {}),
        },
        "inputs": {**kept.inputs, **describe(inputs)},
        "options": asdict(job.options),
        "toolchain": toolchain,
        "programs": {
            **kept.programs,
            **{made.part.stem: _entry(job, made, proofs, folder) for made in built},
        },
    }
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
    write_text(folder / MARKER, text + "\n")


def _entry(
    job: Job, made: StagedProgram, proofs: Mapping[str, Mapping[str, Any]], folder: Path
) -> Mapping[str, Any]:
    """What the manifest says of one program."""
    paths = [path for each in (*made.packages, *made.compiled) for path in files_below(each)]
    return {
        "component": made.part.program,
        "source": made.part.source,
        "options": made.options.as_json(),
        "recipe": job.options.recipe_for(made.part),
        "halves": made.halves,
        **{kind: outcomes[made.part.program] for kind, outcomes in proofs.items()},
        "files": describe_files(paths, folder),
    }


def inputs_of(component: Component) -> Iterator[tuple[str, Path]]:
    """The files that a component is made of, each by its name in a manifest."""
    for path in (component.folder / CONFIG_NAME, *component.weights):
        yield f"{component.name}/{path.name}", path


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
            f"not readable: {error.strerror}",
            where=path,
            remedy="give a folder that sdcoreml convert made",
        ) from error
    except ValueError as error:
        raise BadInputError(f"not JSON: {error}", where=path, remedy=AGAIN) from error
    if _is_manifest(manifest):
        return dict(manifest)
    raise BadInputError("not a manifest of this version of sdcoreml", where=path, remedy=AGAIN)


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
                isinstance(program, dict)
                and program.keys() >= {"component", "files", "halves", "options", "source"}
                and Path(name).name == name
                for name, program in programs.items()
            )
    return False


def written(bundle: Path, name: str, program: Mapping[str, Any]) -> Packages:
    """The package of a program that the manifest of `bundle` lists, or its two halves."""
    package = bundle / f"{name}{PACKAGE}"
    return chunk_paths(package) if program["halves"] else package
