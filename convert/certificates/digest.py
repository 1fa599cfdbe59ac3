"""What a certificate covers, as one number: the graph, its tables, and the config it is judged by.

A program's graph depends on config, options and builder alone; the checkpoint's weights fill named
places in it. So the digest holds everything but those weights: every operation and declared type,
every constant that the builder made, and the config, without which nobody could say which module
the graph was compared with. What the weight audit proves, byte for byte and by name, is left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from convert.mil.storage import Program
from convert.spec.model import Blob, Metadata, Model, Operation, TensorType, Value
from convert.spec.writer import serialise_model

JUDGED = ("clip_skip", "pad_id", "prediction", "runtime_scale", "states_own_size")
"""The options of a conversion that change what a component is to compute."""

_ABOUT_FILES = frozenset({"architectures", "torch_dtype", "transformers_version"})


def certificate_key(
    program: Program,
    component: str,
    weights: Collection[str],
    config: Mapping[str, Any],
    choices: Mapping[str, Any],
) -> str:
    """The digest that a certificate of this program bears, as hexadecimal SHA-256.

    Args:
        program: an open package.
        component: which module it stands for.
        weights: the constants that the audit proved to be the checkpoint's; all others count.
        config: the component's config.json. Entries about the file itself do not count.
        choices: the options of the conversion, of which those in `JUDGED` count.
    """
    digest = hashlib.sha256(component.encode())
    digest.update(_graph(program.model))
    for name, content in _tables(program, weights):
        digest.update(f"{name} {len(content)}\0".encode())
        digest.update(content)
    judged = {name: choices[name] for name in JUDGED if choices.get(name) is not None}
    digest.update(json.dumps([_architecture(config), judged], sort_keys=True).encode())
    return digest.hexdigest()


def _graph(model: Model) -> bytes:
    """The model without what people are told about it."""
    silent = replace(model.description, metadata=Metadata(), raw=b"")
    return serialise_model(replace(model, description=silent))


def _tables(program: Program, weights: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Name and content of each blob that is not a weight of the checkpoint."""
    for function in program.model.program.functions.values():
        for operation in function.block.operations:
            names = [output.name for output in operation.outputs]
            if operation.type == "const" and names[0] in weights:
                continue
            for value in _values(operation):
                if isinstance(value.data, Blob) and isinstance(value.type, TensorType):
                    content = program.storage.read(value.data, value.type.dtype)
                    yield " ".join(names), bytes(content)


def _values(operation: Operation) -> Iterator[Value]:
    """Every constant that an operation holds."""
    yield from operation.attributes.values()
    for bindings in operation.inputs.values():
        yield from (binding for binding in bindings if isinstance(binding, Value))


def _architecture(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in config.items()
        if not key.startswith("_") and key not in _ABOUT_FILES
    }
