"""The choice of where to cut a program: which values may cross, and which place is best."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sdcoreml.convert.packages.cut import Cut, find_cut
from sdcoreml.convert.spec.model import DataType, TensorType
from sdcoreml.ground.errors import UnsupportedError
from tests.inside.convert.mil.graphs import F16, F32, I32, Graph, Ref

SHAPE = (2, 4)


def chain(count: int, inputs: tuple[str, ...] = ("sample",), *, last: str = "end") -> Graph:
    """Return a program of additions `add_1`, `add_2`, ..., `last`, each with a 16-byte constant."""
    graph = Graph(inputs=dict.fromkeys(inputs, (F16, SHAPE)))
    source = inputs[0]
    for number in range(1, count + 1):
        source = layer(graph, source, last if number == count else f"add_{number}")
    return graph


def layer(
    graph: Graph, source: str, name: str, shape: tuple[int, ...] = SHAPE, dtype: DataType = F16
) -> str:
    weight = graph.weight(f"{name}_weight", np.ones(SHAPE, np.float16))
    return graph.op("add", {"x": Ref(source), "y": Ref(weight)}, (dtype, shape), name=name)


def cut(graph: Graph, *outputs: str) -> Cut:
    sizes = {blob.offset: len(data) for blob, (_, data) in graph.storage.records.items()}
    return find_cut("unet", graph.function(*(outputs or ("end",))), sizes)


def carried(found: Cut) -> list[str]:
    return [value.name for value in found.carried]


def test_a_chain_is_cut_in_its_middle() -> None:
    found = cut(chain(4))
    assert (found.place, carried(found), found.uneven) == (2, ["add_2"], 0)


def test_fewer_elements_are_better_than_even_halves() -> None:
    graph = chain(19, last="left")
    source = graph.op("add", {"x": Ref("left"), "y": Ref("left")}, (F16, (1, 4)), name="narrow")
    source = layer(graph, source, "add_20")
    for number in range(21, 40):
        source = layer(graph, source, "end" if number == 39 else f"add_{number}")
    found = cut(graph)
    assert carried(found) == ["narrow"]
    assert found.uneven == pytest.approx(abs(19 / 39 - 0.5))


def test_what_both_halves_need_is_carried_in_program_order_and_what_is_done_with_is_not() -> None:
    graph = chain(3, last="three")
    graph.op("mul", {"x": Ref("add_1"), "y": Ref("three")}, (F16, SHAPE), name="both")
    layer(graph, "both", "end")
    assert carried(cut(graph)) == ["add_1", "add_2"]


def test_a_weight_counts_where_it_is_first_used() -> None:
    graph = chain(1, last="one")
    weight = graph.weight("late", np.ones((32, 4), np.float16))
    layer(graph, "one", "two")
    graph.op("add", {"x": Ref("two"), "y": Ref(weight)}, (F16, SHAPE), name="heavy")
    layer(graph, "heavy", "end")
    with pytest.raises(UnsupportedError, match="unet: cannot be cut near the middle"):
        cut(graph)


@pytest.mark.parametrize("name", ["sample", "time_ids", "text_embeds"])
def test_inputs_that_describe_the_model_are_read_in_the_first_half(name: str) -> None:
    graph = chain(2, ("noise", name), last="two")
    graph.op("add", {"x": Ref("two"), "y": Ref(name)}, (F16, SHAPE), name="known")
    layer(graph, "known", "three")
    layer(graph, "three", "end")
    assert carried(cut(graph)) == ["known"]


def test_other_inputs_may_come_late() -> None:
    graph = chain(4, ("sample", "hint"), last="four")
    graph.op("add", {"x": Ref("four"), "y": Ref("hint")}, (F16, SHAPE), name="end")
    assert carried(cut(graph)) == ["add_2"]


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [(F16, ()), (F16, (1, 1, 1, 1, 2, 4)), (I32, SHAPE)],
    ids=["scalar", "rank 6", "integers"],
)
def test_what_cannot_leave_a_program_is_not_carried(
    dtype: DataType, shape: tuple[int, ...]
) -> None:
    graph = chain(2, last="two")
    kind = TensorType(dtype=dtype, shape=shape)
    graph.operations[-1] = replace(
        graph.operations[-1], outputs=(replace(graph.operations[-1].outputs[0], type=kind),)
    )
    graph.op("cast", {"x": Ref("two"), "dtype": "fp32"}, (F32, SHAPE), name="allowed")
    layer(graph, "allowed", "three")
    layer(graph, "three", "end")
    assert carried(cut(graph)) == ["allowed"]


def test_a_program_of_several_outputs_is_refused_by_their_names() -> None:
    with pytest.raises(UnsupportedError, match=r"unet: has 2 outputs \(end, add_1\), but the"):
        cut(chain(4), "end", "add_1")


def test_the_output_is_computed_by_the_second_half() -> None:
    graph = chain(2, last="two")
    layer(graph, "two", "three")
    layer(graph, "three", "unused")
    with pytest.raises(UnsupportedError, match="cannot be cut near"):
        cut(graph, "two")


def test_a_program_without_weights_is_left_whole() -> None:
    graph = Graph(inputs={"sample": (F16, SHAPE)})
    graph.op("relu", {"x": Ref("sample")}, (F16, SHAPE), name="one")
    graph.op("relu", {"x": Ref("one")}, (F16, SHAPE), name="end")
    with pytest.raises(UnsupportedError, match="cannot be cut near"):
        cut(graph)
