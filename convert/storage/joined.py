"""Joins the two halves of a program into one that computes what both compute in turn.

Apps pass the inputs to the first half, then the inputs and the first half's outputs to the second.
If an output has the name of an input, the output is passed. A joined program can be run, audited
and certified like any other. This module needs no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from sdcoreml.convert.spec.model import Binding, Function, Model, NamedType, Operation, free_name
from sdcoreml.convert.spec.reader import Package
from sdcoreml.convert.storage.package import OpenProgram, open_program
from sdcoreml.convert.storage.pair import Storages, in_second
from sdcoreml.ground.errors import ParityError

Packages: TypeAlias = "Path | tuple[Path, Path]"
"""A package or compiled model, or the two halves of one."""


@contextmanager
def open_whole(packages: Packages, read: Sequence[Package] = ()) -> Iterator[OpenProgram]:
    """Open a package or compiled model, or two halves as one program; its path then names both.

    `read` are these packages, if they were read already.

    Raises:
        BadInputError: a path is neither a package nor a compiled model, or it is damaged.
        UnsupportedError: a model is not an ML Program.
        ParityError: the halves do not belong together.
    """
    if isinstance(packages, Path):
        with open_program(packages, *read) as program:
            yield program
        return
    known = read or (None, None)
    with (
        open_program(packages[0], known[0]) as first,
        open_program(packages[1], known[1]) as second,
    ):
        yield join(first, second)


def join(first: OpenProgram, second: OpenProgram) -> OpenProgram:
    """Join two halves into one program, renaming results of the second half if needed.

    Raises:
        ParityError: the second half takes an input that the first one does not return, or returns
            with another type.
    """
    function = _link_functions(first, second)
    return OpenProgram(
        path=first.path.with_name(f"{first.path.name} + {second.path.name}"),
        model=_model(first.model, second.model, function),
        function=function,
        storage=Storages(first=first.storage, second=second.storage),
    )


def _link_functions(first: OpenProgram, second: OpenProgram) -> Function:
    head, tail = first.function, second.function
    known = head.types
    inputs = {item.name: item for item in head.inputs}
    offered = {name: known[name] for name in (*inputs, *head.block.outputs)}
    for item in tail.inputs:
        if item.name in known and offered.get(item.name) != item.type:
            raise ParityError(
                (
                    f"takes {item.name}, which {first.path.name} does not return in that type "
                    "and shape"
                ),
                where=second.path,
                remedy="the halves are from different conversions: convert again",
            )
        if item.name not in known:
            inputs[item.name] = item
    names = _rename_results(tail, known.keys() | inputs.keys())
    block = replace(
        head.block,
        operations=(
            *head.block.operations,
            *(_move_operation(item, names) for item in tail.block.operations),
        ),
        outputs=tuple(names.get(name, name) for name in tail.block.outputs),
    )
    return replace(head, inputs=tuple(inputs.values()), blocks={head.opset: block})


def _rename_results(function: Function, taken: set[str]) -> dict[str, str]:
    """Choose new names for those results of a function whose names are already taken."""
    own = [result.name for item in function.block.operations for result in item.outputs]
    used = taken | set(own)
    names = {}
    for name in own:
        if name in taken:
            names[name] = free_name(name, used)
            used.add(names[name])
    return names


def _move_operation(item: Operation, names: Mapping[str, str]) -> Operation:
    """Copy an operation of the second half, with its results renamed and its blobs marked."""

    def bind(binding: Binding) -> Binding:
        return names.get(binding, binding) if isinstance(binding, str) else in_second(binding)

    return replace(
        item,
        inputs={key: tuple(map(bind, bindings)) for key, bindings in item.inputs.items()},
        outputs=tuple(
            NamedType(name=names.get(result.name, result.name), type=result.type)
            for result in item.outputs
        ),
        attributes={key: in_second(value) for key, value in item.attributes.items()},
    )


def _model(first: Model, second: Model, function: Function) -> Model:
    """Return the first half's model with the joined function and the ports of the whole program."""
    ports = {port.name: port for port in (*second.description.inputs, *first.description.inputs)}
    description = replace(
        first.description,
        inputs=tuple(ports[item.name] for item in function.inputs if item.name in ports),
        outputs=second.description.outputs,
        default_function="",
    )
    program = replace(first.program, functions={"main": function})
    return replace(first, description=description, program=program)
