"""The interpreter: precision, declared types, finite results, use of memory, and messages."""

from __future__ import annotations

import gc
import math
import weakref

import numpy as np
import pytest
import torch

from sdcoreml.convert.mil.interpreter import Executable
from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.spec.model import (
    Blob,
    DataType,
    Elements,
    NamedType,
    Operation,
    Sequence,
    TensorType,
    Value,
)
from sdcoreml.convert.storage.elements import array
from sdcoreml.ground.errors import BadInputError, ParityError, UnsupportedError
from tests.inside.convert.mil.graphs import BOOL, F16, F32, I32, Graph, Ref, immediate

THIRD = torch.tensor([1 / 3, 2 / 3]).half().float()


def chain(dtype: DataType = F16) -> tuple[Graph, str]:
    """Return a program that computes x * x - x, and the name of its result."""
    graph = Graph(inputs={"x": (dtype, (2,))})
    square = graph.op("mul", {"x": Ref("x"), "y": Ref("x")}, (dtype, (2,)))
    return graph, graph.op("sub", {"x": Ref(square), "y": Ref("x")}, (dtype, (2,)))


def test_in_fp32_mode_half_precision_is_never_rounded_to() -> None:
    graph, output = chain()
    assert torch.equal(graph.run(output, {"x": THIRD}), THIRD * THIRD - THIRD)


def test_in_fp16_mode_each_result_is_rounded_once() -> None:
    graph, output = chain()
    result = graph.run(output, {"x": THIRD}, Mode.FP16)
    square = (THIRD * THIRD).half().float()
    assert result.dtype == torch.float16
    assert torch.equal(result, (square - THIRD).half())


def test_in_fp16_mode_what_is_declared_fp32_stays_exact() -> None:
    graph, output = chain(F32)
    assert torch.equal(graph.run(output, {"x": THIRD}, Mode.FP16), THIRD * THIRD - THIRD)


def test_half_precision_weights_are_widened_exactly() -> None:
    graph = Graph(inputs={"x": (F16, (2,))})
    weight = graph.weight("w", np.array([0.1, 3.0], np.float16))
    output = graph.op("add", {"x": Ref("x"), "y": Ref(weight)}, (F16, (2,)))
    expected = np.array([0.1, 3.0], np.float16).astype(np.float32)
    assert graph.run(output, {"x": torch.zeros(2)}).tolist() == expected.tolist()


def test_bfloat16_is_the_upper_half_of_float32() -> None:
    graph = Graph(inputs={})
    raw = np.array([1.5, -3.0], np.float32).view(np.uint16)[1::2].tobytes()
    blob = Blob(path="w", offset=0)
    graph.storage.records[blob] = (DataType.BFLOAT16, raw)
    value = Value(type=TensorType(dtype=DataType.BFLOAT16, shape=(2,)), data=blob)
    assert array(value, graph.storage).tolist() == [1.5, -3.0]


def test_one_element_may_stand_for_all() -> None:
    value = Value(type=TensorType(dtype=F32, shape=(2, 2)), data=Elements(values=(4.0,)))
    assert array(value, Graph(inputs={}).storage).tolist() == [[4.0, 4.0], [4.0, 4.0]]


def test_an_overflow_is_found_where_it_happens() -> None:
    graph = Graph(inputs={"x": (F16, (2,))})
    harmless = graph.op("add", {"x": Ref("x"), "y": Ref("x")}, (F16, (2,)), name="harmless")
    large = graph.op("square", {"x": Ref(harmless)}, (F16, (2,)), name="too_large")
    output = graph.op("real_div", {"x": Ref(large), "y": Ref(large)}, (F16, (2,)), name="later")
    feeds = {"x": torch.tensor([1.0, 300.0])}
    assert graph.run(output, feeds).tolist() == [1.0, 1.0]
    with pytest.raises(
        ParityError,
        match="operation 1, square -> too_large: first operation with non-finite results",
    ):
        graph.run(output, feeds, Mode.FP16)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_one_bad_result_among_many_is_found_in_either_mode(value: float) -> None:
    graph = Graph(inputs={"x": (F16, (1000,))})
    output = graph.op("mul", {"x": Ref("x"), "y": Ref("x")}, (F16, (1000,)))
    feed = torch.ones(1000)
    feed[617] = value
    for mode in Mode:
        with pytest.raises(ParityError, match=r"non-finite results \(1 of 1000\)"):
            graph.run(output, {"x": feed}, mode)


