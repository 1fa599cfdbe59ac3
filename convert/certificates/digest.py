"""Computes the key of a certificate: a digest of a program's dataflow and weight names.

A program's dataflow depends only on config, options and builder, and each weight has a fixed place
in it. So the digest of a value covers the operation that computes it, its declared type, and the
digests of the operation's arguments. For a weight that the audit identified, the digest covers the
name of its tensor; for any other constant, the content. It does not cover the names of values, the
order of operations, or how weights are stored. So one certificate covers a program, its two halves,
and the program with compressed weights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from sdcoreml.convert.certificates.architecture import SAME, architecture, options_in_key
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.spec.model import (
    DataType,
    Feature,
    Function,
    Operation,
    TensorType,
    Value,
    ValueType,
)
from sdcoreml.convert.storage.elements import BlobStorage, array, is_text, text
from sdcoreml.convert.storage.package import OpenProgram
from sdcoreml.ground.errors import UnsupportedError


def certificate_key(
    graph: str, component: str, config: Mapping[str, object], options: ProgramOptions
) -> str:
    """Return the key of a program's certificate: a hexadecimal SHA-256.

    Args:
        graph: the program's `graph_digest`.
        component: the module that the program implements.
        config: the component's config.json, which determines the module that the program was
            compared with. Only the options that `architecture` returns count.
        options: the program's options. Only those that change what the module computes count.
    """
    return _hash(SAME.get(component, component), graph, _asked(component, config, options))


def module_digest(component: str, config: Mapping[str, object], options: ProgramOptions) -> str:
    """Return the digest of what a program is compared with: the module, and what it is asked for.

    Programs that differ only in image size, batch, attention or target have the same.
    """
    return _hash(SAME.get(component, component), _asked(component, config, options))


def _asked(component: str, config: Mapping[str, object], options: ProgramOptions) -> str:
    return json.dumps([architecture(component, config), options_in_key(options)], sort_keys=True)


def graph_digest(program: OpenProgram, placed: Mapping[str, str]) -> str:
    """Return the digest of what a program computes, independent of any module.

    Args:
        program: an open package, or both halves of one.
        placed: maps constants that the audit identified to the names of their tensors.

    Raises:
        UnsupportedError: the program has nested blocks, states or flexible shapes.
    """
    described, function = program.model.description, program.function
    if described.states or described.functions:
        raise UnsupportedError(
            "programs with states or several functions cannot be certified", where=program.path
        )
    values = _values(function, program.storage, placed)
    used = {name for item in function.block.operations for name in item.reads}
    idle = sorted(
        value.digest
        for name, value in values.items()
        if name not in used and name not in function.block.outputs
    )
    return _hash(
        str(program.model.specification_version),
        function.opset,
        *_features("in", described.inputs),
        *_features("out", described.outputs),
        *(f"{name} {values[name].digest}" for name in sorted(function.block.outputs)),
        *idle,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Value:
    """A value's digest and type.

    If the value is a FLOAT16 value cast to FLOAT32, `half` is the digest of that FLOAT16 value.
    """

    digest: str
    kind: ValueType
    half: str = ""


def _values(
    function: Function, storage: BlobStorage, placed: Mapping[str, str]
) -> dict[str, _Value]:
    values = {
        item.name: _Value(digest=_hash("input", item.name, _words(item.type)), kind=item.type)
        for item in function.inputs
    }
    for operation in function.block.operations:
        output = operation.outputs[0]
        if output.name in placed:
            digest = _hash("weight", placed[output.name], _words(output.type))
            values[output.name] = _Value(digest=digest, kind=output.type)
        elif operation.type == "const":
            digest = _constant(operation.attributes["val"], storage)
            values[output.name] = _Value(digest=digest, kind=output.type)
        else:
            values.update(_digest_results(operation, values, storage))
    return values


def _digest_results(
    operation: Operation, values: Mapping[str, _Value], storage: BlobStorage
) -> Iterator[tuple[str, _Value]]:
    """Yield the name of each result of an operation, with its digest and type."""
    if operation.blocks:
        raise UnsupportedError(
            f"operations with nested blocks ({operation.type}) cannot be certified"
        )
    arguments = {
        name: [
            values[binding].digest if isinstance(binding, str) else _constant(binding, storage)
            for binding in bindings
        ]
        for name, bindings in operation.arguments.items()
    }
    whole = _hash(operation.type, json.dumps(arguments, sort_keys=True))
    for place, output in enumerate(operation.outputs):
        plain = _Value(digest=_hash(whole, str(place), _words(output.type)), kind=output.type)
        source = operation.inputs.get("x", ("",))[0] if operation.type == "cast" else ""
        widened = values.get(source) if isinstance(source, str) else None
        yield output.name, plain if widened is None else _cast(widened, plain)


def _cast(source: _Value, plain: _Value) -> _Value:
    """Return the result of a cast, given its argument `source` and its `plain` digest.

    A FLOAT16 value that is cast to FLOAT32 and back gets its first digest again, because the halves
    of a program do this with every value that passes from one half to the other.
    """
    before, after = (
        kind.dtype for kind in (source.kind, plain.kind) if isinstance(kind, TensorType)
    )
    if before is DataType.FLOAT16 and after is DataType.FLOAT32:
        return replace(plain, half=source.digest)
    if source.half and after is DataType.FLOAT16:
        return replace(plain, digest=source.half)
    return plain


def _constant(value: Value, storage: BlobStorage) -> str:
    """Return the digest of a constant's content, independent of where it is stored."""
    kind = _words(value.type)
    if is_text(value):
        return _hash("text", text(value))
    return _hash("constant", kind, array(value, storage).tobytes())


def _features(place: str, features: Iterable[Feature]) -> Iterator[str]:
    """Yield the declarations of a model's ports, ordered by name."""
    for item in sorted(features, key=lambda feature: feature.name):
        if item.flexible or item.dtype is None:
            raise UnsupportedError(
                f"{item.name} has no fixed shape, so the program cannot be certified"
            )
        yield f"{place} {item.name} {item.dtype.name} {item.shape} {item.optional}"


def _words(kind: ValueType) -> str:
    if not isinstance(kind, TensorType):
        raise UnsupportedError("values other than tensors cannot be certified")
    return f"{kind.dtype.name} {kind.shape}"


def _hash(*parts: str | bytes) -> str:
    """Return the SHA-256 of the parts, hashing each part's length before it.

    Without the lengths, different lists of parts could have the same digest.
    """
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "little"))
        digest.update(raw)
    return digest.hexdigest()
