"""Shares the work of a build among processes: finding palettes, and writing weight files.

Neither result depends on the number of processes: what rounds a weight depends on that weight
alone, and each record is written at its own place in the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from sdcoreml.convert.compression.compress import TOGETHER
from sdcoreml.convert.compression.forms import Codes, Form, Integers, count_palettes, fit
from sdcoreml.convert.packages.write import write_record
from sdcoreml.convert.programs.payload import ComputedConstant, Payload, RecordSource, Weight
from sdcoreml.convert.spec.blobs import ALIGNMENT, descriptor, header
from sdcoreml.convert.spec.model import DataType, TensorType
from sdcoreml.convert.storage.table import Table
from sdcoreml.convert.weights.safetensors import TensorFile
from sdcoreml.ground.codec import from_plain
from sdcoreml.ground.crew import Crew, Opening, Work
from sdcoreml.ground.labour import Labour, clustering, tell, writing

WORTH = 64 << 20
"""The bytes of weights from which on helpers are worth the time that they take to start."""

_AT_ONCE = 32 << 20
"""The bytes of weights that are written as one piece of work."""

_SMALLEST = 4
"""Clustering fewer weights together than this takes much longer, so no share is smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A `RecordSource` as JSON values.

    `tensor` names the tensor. `palettes` (one row for each group of `each` elements) or `scale` are
    what `fit` found. A `constant` stands for itself.
    """

    tensor: str = ""
    palettes: Table | None = None
    bits: int = 0
    each: int = 0
    scale: Table | None = None
    constant: Table | None = None

    @classmethod
    def of(cls, source: RecordSource) -> Source:
        """Describe a source of content."""
        match source:
            case Weight(tensor=tensor):
                return cls(tensor=tensor)
            case Codes(source=Weight(tensor=tensor), palettes=palettes, bits=bits, each=each):
                return cls(tensor=tensor, palettes=Table.of(palettes), bits=bits, each=each)
            case Integers(source=Weight(tensor=tensor), scale=scale):
                return cls(tensor=tensor, scale=Table.of(scale))
            case ComputedConstant(array=array):
                return cls(constant=Table.of(array))
        raise TypeError(f"{source} cannot be sent to another process")

    def as_source(self) -> RecordSource:
        """Return the source that this describes."""
        weight = Weight(tensor=self.tensor)
        if self.palettes is not None:
            palettes = self.palettes.as_array()
            return Codes(source=weight, palettes=palettes, bits=self.bits, each=self.each)
        if self.scale is not None:
            return Integers(source=weight, scale=self.scale.as_array())
        return weight if self.constant is None else ComputedConstant(self.constant.as_array())


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A record to write, or a weight to fit, as JSON values."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    source: Source

    @classmethod
    def of(cls, payload: Payload) -> Piece:
        """Describe a record."""
        return cls(
            name=payload.name,
            dtype=payload.type.dtype.name,
            shape=tuple(size or 1 for size in payload.type.shape),
            offset=payload.offset,
            source=Source.of(payload.source),
        )

    def as_payload(self) -> Payload:
        """Return the record that this describes."""
        kind = TensorType(dtype=DataType[self.dtype], shape=self.shape)
        return Payload(
            name=self.name, type=kind, offset=self.offset, source=self.source.as_source()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """Weights to fit, for one form."""

    form: Form
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Shares the work on one checkpoint: a `Finder` for `compress`, and a way to write weights."""

    tensors: TensorFile
    crew: Crew

    def find(self, payloads: Sequence[Payload], form: Form) -> list[np.ndarray]:
        """Return the palettes or scales of each weight, in order."""
        crew = self._crew_for(payloads)
        each = max(_SMALLEST, min(TOGETHER, len(payloads) // (4 * crew.workers)))

        def done(number: int) -> None:
            few = payloads[number * each : (number + 1) * each]
            tell(
                self.crew.emit, Labour.CLUSTER, sum(amount_of_clustering(one, form) for one in few)
            )

        plain = {**asdict(form), "method": form.method.value}
        asked = [
            {
                "form": plain,
                "pieces": [asdict(Piece.of(one)) for one in payloads[start : start + each]],
            }
            for start in range(0, len(payloads), each)
        ]
        opening = self._opening("fitting")
        with fitting(opening.common) as own:
            answers = crew.map(own, opening, asked, done)
        return [
            from_plain(Table, table).as_array()
            for answer in answers
            for table in (answer if isinstance(answer, list) else [])
        ]

    def write(self, file: BinaryIO, payloads: tuple[Payload, ...], _: object) -> None:
        """Write every record at the offset that the program expects, as `write_weights` does."""
        file.write(header(len(payloads)))
        for payload in payloads:
            file.seek(payload.offset)
            file.write(descriptor(payload.type, payload.offset))
        opening = self._opening("pouring", file=file.name)
        groups = list(_group(payloads))
        asked = [[asdict(Piece.of(one)) for one in group] for group in groups]

        def done(number: int) -> None:
            tell(self.crew.emit, Labour.WRITE, sum(map(amount_of_writing, groups[number])))

        # The system lets only one process write to a file at a time, and the others spin for it:
        # copying took two of them as long as one, with twice the CPU.
        rounded = [one for one in payloads if not isinstance(one.source, Weight)]
        with pouring(opening.common) as own:
            self._crew_for(rounded).map(own, opening, asked, done)

    def _crew_for(self, payloads: Sequence[Payload]) -> Crew:
        elements = sum(payload.type.count for payload in payloads)
        return self.crew if elements * 2 >= WORTH else Crew()

    def _opening(self, function: str, **common: str) -> Opening:
        known = {**common, "weights": str(self.tensors.path)}
        return Opening(function=f"{__name__}:{function}", common=known)


def amount_of_clustering(payload: Payload, form: Form) -> float:
    """Return the amount of the labour `CLUSTER` for a weight."""
    return clustering(payload.type.count, form.bits, count_palettes(payload.type.shape, form.group))


def amount_of_writing(payload: Payload) -> float:
    """Return the amount of the labour `WRITE` for a record."""
    match payload.source:
        case Codes(palettes=palettes, each=each):  # whose record counts bytes in its older form
            return writing(len(palettes) * each, rounded=True)
        case source:
            return writing(payload.type.count, rounded=isinstance(source, Integers))


def _group(payloads: Sequence[Payload]) -> Iterator[list[Payload]]:
    """Yield successive records of about `_AT_ONCE` bytes of weights."""
    group: list[Payload] = []
    size = 0
    for payload in payloads:
        group.append(payload)
        size += 2 * payload.type.count
        if size >= _AT_ONCE:
            yield group
            group, size = [], 0
    if group:
        yield group


@contextmanager
def fitting(common: Mapping[str, str]) -> Iterator[Work]:
    """Yield what fits the weights of a `Fitting`; the answer has a `Table` for each."""
    with TensorFile.open(Path(common["weights"])) as tensors:

        def work(item: object) -> object:
            asked = from_plain(Fitting, item)
            payloads = [piece.as_payload() for piece in asked.pieces]
            return [asdict(Table.of(found)) for found in fit(payloads, tensors, asked.form)]

        yield work


@contextmanager
def pouring(common: Mapping[str, str]) -> Iterator[Work]:
    """Yield what writes a list of `Piece`s to a weight file."""
    with (
        TensorFile.open(Path(common["weights"])) as tensors,
        Path(common["file"]).open("r+b", buffering=0) as file,
    ):

        def work(item: list[object]) -> None:
            for piece in item:
                payload = from_plain(Piece, piece).as_payload()
                os.lseek(file.fileno(), payload.offset + ALIGNMENT, os.SEEK_SET)
                write_record(file, payload, tensors)
                tensors.release()

        yield work
