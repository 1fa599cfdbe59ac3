"""A program as the builder draws it today, without weights, for comparison with finished ones.

Digests alone show whether a package has exactly the graph that the builder draws for a config and
options. Needs coremltools, but no torch and no checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdcoreml.convert.programs import draw
from sdcoreml.convert.programs.assemble import assemble
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.programs.payload import Payload, Weight
from sdcoreml.convert.proof.audit import plain
from sdcoreml.convert.storage.package import OpenProgram
from sdcoreml.ground.errors import BadInputError

if TYPE_CHECKING:
    import numpy as np

    from sdcoreml.convert.spec.model import Blob, DataType


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    shape: tuple[int, ...]
    dtype: str = "F16"


@dataclass(frozen=True, slots=True)
class Undefined:
    """A checkpoint with just the tensors that a graph declares, as zeros that take no memory."""

    shapes: Mapping[str, tuple[int, ...]]

    def names(self) -> tuple[str, ...]:
        """Every name."""
        return tuple(self.shapes)

    def info(self, name: str) -> _Shape:
        """Shape and type of a tensor."""
        return _Shape(shape=self.shapes[name])

    def __getitem__(self, name: str) -> np.ndarray:
        import numpy as np

        return np.broadcast_to(np.zeros((), np.float16), self.shapes[name])

    def release(self) -> None:
        """Do nothing: there are no pages to give back."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The constants that the builder computed, as the storage of a program without weights."""

    payloads: Mapping[int, Payload]

    def read(self, blob: Blob, dtype: DataType) -> bytes:
        """The bytes of a table.

        Raises:
            BadInputError: it is a weight that is asked for.
        """
        payload = self.payloads[blob.offset]
        if isinstance(payload.source, Weight):
            raise BadInputError("a drawing has no weights", where=payload.name)
        blocks = payload.source.blocks(Undefined({}), dtype)
        return b"".join(block.tobytes() for block in blocks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A drawn program, and the constants that stand for the checkpoint's tensors."""

    program: OpenProgram
    placed: Mapping[str, str]


def draw_without_weights(
    component: str, config: Mapping[str, object], options: ProgramOptions
) -> Drawing:
    """The program of a component for these options of a conversion, without its weights.

    Raises:
        UnsupportedError: the builder refuses config or options.
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
