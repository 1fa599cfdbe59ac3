"""The last step of every builder: a finished graph becomes a model with its description."""

from __future__ import annotations

from collections.abc import Mapping

from convert.programs.account import account
from convert.programs.export import export
from convert.programs.graph import Graph
from convert.programs.payload import Built, Tensors
from convert.spec.model import DataType, Description, Feature, Metadata, Model, TensorType


def assemble(
    component: str,
    graph: Graph,
    tensors: Tensors,
    *,
    outputs: Mapping[str, str],
    metadata: Metadata,
    ignored: tuple[str, ...] = (),
) -> Built:
    """Check the tensors, export the graph, describe it.

    Args:
        component: what was built, for messages.
        graph: closed, with its outputs declared.
        tensors: the checkpoint's.
        outputs: output name to its description, for all of them.
        metadata: what Xcode shows; no runtime reads it.
        ignored: see `account`.

    Raises:
        BadInputError: the checkpoint's tensors are not those that the program needs.
    """
    account(component, graph.declared, tensors, ignored)
    program, payloads = export(graph, tensors)
    kinds = {
        result.name: result.type
        for operation in program.functions["main"].block.operations
        for result in operation.outputs
        if result.name in outputs
    }
    description = Description(
        inputs=graph.features,
        outputs=tuple(_feature(name, kinds[name], text) for name, text in outputs.items()),
        metadata=metadata,
    )
    model = Model(
        specification_version=graph.options.target.specification,
        description=description,
        program=program,
    )
    return Built(component=component, model=model, payloads=payloads)


def _feature(name: str, kind: object, description: str) -> Feature:
    assert isinstance(kind, TensorType)  # noqa: S101  every result of every builder is a tensor
    shape = tuple(size or 0 for size in kind.shape)
    return Feature(name=name, dtype=DataType(kind.dtype), shape=shape, description=description)
