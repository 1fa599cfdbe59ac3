"""The checks that a compiled model must pass before it gets its final name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path

from sdcoreml.convert.compile.compiled import COREMLDATA, METADATA, TEXT, CompiledModel, blobs
from sdcoreml.convert.compile.coremldata import order_fields
from sdcoreml.convert.compile.histogram import EINSUM, histogram
from sdcoreml.convert.compile.lower import lower
from sdcoreml.convert.compile.metadata import MAIN, metadata
from sdcoreml.convert.compile.names import TEXT_VERSIONS
from sdcoreml.convert.spec.blobs import MappedWeights, open_weights
from sdcoreml.convert.spec.model import (
    Blob,
    Description,
    Function,
    FunctionDescription,
    Model,
    Program,
    TensorType,
    Value,
)
from sdcoreml.ground.errors import BadInputError, Fault

AGAIN = "compile the package again"

AT_ONCE = 64
"""The number of descriptors that are read before mapped pages are released."""


def faults(compiled: CompiledModel) -> tuple[Fault, ...]:
    """Return the faults of a compiled model from any compiler, without its source package.

    Every constant must have a valid record in the weight file. `model.mil` and the description must
    have the same inputs and outputs, and `metadata.json` must have what apps read.
    """
    path = compiled.path
    return (
        *weight_faults(compiled.program, compiled.weights, path),
        *_locate_reasons(path / COREMLDATA, _interfaces(compiled)),
        *_locate_reasons(path / METADATA, _metadata(compiled)),
    )


def differences(compiled: CompiledModel, source: Model, stem: str) -> tuple[Fault, ...]:
    """Return a fault for each difference between a compiled model and what its source compiles to.

    `stem` is the name of the source package without its suffix.
    """
    path, version, program = compiled.path, source.specification_version, lower(source)
    frame = {
        "specification version": (compiled.specification_version, version),
        "description": (compiled.description.raw, order_fields(source.description.raw)),
    }
    head = {
        "text version": (compiled.text_version, TEXT_VERSIONS[version]),
        "build information": (compiled.program.attributes, program.attributes),
    }
    content = {"content": (compiled.metadata, [metadata(source, stem)])}
    return (
        *_locate_reasons(path / TEXT, unequal(head)),
        *_locate_reasons(path / TEXT, function_differences(compiled.program, program)),
        *_locate_reasons(path / COREMLDATA, unequal(frame)),
        *_locate_reasons(path / METADATA, unequal(content)),
    )


def weight_faults(program: Program, weights: Path | None, where: Path) -> tuple[Fault, ...]:
    """Return a fault for each constant of `program` without a valid record in its weight file.

    `where` is the model to name if there is no weight file.
    """
    found = list(blobs(program))
    if not found:
        return ()
    if weights is None:
        what = f"it has {len(found)} constants in a weight file, but the file is missing"
        return (Fault(where=where, what=what, remedy="make the package again"),)
    try:
        with open_weights(weights) as file:
            return tuple(error.fault.at(weights) for error in _records(file, found))
    except BadInputError as error:
        return (error.fault.at(weights),)


def _records(file: MappedWeights, found: Iterable[tuple[Value, Blob]]) -> Iterator[BadInputError]:
    """Yield the errors of constants without a valid record."""
    for number, (value, blob) in enumerate(found):
        yield from _record(file, value, blob)
        if number % AT_ONCE == AT_ONCE - 1:
            file.release()  # reading a descriptor maps the 64 KB around it


def _record(file: MappedWeights, value: Value, blob: Blob) -> Iterator[BadInputError]:
    """Yield the error if a constant has no valid record."""
    kind = value.type
    if not isinstance(kind, TensorType) or None in kind.shape:
        yield BadInputError(
            f"the constant at offset {blob.offset} has an unknown shape", remedy=AGAIN
        )
        return
    try:
        file.read(blob, kind.dtype)
        held = file.record(blob.offset).count
    except BadInputError as error:
        yield error
        return
    if held != kind.count:
        yield BadInputError(
            (
                f"the record at offset {blob.offset} has {held} elements, but the "
                f"program needs shape {list(kind.shape)}"
            ),
            remedy=AGAIN,
        )


def _locate_reasons(path: Path, reasons: Iterator[str]) -> Iterator[Fault]:
    return (Fault(where=path, what=what, remedy=AGAIN) for what in reasons)


def unequal(pairs: Mapping[str, tuple[object, object]]) -> Iterator[str]:
    """Yield a message for each pair whose two sides differ."""
    for name, (found, wanted) in pairs.items():
        if found != wanted:
            yield f"{name} differs"


def function_differences(found: Program, wanted: Program) -> Iterator[str]:
    """Yield the first difference between the two versions of each function."""
    if found.functions.keys() != wanted.functions.keys():
        yield "list of functions differs"
    for name in sorted(found.functions.keys() & wanted.functions.keys()):
        if found.functions[name] != wanted.functions[name]:
            yield f"function {name!r}: {_first(found.functions[name], wanted.functions[name])}"


def _first(found: Function, wanted: Function) -> str:
    if found.inputs != wanted.inputs:
        return "inputs differ"
    if (found.opset, found.attributes) != (wanted.opset, wanted.attributes):
        return "opset or attributes differ"
    pairs = zip_longest(found.block.operations, wanted.block.operations)
    for number, (here, there) in enumerate(pairs, 1):
        if here != there:
            operation = here or there
            kind = operation.type if operation else ""
            return f"operation {number} ({kind}) differs"
    return "outputs differ"


def _interfaces(compiled: CompiledModel) -> Iterator[str]:
    """Yield faults where the text and the description name different inputs or outputs.

    Core ML refuses such a program.
    """
    described = compiled.description
    sides: dict[str, Description | FunctionDescription] = {MAIN: described}
    if described.functions:
        sides = {function.name: function for function in described.functions}
    for name, function in sorted(compiled.program.functions.items()):
        if name not in sides:
            yield f"function {name!r} of {TEXT} is not described"
            continue
        side = sides[name]
        inputs = {feature.name for feature in (*side.inputs, *side.states)}
        if inputs != {named.name for named in function.inputs}:
            yield f"inputs {sorted(inputs)} are not those of function {name!r} in {TEXT}"
        outputs = {feature.name for feature in side.outputs}
        if outputs != {*function.block.outputs}:
            yield f"outputs {sorted(outputs)} are not those of function {name!r} in {TEXT}"


HISTOGRAM = "mlProgramOperationTypeHistogram"
"""The key in metadata.json under which the operations are counted."""


def metadata_oddities(metadata: object) -> Iterator[str]:
    """Yield what apps cannot read in the content of a metadata.json, whatever the program is.

    They need one object, schemas of strings, and a histogram.
    """
    match metadata:
        case [{"inputSchema": list() as inputs, "outputSchema": list() as outputs, **rest}]:
            yield from _schemas(inputs, outputs)
            if not isinstance(rest.get(HISTOGRAM), dict):
                yield "no histogram of operations: Mochi Diffusion would not list the model"
        case _:
            yield "not an array of exactly one object that has an input and an output schema"


def _metadata(compiled: CompiledModel) -> Iterator[str]:
    """Yield faults of metadata.json: what apps cannot read, and a histogram of another program."""
    yield from metadata_oddities(compiled.metadata)
    match compiled.metadata:
        case [{"mlProgramOperationTypeHistogram": dict() as found}]:
            yield from _histogram(compiled, found)


def _schemas(*schemas: list[object]) -> Iterator[str]:
    for entry in (entry for schema in schemas for entry in schema):
        if not isinstance(entry, dict) or not all(isinstance(v, str) for v in entry.values()):
            yield "a schema has values other than strings; Mochi Diffusion cannot read it"
            return


def _histogram(compiled: CompiledModel, found: Mapping[str, object]) -> Iterator[str]:
    described = compiled.description
    default = described.default_function if described.functions else MAIN
    function = compiled.program.functions.get(default)
    if function is None:
        yield "no histogram of operations: Mochi Diffusion would not list the model"
        return
    counted = histogram(function)
    if _without_prefix(found) != _without_prefix(counted):
        yield f"the histogram does not count the operations of {TEXT}"
    if (EINSUM in found) != (EINSUM in counted):
        yield f"the histogram is wrong about {EINSUM}: apps would mistake the kind of attention"


def _without_prefix(counts: Mapping[str, object]) -> Counter[str]:
    """Add up the counts of each operation, whatever opset prefix its keys have."""
    plain: Counter[str] = Counter()
    for key, count in counts.items():
        name = str(key).rpartition(".")[2]
        plain[name[:1].lower() + name[1:]] += count if isinstance(count, int) else 0
    return plain
