"""Measures the compressed weights of a program, in several processes if there are many."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from sdcoreml.convert.programs.payload import Tensors
from sdcoreml.convert.proof.compressed import Compressed, arguments, constants_of, measure, read
from sdcoreml.convert.proof.pages import Pages
from sdcoreml.convert.spec.blobs import MappedWeights, open_weights
from sdcoreml.convert.spec.model import (
    Blob,
    DataType,
    Function,
    NamedType,
    Operation,
    TensorType,
    Value,
)
from sdcoreml.convert.storage.elements import BlobStorage, Located, as_mapped, tensor_type
from sdcoreml.convert.storage.table import Table
from sdcoreml.convert.weights.safetensors import TensorFile
from sdcoreml.ground.codec import from_plain
from sdcoreml.ground.crew import Crew, Opening, Work, at_work
from sdcoreml.ground.labour import Labour, auditing, tell

WORTH = 32 << 20
"""The number of elements from which on helpers are worth the time that they take to start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobRecord:
    """An argument in a weight file, as JSON values."""

    dtype: str
    shape: tuple[int, ...]
    path: str
    offset: int

    def as_value(self) -> Value:
        """Return the argument."""
        kind = TensorType(dtype=DataType[self.dtype], shape=self.shape)
        return Value(type=kind, data=Blob(path=self.path, offset=self.offset))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A compressed constant as JSON values, and the name of the tensor that it was made from.

    `records` are its arguments in the weight file `file`, `tables` the others.
    """

    operation: str
    dtype: str
    shape: tuple[int, ...]
    tensor: str
    file: str
    records: Mapping[str, BlobRecord]
    tables: Mapping[str, Table]

    def as_operation(self) -> Operation:
        """Return the operation, without its arguments."""
        kind = TensorType(dtype=DataType[self.dtype], shape=self.shape)
        named = NamedType(name=self.tensor, type=kind)
        return Operation(type=self.operation, inputs={}, outputs=(named,), attributes={})


def measure_compressed(
    function: Function,
    storage: BlobStorage,
    tensors: Tensors,
    owners: Mapping[str, str],
) -> dict[str, Compressed]:
    """Measure every compressed constant whose name is, or begins with, a tensor's name.

    The crew that is at work shares this.
    """
    constants = constants_of(function.block)
    owned = {
        operation.outputs[0].name: (operation, owner)
        for operation in compressed_constants(function)
        if (owner := compressed_owner(operation, owners)) is not None
    }

    views = as_mapped(storage)
    pages = Pages(tensors, views)

    def work(item: Mapping[str, str]) -> object:
        operation, owner = owned[item["name"]]
        values = arguments(operation, constants)
        parts = {name: read(value, views) for name, value in values.items()}
        return asdict(measure(operation, parts, tensors[owner], owner, pages.count))

    crew, opening = Crew(), Opening(function="", common={})
    items: list[dict[str, object]] = [{"name": name} for name in owned]
    counts = [_count(operation) for operation, _ in owned.values()]
    is_worth = sum(counts) >= WORTH and at_work().workers > 1
    if is_worth and isinstance(storage, Located) and isinstance(tensors, TensorFile):
        crew = at_work()
        opening = Opening(function=f"{__name__}:weighing", common={"weights": str(tensors.path)})
        for item, (operation, owner) in zip(items, owned.values(), strict=True):
            sent = _send(operation, owner, arguments(operation, constants), storage)
            item["sent"] = asdict(sent)
    emit = at_work().emit

    def done(number: int) -> None:
        tell(emit, Labour.AUDIT, auditing(counts[number]))

    answers = crew.map(work, opening, items, done)
    measured = (from_plain(Compressed, answer) for answer in answers)
    return dict(zip(owned, measured, strict=True))


def _count(operation: Operation) -> int:
    kind = operation.outputs[0].type
    return kind.count if isinstance(kind, TensorType) else 0


def _send(operation: Operation, owner: str, values: Mapping[str, Value], storage: Located) -> Sent:
    """Describe a constant for another process."""
    blobs = {name: storage.locate(v.data) for name, v in values.items() if isinstance(v.data, Blob)}
    kind = operation.outputs[0].type
    assert isinstance(kind, TensorType)  # noqa: S101  what is not has no elements to send
    return Sent(
        operation=operation.type,
        dtype=kind.dtype.name,
        shape=tuple(size or 1 for size in kind.shape),
        tensor=owner,
        file=next((str(file) for file, _ in blobs.values()), ""),
        records={
            name: BlobRecord(
                dtype=tensor_type(values[name])[0].name,
                shape=tensor_type(values[name])[1],
                path=blob.path,
                offset=blob.offset,
            )
            for name, (_, blob) in blobs.items()
        },
        tables={
            name: Table.of(read(value, storage))
            for name, value in values.items()
            if name not in blobs
        },
    )


@contextmanager
def weighing(common: Mapping[str, str]) -> Iterator[Work]:
    """Yield what measures a constant of `measure_compressed`; the answer is a `Compressed`."""
    with TensorFile.open(Path(common["weights"])) as tensors, ExitStack() as stack:
        files: dict[str, MappedWeights] = {}

        def work(item: Mapping[str, object]) -> object:
            sent = from_plain(Sent, item["sent"])
            if sent.file and sent.file not in files:
                files[sent.file] = stack.enter_context(open_weights(Path(sent.file)))
            parts = {name: table.as_array() for name, table in sent.tables.items()}
            for name, record in sent.records.items():
                parts[name] = read(record.as_value(), files[sent.file])
            pages = Pages(tensors, *files.values())
            subject = (sent.as_operation(), parts, tensors[sent.tensor], sent.tensor)
            found = measure(*subject, pages.count)
            pages.release()
            return asdict(found)

        yield work


def compressed_constants(function: Function) -> tuple[Operation, ...]:
    """Find the operations that decompress a constant."""
    return tuple(item for item in function.block.operations if item.is_compressed)


def compressed_owner(operation: Operation, owners: Mapping[str, str]) -> str | None:
    """Return the tensor that a compressed constant is named after, as in `NAME_palettized`.

    Apple's converter names a text encoder's `text_encoder_NAME_to_fp16_palettized`.
    """
    words = plain(operation.outputs[0].name).removeprefix("text_encoder_").split("_")
    names = ("_".join(words[:count]) for count in range(len(words), 0, -1))
    return next((owners[name] for name in names if name in owners), None)


def plain(name: str) -> str:
    """Spell a tensor's name as programs do: letters, digits and underscores."""
    return re.sub(r"\W", "_", name)