@pytest.mark.parametrize(("value", "rounded"), [(65504.0, 65504.0), (65519.0, 65504.0)])
def test_the_largest_half_precision_number_is_finite(value: float, rounded: float) -> None:
    graph = Graph(inputs={"x": (F32, (1,))})
    output = graph.op("cast", {"x": Ref("x"), "dtype": "fp16"}, (F16, (1,)))
    assert graph.run(output, {"x": torch.tensor([value])}, Mode.FP16).item() == rounded
    with pytest.raises(ParityError, match=r"non-finite results \(1 of 1\)"):
        graph.run(output, {"x": torch.tensor([65520.0])}, Mode.FP16)


def test_large_finite_results_whose_sum_overflows_are_finite() -> None:
    graph = Graph(inputs={"x": (F32, (2,))})
    output = graph.op("abs", {"x": Ref("x")}, (F32, (2,)))
    assert graph.run(output, {"x": torch.full((2,), 3e38)}).tolist() == pytest.approx([3e38] * 2)


@pytest.mark.parametrize(
    ("kind", "arguments", "declared", "reason"),
    [
        ("add", {"x": Ref("x"), "y": Ref("x")}, (F16, (3,)), r"shape \(2,\), but \(3,\)"),
        ("add", {"x": Ref("x"), "y": Ref("x")}, (F16, (2, 1)), "is declared"),
        ("add", {"x": Ref("x"), "y": Ref("x")}, (F32, (2,)), "FLOAT16, but declares FLOAT32"),
        ("cast", {"x": Ref("x"), "dtype": "fp32"}, (F16, (2,)), "FLOAT32, but declares FLOAT16"),
        ("greater", {"x": Ref("x"), "y": Ref("x")}, (F16, (2,)), "BOOL, but declares FLOAT16"),
        ("reduce_argmax", {"x": Ref("x")}, (F16, ()), "INT32, but declares FLOAT16"),
        ("add", {"x": Ref("x"), "y": np.ones(2, np.float32)}, (F16, (2,)), "different types"),
        ("concat", {"values": (Ref("x"), Ref("i")), "axis": 0}, (F16, (4,)), "different types"),
        ("add", {"x": Ref("x"), "y": Ref("ghost")}, (F16, (2,)), "ghost is used before"),
        ("add", {"x": Ref("x")}, (F16, (2,)), "argument y is missing"),
        (
            "split",
            {"x": Ref("x"), "num_splits": 2, "axis": 0},
            (F16, (1,)),
            "computes 2 results, but declares 1",
        ),
        ("matmul", {"x": Ref("x"), "y": np.ones((3, 3), np.float16)}, (F16, (3,)), "size|shape"),
    ],
)
def test_what_an_operation_declares_is_what_it_must_compute(
    kind: str, arguments: dict[str, object], declared: tuple[DataType, tuple[int, ...]], reason: str
) -> None:
    graph = Graph(inputs={"x": (F16, (2,)), "i": (I32, (2,))})
    output = graph.op(kind, arguments, declared)
    feeds = {"x": torch.ones(2), "i": torch.ones(2, dtype=torch.int32)}
    with pytest.raises(ParityError, match=reason):
        graph.run(output, feeds)


