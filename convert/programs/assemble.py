"""Combines a drawn graph and a checkpoint into a model: the last step of every builder."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sdcoreml.convert.programs.account import account
from sdcoreml.convert.programs.export import export
from sdcoreml.convert.programs.graph import Graph
from sdcoreml.convert.programs.payload import DescribedTensors, DrawnProgram
from sdcoreml.convert.spec.model import DataType, Description, Feature, Metadata, Model, TensorType


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A program drawn from config and options alone, before any weight is read.

    Attributes:
        component: the component's name, for messages.
        graph: the whole graph, with its outputs declared.
        outputs: maps each output's name to its description.
        metadata: texts that Xcode shows; no runtime reads them.
        ignored: prefixes of the names of tensors that this program does not use.
        older_name: maps a tensor's name to its name in older checkpoints; by default the same.
    """

    component: str
    graph: Graph
    outputs: Mapping[str, str]
    metadata: Metadata
    ignored: tuple[str, ...] = ()
    older_name: Callable[[str], str] = str


def assemble(draft: Draft, tensors: DescribedTensors) -> DrawnProgram:
    """Check the tensors, export the graph, and describe the model.

    Raises:
        BadInputError: the checkpoint's tensors are not those that the program needs.
    """
    present = frozenset(tensors.names())
    stored = {
        name: name
        if name in present or draft.older_name(name) not in present
        else draft.older_name(name)
        for name in draft.graph.declared
    }
    shapes = {stored[name]: shape for name, shape in draft.graph.declared.items()}
    account(draft.component, shapes, tensors, draft.ignored)
    program, payloads = export(draft.graph, tensors, stored)
    results = {
        result.name: result.type
        for operation in program.main.block.operations
        for result in operation.outputs
        if result.name in draft.outputs
    }
    description = Description(
        inputs=draft.graph.features,
        outputs=tuple(_feature(name, results[name], draft.outputs[name]) for name in draft.outputs),
        metadata=draft.metadata,
    )
    model = Model(
        specification_version=draft.graph.options.target.specification,
        description=description,
        program=program,
    )
    return DrawnProgram(
        component=draft.component,
        model=model,
        payloads=payloads,
        parameters=sum(map(math.prod, shapes.values())),
    )


def _feature(name: str, kind: object, description: str) -> Feature:
    assert isinstance(kind, TensorType)  # noqa: S101  every result of every builder is a tensor
    shape = tuple(size or 0 for size in kind.shape)
    return Feature(name=name, dtype=DataType(kind.dtype), shape=shape, description=description)
