"""Graphs: names, shared constants, and no effect of graphs that were built before."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sdcoreml.convert.programs.graph import Graph, port
from sdcoreml.convert.programs.layers import (
    add,
    concat,
    mul,
    slice_axis,
)
from sdcoreml.convert.programs.options import Attention, ProgramOptions
from sdcoreml.convert.programs.payload import ComputedConstant, Weight
from sdcoreml.convert.spec.model import DataType, Program
from sdcoreml.convert.spec.writer import serialise_model
from tests.inside.convert.programs.configs import CONFIGS
from tests.inside.convert.programs.models import checkpoint

ROOT = Path(__file__).resolve().parents[4]
X = port("x", DataType.FLOAT16, (1, 4), "x")


def histogram(program: Program) -> Counter[str]:
    return Counter(operation.type for operation in program.functions["main"].block.operations)


def test_the_same_draft_twice_in_one_process(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    assert serialise_model(made.build().model) == serialise_model(made.build().model)


def test_names_are_those_of_the_checkpoint(tmp_path: Path) -> None:
    block = checkpoint("unet", tmp_path).build().model.program.functions["main"].block
    names = [result.name for operation in block.operations for result in operation.outputs]
    assert len(names) == len(set(names))
    assert {"conv_in", "conv_in_weight", "mid_block_attentions_0_norm", "noise_pred"} <= set(names)


@pytest.mark.parametrize("component", CONFIGS)
def test_nothing_is_reduced_that_only_constants_are_made_of(component: str, tmp_path: Path) -> None:
    """coremltools 9 with numpy 2.4 cannot load a program that reduces only constants."""
    size = ProgramOptions(height=16, width=16)
    block = checkpoint(component, tmp_path).build(size).model.program.main.block
    fixed: set[str] = set()
    for operation in block.operations:
        if set(operation.reads) <= fixed:
            fixed.update(result.name for result in operation.outputs)
            assert not operation.type.startswith("reduce_"), operation
    assert len(fixed) > 20


def test_an_input_of_another_type_is_cast_to_the_programs_own() -> None:
    g = Graph((X, port("wide", DataType.FLOAT32, (1, 4), "wide")), ProgramOptions())
    assert g.inputs["wide"].dtype is DataType.FLOAT32
    assert (g.input("x"), g.steps) == (g.inputs["x"], [])
    assert g.input("wide").dtype is DataType.FLOAT16
    assert [step.type for step in g.steps] == ["const", "cast"]


def test_a_constant_is_there_once() -> None:
    g = Graph((X,), ProgramOptions())
    y = mul(g, mul(g, g.inputs["x"], g.number(2)), g.number(2))
    g.output("y", mul(g, y, g.number(3)))
    kinds = Counter(step.type for step in g.steps)
    assert kinds == {"mul": 3, "const": 3, "cast": 1}  # 2, 3 and the cast's "fp32"


def test_a_weight_takes_no_memory_and_is_declared_once() -> None:
    g = Graph((X,), ProgramOptions())
    once, again = (g.weight("big.weight", (1 << 20, 1 << 20)) for _ in range(2))
    g.output("y", g.inputs["x"])
    assert once is again
    assert g.declared == {"big.weight": (1 << 20, 1 << 20)}
    assert g.sources == {"big_weight": Weight(tensor="big.weight")}


def test_equal_tables_are_one() -> None:
    import numpy as np

    g = Graph((X,), ProgramOptions())
    first, second = (g.table(np.arange(12, dtype=np.float32), "t") for _ in range(2))
    other = g.table(np.arange(12, dtype=np.float16), "t")
    g.output("y", g.inputs["x"])
    assert first is second
    assert [isinstance(source, ComputedConstant) for source in g.sources.values()] == [True, True]
    assert other.name == "t_1"


def test_a_name_given_twice_is_numbered() -> None:
    g = Graph((X,), ProgramOptions())
    x = g.inputs["x"]
    names = [g.emit("add", name=name, x=x, y=x).name for name in ("a.b", "a_b", "x", "a-b")]
    g.output("y", x)
    assert names == ["a_b", "a_b_1", "x_1", "a_b_2"]


def test_nothing_is_emitted_for_nothing() -> None:
    g = Graph((X,), ProgramOptions())
    x = g.inputs["x"]
    assert concat(g, [x]) is x
    assert slice_axis(g, x, 1, 0, 4) is x
    assert g.cast(x, DataType.FLOAT16) is x
    g.output("y", add(g, x, x))


def test_split_einsum_has_one_pair_for_each_head(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    split = histogram(made.build().model.program)
    original = histogram(made.build(ProgramOptions(attention=Attention.ORIGINAL)).model.program)
    attentions = 2 * (2 + 1 + 4)  # self and cross; on two levels down, in the middle, and up
    assert (split["einsum"], split["matmul"]) == (2 * 4 * attentions, 0)
    assert (original["einsum"], original["matmul"]) == (0, 2 * attentions)