@pytest.mark.parametrize(
    ("feeds", "reason"),
    [
        ({}, r"got the inputs \[\], but the program takes \['x'\]"),
        ({"x": torch.ones(2), "y": torch.ones(2)}, "but the program takes"),
        ({"x": torch.ones(3)}, r"input x has shape \(3,\), but \(2,\)"),
    ],
)
def test_inputs_must_be_those_that_are_declared(
    feeds: dict[str, torch.Tensor], reason: str
) -> None:
    graph, output = chain()
    with pytest.raises(ParityError, match=reason):
        graph.run(output, feeds)


def test_a_constant_must_have_the_shape_that_its_operation_declares() -> None:
    graph = Graph(inputs={})
    graph.operations.append(
        Operation(
            type="const",
            inputs={},
            outputs=(NamedType(name="w", type=TensorType(dtype=F32, shape=(3,))),),
            attributes={"val": immediate(np.ones(2, np.float32))},
        )
    )
    output = graph.op("abs", {"x": Ref("w")}, (F32, (2,)))
    with pytest.raises(ParityError, match="the constant has shape"):
        graph.run(output, {})


def test_a_missing_blob_is_bad_input_and_says_which_operation_wanted_it() -> None:
    graph = Graph(inputs={})
    graph.weight("w", np.ones(3, np.float32))
    output = graph.op("abs", {"x": Ref("w")}, (F32, (3,)), name="wanting")
    graph.storage.records.clear()
    with pytest.raises(BadInputError, match="abs -> wanting: no FLOAT32 at 0"):
        graph.run(output, {})


def test_a_blob_of_too_few_elements_is_refused() -> None:
    value = Value(type=TensorType(dtype=F32, shape=(3,)), data=Elements(values=(1.0, 2.0)))
    with pytest.raises(ParityError, match="holds 2 elements, not 3"):
        array(value, Graph(inputs={}).storage)


@pytest.mark.parametrize(
    "value",
    [
        Value(type=TensorType(dtype=DataType.FLOAT8E4M3FN, shape=(1,)), data=Elements(values=b"a")),
        Value(type=TensorType(dtype=F32), data=Sequence(items=())),
    ],
)
def test_constants_that_are_no_plain_tensors_are_refused(value: Value) -> None:
    with pytest.raises(UnsupportedError):
        array(value, Graph(inputs={}).storage)


def test_values_are_freed_after_their_last_use() -> None:
    graph = Graph(inputs={"x": (F32, (4,))})
    name = "x"
    for _ in range(5):
        name = graph.op("exp", {"x": Ref(name)}, (F32, (4,)))
        name = graph.op("log", {"x": Ref(name)}, (F32, (4,)))
    alive: list[weakref.ref[torch.Tensor]] = []
    most = 0

    def observe(_: Operation, __: str, result: torch.Tensor) -> None:
        nonlocal most
        alive.append(weakref.ref(result))
        most = max(most, sum(reference() is not None for reference in alive))

    executable = Executable(function=graph.function(name), storage=graph.storage)
    executable.run({"x": torch.zeros(4)}, Mode.FP32, observe)
    gc.collect()
    assert len(alive) == 10
    assert most <= 2


def test_an_unused_result_is_freed_at_once_and_an_output_never() -> None:
    graph, output = chain()
    graph.op("exp", {"x": Ref(output)}, (F16, (2,)), name="unused")
    executable = Executable(function=graph.function(output, "x"), storage=graph.storage)
    assert executable.run({"x": THIRD}).keys() == {output, "x"}


def test_comparisons_select_and_casts_work_together() -> None:
    graph = Graph(inputs={"x": (F16, (2,))})
    above = graph.op("greater", {"x": Ref("x"), "y": np.float16(0.5)}, (BOOL, (2,)))
    count = graph.op("cast", {"x": Ref(above), "dtype": "int32"}, (I32, (2,)))
    chosen = graph.op(
        "select",
        {"cond": Ref(above), "a": Ref(count), "b": np.array([7, 7], np.int32)},
        (I32, (2,)),
    )
    assert graph.run(chosen, {"x": THIRD}).tolist() == [7, 1]
