"""Compresses weights again, to compare a finished program with what its recipe gives.

The audit shows that each code is the nearest one its table allows, not that the table is the
recipe's: a worse table with codes to match passes it. Compression is deterministic, so tables,
scales and codes are worked out again here. Only the last digits of k-means may depend on the
machine; such a table must be as exact as ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from sdcoreml.convert.compression.compress import LEAST_ELEMENTS, InTurn
from sdcoreml.convert.compression.forms import Codes, Form, Item, Parts, assemble
from sdcoreml.convert.compression.palette import error, histogram
from sdcoreml.convert.compression.recipe import BLOCKWISE, WHOLE, Method, Recipe, parse_recipe
from sdcoreml.convert.jobs.prove import StagedProgram
from sdcoreml.convert.models.known import open_known
from sdcoreml.convert.programs.payload import Payload, Tensors, Weight
from sdcoreml.convert.proof.weighing import plain
from sdcoreml.convert.spec.model import DataType, Elements, Operation, TensorType, Value
from sdcoreml.convert.storage.elements import BlobStorage, stored_bytes
from sdcoreml.convert.storage.joined import open_whole
from sdcoreml.convert.storage.package import OpenProgram

_AS_EXACT = 1.0001
"""The largest accepted ratio of a palette's squared error to that of the palette made here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recompressed:
    """Constants that differ from what the recipe gives, and palettes that are only as exact."""

    wrong: tuple[str, ...]
    as_exact: tuple[str, ...]


def compress_again(made: StagedProgram, fields: Mapping[str, object] | None) -> Recompressed:
    """Compare each weight of a program with what a recipe's `fields` make of its tensor.

    Without a recipe, no weight may be compressed.

    Raises:
        BadInputError: a file cannot be read, or a weight is not finite.
        UnsupportedError: the recipe is not valid.
    """
    program = made.part.program
    recipe = parse_recipe(fields, program) if fields else Recipe(bits=WHOLE)
    with (
        open_whole(made.written) as opened,
        open_known(made.weights, made.settings) as tensors,
    ):
        found = [*_compare(opened, tensors, recipe)]
    return Recompressed(
        wrong=tuple(name for name, is_as_exact in found if not is_as_exact),
        as_exact=tuple(name for name, is_as_exact in found if is_as_exact),
    )


def _compare(opened: OpenProgram, tensors: Tensors, recipe: Recipe) -> Iterator[tuple[str, bool]]:
    """Yield each constant that differs, and whether it is a palette as exact as ours."""
    owners = {plain(name): name for name in tensors.names()}
    operations = opened.function.block.operations
    constants = {one.outputs[0].name: one for one in operations if one.type == "const"}
    of_layers = {name for one in operations for name in one.inputs.get("weight", ())}
    is_newer = opened.model.specification_version >= BLOCKWISE
    compressed: dict[Form, list[tuple[Operation, Payload]]] = {}
    for operation in operations:
        name = operation.outputs[0].name if operation.outputs else ""
        bits, tensor = recipe.bits_of(name), owners.get(plain(name))
        if operation.is_compressed:
            kind = operation.outputs[0].type
            if tensor is None or bits == WHOLE or not isinstance(kind, TensorType):
                yield name, False
                continue
            payload = Payload(name=name, type=kind, offset=0, source=Weight(tensor=tensor))
            form = Form(method=recipe.method, bits=bits, group=recipe.group_size, is_newer=is_newer)
            compressed.setdefault(form, []).append((operation, payload))
        elif bits != WHOLE and name in of_layers and tensor and _is_large(operation):
            yield name, False
    for form, pairs in compressed.items():
        found = InTurn(tensors).find([payload for _, payload in pairs], form)
        for (operation, payload), rounding in zip(pairs, found, strict=True):
            wanted, parts = assemble(payload, form, rounding)
            values = _arguments(operation, constants)
            stored = _Stored(values=values, storage=opened.storage, tensors=tensors)
            if operation.type != wanted or not stored.is_equal(parts):
                is_kmeans = form.method is Method.KMEANS
                yield payload.name, is_kmeans and stored.is_as_exact(parts)
            tensors.release()


def _is_large(operation: Operation) -> bool:
    kind = operation.outputs[0].type
    is_half = isinstance(kind, TensorType) and kind.dtype is DataType.FLOAT16
    return is_half and isinstance(kind, TensorType) and kind.count >= LEAST_ELEMENTS


def _arguments(operation: Operation, constants: Mapping[str, Operation]) -> Mapping[str, Value]:
    """Return the arguments of an operation, whether they are attributes, immediate or constants."""
    found = {name: value for name, value in operation.attributes.items() if name != "name"}
    for name, (binding, *_) in operation.inputs.items():
        if isinstance(binding, Value):
            found[name] = binding
        elif binding in constants:
            found[name] = constants[binding].attributes["val"]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """The stored arguments of one compressed weight, by name, and the tensors of the checkpoint."""

    values: Mapping[str, Value]
    storage: BlobStorage
    tensors: Tensors

    def is_equal(self, parts: Parts) -> bool:
        """Whether the stored arguments are, byte for byte, these parts."""
        if self.values.keys() != parts.keys():
            return False
        return all(self._holds(self.values[name], part) for name, part in parts.items())

    def _holds(self, stored: Value, part: Item | Value) -> bool:
        if isinstance(part, Value):
            return stored.type == part.type and _numbers(stored) == _numbers(part)
        _, kind, source = part
        if stored.type != kind:
            return False
        place, content = 0, stored_bytes(stored, self.storage)
        for block in source.blocks(self.tensors, kind.dtype):
            raw = block.reshape(-1).view("u1")
            if content[place : place + raw.size].tobytes() != raw.tobytes():
                return False
            place += raw.size
        return place == content.size

    def is_as_exact(self, parts: Parts) -> bool:
        """Whether palettes have the nearest codes, and no larger error than those of `parts`."""
        import numpy as np

        ours = parts["indices"]
        if isinstance(ours, Value) or not isinstance(ours[2], Codes):
            return False
        if self.values.keys() != parts.keys():
            return False
        codes = ours[2]
        table = stored_bytes(self.values["lut"], self.storage).view("<f2")
        if table.size != codes.palettes.size:
            return False
        palettes = table.reshape(codes.palettes.shape)
        if not bool((np.diff(palettes, axis=1) >= 0).all()):
            return False
        theirs = replace(codes, palettes=palettes)
        if not self._holds(self.values["indices"], (ours[0], ours[1], theirs)):
            return False
        return self._total(theirs) <= _AS_EXACT * self._total(codes)

    def _total(self, codes: Codes) -> float:
        """Return the squared error of a weight's palettes."""
        import numpy as np

        flat = np.concatenate([*codes.source.blocks(self.tensors, DataType.FLOAT16)])
        groups = flat.reshape(len(codes.palettes), -1)
        pairs = zip(groups, codes.palettes, strict=True)
        return sum(error(histogram([group]), palette) for group, palette in pairs)


def _numbers(value: Value) -> object:
    """Return the elements of a constant that is stored in the program itself."""
    return value.data.values if isinstance(value.data, Elements) else value.data
