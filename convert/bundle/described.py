"""Reads what a compiled program says of itself in metadata.json, and not the program.

Apps list models by this file. It is a thousandth of the program, so a whole library is read in a
second; what is wrong with a program itself only `convert.bundle.facts` finds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sdcoreml.convert.bundle.contract import COMPILED, FILES, PACKAGE
from sdcoreml.convert.bundle.facts import (
    PortFacts,
    ProgramFacts,
    list_programs,
    read_safely,
    read_whole_package,
    tools_of,
)
from sdcoreml.convert.bundle.listed import is_size, why_hidden
from sdcoreml.convert.compile.check import HISTOGRAM, metadata_oddities
from sdcoreml.convert.compile.compiled import METADATA
from sdcoreml.ground.documents import read_json
from sdcoreml.ground.errors import Fault
from sdcoreml.ground.files import Document

AGAIN = "compile the package again"


def described_at(path: Path) -> tuple[ProgramFacts, ...]:
    """Read the descriptions of the program at `path`, or of all in that folder; raise no faults.

    A package without a compiled model has no description and is read whole. The shapes of outputs
    are (), because compiled programs do not state them.
    """
    paths = [path] if path.suffix in (PACKAGE, COMPILED) else list_programs(path)
    return tuple(
        read_safely(each, _describe if each.suffix == COMPILED else read_whole_package)
        for each in paths
    )


def _describe(path: Path) -> ProgramFacts:
    content = read_json(path / METADATA, Document.CONFIG, remedy=AGAIN)
    about: dict[str, Any] = {}
    match content:
        case [dict() as about]:
            pass
    counts, user = about.get(HISTOGRAM), about.get("userDefinedMetadata")
    version, precision = about.get("specificationVersion"), about.get("computePrecision")
    weights = path / FILES[COMPILED][-1]
    return ProgramFacts(
        path=path,
        specification=version if isinstance(version, int) else 0,
        inputs=tuple(_ports(about.get("inputSchema"))),
        outputs=tuple(_ports(about.get("outputSchema"))),
        operations=_counts(counts) if isinstance(counts, dict) else None,
        nbytes=weights.stat().st_size if weights.is_file() else 0,
        precision=precision if isinstance(precision, str) else "",
        tools=tools_of(_texts(user)) if isinstance(user, dict) else {},
        hidden=why_hidden(path.stem, content),
        faults=tuple(
            Fault(where=path / METADATA, what=what, remedy=AGAIN)
            for what in metadata_oddities(content)
        ),
    )


def _ports(schema: object) -> Iterator[PortFacts]:
    for entry in schema if isinstance(schema, list) else ():
        match entry:
            case {"name": str() as name, **rest}:
                dtype = rest.get("dataType")
                yield PortFacts(
                    name=name,
                    shape=_shape(rest.get("shape")),
                    dtype=dtype.lower() if isinstance(dtype, str) else "",
                )


def _shape(text: object) -> tuple[int, ...]:
    """Return the numbers of a shape such as `[2, 4, 64, 64]`; () if it is something else."""
    if not isinstance(text, str):
        return ()
    parts = [part.strip() for part in text.strip().strip("[]").split(",")]
    return tuple(map(int, parts)) if all(map(_is_number, parts)) else ()


def _is_number(text: str) -> bool:
    return is_size(f"[1, 1, 1, {text}]")


def _counts(found: Mapping[str, object]) -> Mapping[str, int]:
    return {name: count for name, count in found.items() if isinstance(count, int)}


def _texts(found: Mapping[str, object]) -> Mapping[str, str]:
    return {name: text for name, text in found.items() if isinstance(text, str)}
