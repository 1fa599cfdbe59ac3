"""Draws a component's program without weights, for comparison with a package.

Digests show whether a package has exactly the graph that the builder draws for the same config and
options. This module needs no torch, no coremltools and no checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdcoreml.convert.certificates.digest import graph_digest
from sdcoreml.convert.programs import draw
from sdcoreml.convert.programs.assemble import assemble
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.programs.payload import Payload, Weight
from sdcoreml.convert.proof.weighing import plain
from sdcoreml.convert.storage.package import OpenProgram
from sdcoreml.ground.errors import BadInputError, UnsupportedError

if TYPE_CHECKING:
    import numpy as np

    from sdcoreml.convert.spec.model import Blob, DataType


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    shape: tuple[int, ...]
    dtype: str = "F16"


@dataclass(frozen=True, slots=True)
class Undefined:
    """A checkpoint with the tensors that a graph declares, all zeros, which take no memory."""

    shapes: Mapping[str, tuple[int, ...]]

    def names(self) -> tuple[str, ...]:
        """Return every name."""
        return tuple(self.shapes)

    def info(self, name: str) -> _Shape:
        """Return shape and type of a tensor."""
        return _Shape(shape=self.shapes[name])

    def __getitem__(self, name: str) -> np.ndarray:
        import numpy as np

        return np.broadcast_to(np.zeros((), np.float16), self.shapes[name])

    def release(self) -> None:
        """Do nothing: no pages are mapped."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The storage of a program without weights: it has only constants that the builder computed."""

    payloads: Mapping[int, Payload]

    def read(self, blob: Blob, dtype: DataType) -> bytes:
        """Return the bytes of a computed constant.

        Raises:
            BadInputError: the constant is a weight.
        """
        payload = self.payloads[blob.offset]
        if isinstance(payload.source, Weight):
            raise BadInputError(
                "this is a weight, but the program was drawn without weights", where=payload.name
            )
        blocks = payload.source.blocks(Undefined({}), dtype)
        return b"".join(block.tobytes() for block in blocks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A drawn program, and the names of the constants that represent checkpoint tensors."""

    program: OpenProgram
    placed: Mapping[str, str]


def draw_without_weights(
    component: str, config: Mapping[str, object], options: ProgramOptions
) -> Drawing:
    """Draw the program of a component with these options, without weights.

    Raises:
        UnsupportedError: the builder does not support the config or the options.
    """
    draft = draw(component, config, options)
    built = assemble(draft, Undefined(draft.graph.declared))
    program = OpenProgram(
        path=Path(f"{component} as drawn"),
        model=built.model,
        function=built.model.program.main,
        storage=Tables({payload.offset: payload for payload in built.payloads}),
    )
    weights = {
        name: plain(source.tensor)
        for name, source in draft.graph.sources.items()
        if isinstance(source, Weight)
    }
    return Drawing(program=program, placed=weights)


def find_strange(
    graph: str, component: str, config: Mapping[str, object], options: ProgramOptions
) -> str:
    """Return how a graph differs from the one that is drawn for its options; "" if it does not.

    Running a program shows what it computes with some inputs, not that it has this graph. `graph`
    is the program's `graph_digest`; if it is empty, nothing is said.
    """
    if not graph:
        return ""
    try:
        drawn = draw_without_weights(component, config, options)
        wanted = graph_digest(drawn.program, drawn.placed)
    except UnsupportedError:
        return ""
    return "" if graph == wanted else "its graph is not the one that is drawn for its options now"
