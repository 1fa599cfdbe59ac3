"""Mutations of the program in `block`: each makes one change that should break it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from sdcoreml.convert.spec.model import (
    Blob,
    DataType,
    NamedType,
    Operation,
    TensorType,
)
from tests.inside.convert import block
from tests.inside.convert.mil.graphs import F32, Graph, Ref, bindings

Mutation = Callable[[Graph], None]


def argument(name: str, **changes: object) -> Mutation:
    """Return a mutation that sets arguments of the operation `name`; `None` removes one."""

    def mutate(graph: Graph) -> None:
        operation = find(graph, name)
        kept = {key: value for key, value in operation.inputs.items() if key not in changes}
        new = {key: bindings(value) for key, value in changes.items() if value is not None}
        put(graph, name, replace(operation, inputs={**kept, **new}))

    return mutate


def kind(name: str, other: str) -> Mutation:
    """Return a mutation that changes the type of the operation `name` to `other`."""

    def mutate(graph: Graph) -> None:
        put(graph, name, replace(find(graph, name), type=other))

    return mutate


def declared(name: str, dtype: DataType, shape: tuple[int, ...]) -> Mutation:
    """Return a mutation that declares another dtype and shape for the result `name`."""

    def mutate(graph: Graph) -> None:
        outputs = (NamedType(name=name, type=TensorType(dtype=dtype, shape=shape)),)
        put(graph, name, replace(find(graph, name), outputs=outputs))

    return mutate


def weight(name: str, change: Callable[[np.ndarray], object]) -> Mutation:
    """Return a mutation in which `change` edits the stored weight `name` in place."""

    def mutate(graph: Graph) -> None:
        blob = blob_of(graph, name)
        dtype, raw = graph.storage.records[blob]
        content = np.frombuffer(bytearray(raw), np.float16)
        change(content)
        graph.storage.records[blob] = (dtype, content.tobytes())

    return mutate


def swapped(one: str, other: str) -> Mutation:
    """Return a mutation that swaps two weights of the same shape."""

    def mutate(graph: Graph) -> None:
        records, first, second = graph.storage.records, blob_of(graph, one), blob_of(graph, other)
        records[first], records[second] = records[second], records[first]

    return mutate


def flip(bit: int, place: int = 3) -> Callable[[np.ndarray], object]:
    def change(content: np.ndarray) -> None:
        content.view(np.uint16)[place] ^= 1 << bit

    return change


def transpose(content: np.ndarray) -> None:
    size = int(content.size**0.5)
    content[:] = content.reshape(size, size).T.copy().reshape(-1)


def find(graph: Graph, name: str) -> Operation:
    return next(item for item in graph.operations if item.outputs[0].name == name)


def before_the_end(kind: str, **arguments: object) -> Mutation:
    """Return a mutation that inserts an operation before one operand of the last addition."""

    def mutate(graph: Graph) -> None:
        last = graph.operations[-2:]
        del graph.operations[-2:]
        added = {"x": Ref("middle"), **arguments}
        graph.op(kind, added, (DataType.FLOAT16, block.SHAPE), name="added")
        graph.operations += last
        argument("end", y=Ref("added"))(graph)

    return mutate


def put(graph: Graph, name: str, operation: Operation) -> None:
    graph.operations[graph.operations.index(find(graph, name))] = operation


def blob_of(graph: Graph, name: str) -> Blob:
    data = find(graph, name).attributes["val"].data
    assert isinstance(data, Blob)
    return data


CAUGHT: Mapping[str, Mutation] = {
    "lowest mantissa bit of a weight": weight("q.weight", flip(0)),
    "highest mantissa bit of a weight": weight("gate.weight", flip(9)),
    "sign of a weight": weight("down.weight", flip(15)),
    "exponent of a bias": weight("out.bias", flip(12)),
    "lowest bit of a norm's scale": weight("norm.weight", flip(0)),
    "two equal-shaped weights swapped": swapped("q.weight", "v.weight"),
    "query and key swapped": swapped("q.weight", "k.weight"),
    "two biases swapped": swapped("out.bias", "down.bias"),
    "a norm's scale and shift swapped": swapped("norm.weight", "norm.bias"),
    "a square weight transposed": weight("v.weight", transpose),
    "a weight reversed": weight(
        "k.weight", lambda content: content.__setitem__(..., content[::-1].copy())
    ),
    "a weight of zeros": weight("k.weight", lambda content: content.fill(0)),
    "a bias left out": argument("down", bias=None),
    "gelu by another formula": argument("active", mode="TANH_APPROXIMATION"),
    "another activation": kind("active", "silu"),
    "add turned into sub": kind("middle", "sub"),
    "mul turned into add": kind("gated", "add"),
    "the wrong half activated": argument("active", x=Ref("part")),
    "softmax over the queries": argument("attention", axis=2),
    "scale left at one": argument("scaled", y=np.float16(1)),
    "scale off by a thousandth": argument("scaled", y=np.float16(0.354)),
    "scores transposed": argument("scores", x=Ref("k_heads"), y=Ref("q_heads")),
    "attention not transposed": argument("mixed", transpose_y=False),
    "keys for values": argument("mixed", x=Ref("k_heads")),
    "a norm's epsilon": argument("norm", epsilon=np.float16(1e-3)),
    "an epsilon ten times too small": argument("norm", epsilon=np.float16(1e-6)),
    "an epsilon a millionth of the variance larger": argument("norm", epsilon=np.float16(1.1e-5)),
    "a scale off by half a thousandth": argument("scaled", y=np.float16(0.3538)),
    "a bound that no number reaches": before_the_end(
        "clip", alpha=np.float16(-1000), beta=np.float16(1000)
    ),
    "a bound on one side": before_the_end(
        "clip", alpha=np.float16(-np.inf), beta=np.float16(60000)
    ),
    "a number too small to count added": before_the_end("add", y=np.float16(6e-8)),
    "a factor that rounds to nothing": before_the_end("mul", y=np.float16(0.9995)),
    "a norm's axis": argument("norm", axes=[3], gamma=None, beta=None),
    "a norm over all positions": argument("norm", axes=[1, 3], gamma=None, beta=None),
    "the norm skipped": argument("k", x=Ref("x")),
    "heads laid out the other way": argument("joined", x=Ref("v_heads")),
    "the residual from before": argument("end", y=Ref("x")),
    "a residual dropped": argument("end", y=np.zeros(block.SHAPE, np.float16)),
    "a result of another type": declared("middle", F32, block.SHAPE),
    "a result of another shape": declared("middle", DataType.FLOAT16, (2, 16, 6, 1)),
    "an output of another shape": argument("joined", shape=[2, 16, 6, 1]),
    "a pad added": argument("out", pad_type="custom", pad=[0, 0, 1, 0]),
    "a stride": argument("gate", strides=[1, 2]),
    "an infinite weight": weight("out.weight", lambda content: content.__setitem__(0, np.inf)),
}

INVISIBLE: Mapping[str, Mutation] = {
    "operands of an addition swapped": argument("end", x=Ref("middle"), y=Ref("down")),
    "padding of zero written out": argument("out", pad_type="custom", pad=[0, 0, 0, 0]),
    "a negative axis": argument("attention", axis=-1),
}
