"""Joining the halves of a program: inputs of the second half, names, and blobs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sdcoreml.convert.mil.interpreter import Executable
from sdcoreml.convert.spec.model import DataType, Description, Model
from sdcoreml.convert.spec.model import Program as MilProgram
from sdcoreml.convert.storage.joined import join, open_whole
from sdcoreml.convert.storage.package import OpenProgram
from sdcoreml.ground.errors import BadInputError, ParityError
from tests.inside.convert.mil.graphs import F16, F32, Graph, Ref
from tests.inside.convert.mil.packages import write_package

SHAPE = (2, 3)


def layer(graph: Graph, name: str, source: str, value: float) -> str:
    """Append an addition of a constant called `weight` to the graph; return its output's name."""
    graph.weight("weight", np.full(SHAPE, value, np.float32))
    return graph.op("add", {"x": Ref(source), "y": Ref("weight")}, (F32, SHAPE), name=name)


def opened(graph: Graph, output: str, name: str) -> OpenProgram:
    function = graph.function(output)
    model = Model(
        specification_version=7,
        description=Description(inputs=(), outputs=()),
        program=MilProgram(version=1, functions={"main": function}),
    )
    return OpenProgram(path=Path(name), model=model, function=function, storage=graph.storage)


def first() -> OpenProgram:
    """Return a first half that outputs x + 1 as `value`; its value `inner` is not an output."""
    graph = Graph(inputs={"x": (F32, SHAPE)})
    layer(graph, "inner", "x", 1)
    graph.op("identity", {"x": Ref("inner")}, (F32, SHAPE), name="value")
    return opened(graph, "value", "AChunk1.mlpackage")


def second(
    *names: str, dtype: DataType = F32, shape: tuple[int, ...] = SHAPE, result: str = "y"
) -> OpenProgram:
    """Return a second half that sums its inputs and 10; its constant, too, is named `weight`."""
    graph = Graph(inputs=dict.fromkeys(names, (dtype, shape)))
    source = names[0]
    for number, name in enumerate(names[1:]):
        source = graph.op(
            "add", {"x": Ref(source), "y": Ref(name)}, (F32, SHAPE), name=f"sum_{number}"
        )
    return opened(graph, layer(graph, result, source, 10), "AChunk2.mlpackage")


def run(program: OpenProgram, **feeds: float) -> dict[str, float]:
    tensors = {name: torch.full(SHAPE, value) for name, value in feeds.items()}
    results = Executable.of(program).run(tensors)
    return {name: float(result.unique()) for name, result in results.items()}


def test_the_second_takes_what_the_first_returns() -> None:
    assert run(join(first(), second("value")), x=5) == {"y": 16}


def test_the_second_takes_the_original_inputs_too() -> None:
    assert run(join(first(), second("value", "x")), x=5) == {"y": 21}


def test_inputs_that_only_the_second_takes_are_inputs_of_the_pair() -> None:
    assert run(join(first(), second("value", "late")), x=5, late=100) == {"y": 116}


def test_equal_names_in_both_are_two_values() -> None:
    joined = join(first(), second("value", "x"))
    names = [result.name for item in joined.function.block.operations for result in item.outputs]
    assert names == ["weight", "inner", "value", "sum_0", "weight_", "y"]
    assert joined.function.block.outputs == ("y",)


def test_a_result_that_is_renamed_is_renamed_wherever_it_is_used() -> None:
    joined = join(first(), second("value", result="inner"))
    assert run(joined, x=5) == {"inner_": 16}


@pytest.mark.parametrize(
    "other",
    [second("value", dtype=F16), second("value", shape=(3, 2)), second("x", shape=(6,))],
    ids=["type", "shape", "input"],
)
def test_a_port_of_another_kind_is_refused(other: OpenProgram) -> None:
    with pytest.raises(ParityError, match=r"AChunk2.mlpackage: takes \w+, which AChunk1.mlpackage"):
        join(first(), other)


def test_what_the_first_keeps_to_itself_is_not_to_be_had() -> None:
    with pytest.raises(ParityError, match=r"takes inner, which .* convert again"):
        join(first(), second("inner"))


def test_a_pair_on_disk_is_one_program_named_for_both(tmp_path: Path) -> None:
    paths = (tmp_path / "AChunk1.mlpackage", tmp_path / "AChunk2.mlpackage")
    graph = Graph(inputs={"x": (F32, SHAPE)})
    write_package(graph, layer(graph, "value", "x", 1), paths[0])
    graph = Graph(inputs={"value": (F32, SHAPE)})
    write_package(graph, layer(graph, "y", "value", 10), paths[1])
    with open_whole(paths) as program:
        assert program.path == tmp_path / "AChunk1.mlpackage + AChunk2.mlpackage"
        assert run(program, x=5) == {"y": 16}
    with open_whole(paths[0]) as program:
        assert run(program, x=5) == {"value": 6}


def test_a_record_that_is_missing_is_missed_in_the_right_file() -> None:
    tail = second("value")
    tail.storage.records.clear()  # type: ignore[attr-defined]  # a literal storage
    joined = join(first(), tail)
    with pytest.raises(BadInputError, match="-> y: no FLOAT32 at 0"):
        run(joined, x=5)
