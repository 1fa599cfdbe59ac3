"""The task `siblings`: finds certified graphs that differ from written ones only in shapes.

It runs nothing and reads no weights, so it needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.parity.sibling import find_sibling
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.ground.codec import from_plain, to_plain
from sdcoreml.ground.documents import read_object
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.files import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphRequest:
    """A written graph, by its `graph_digest`, and the config.json and options it was made from."""

    component: str
    graph: str
    config: str
    options: ProgramOptions = field(default_factory=ProgramOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiblingsRequest:
    """The graphs, and the certificates to accept."""

    graphs: tuple[GraphRequest, ...]
    certificates: tuple[Certificate, ...]


def task(request: Mapping[str, object], emit: Emit) -> dict[str, object]:
    """Return, by component, the `Sibling` of each graph of a `SiblingsRequest` that has one."""
    asked = from_plain(SiblingsRequest, request)
    found: dict[str, object] = {}
    for item in asked.graphs:
        emit(Event(kind="step", text=f"compare {item.component} with certified graphs"))
        config = read_object(Path(item.config), Document.CONFIG)
        kinship = find_sibling(item.graph, item.component, config, item.options, asked.certificates)
        if kinship:
            found[item.component] = to_plain(kinship.sibling)
    return found
