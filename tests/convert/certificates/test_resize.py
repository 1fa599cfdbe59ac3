"""A program for one size is rewritten for another, and nothing but shapes changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sdcoreml.convert.certificates.extents import Extents
from sdcoreml.convert.certificates.resize import resize
from sdcoreml.convert.spec.model import Block, DataType, Function, StateType, TensorType
from sdcoreml.convert.storage.package import OpenProgram
from sdcoreml.ground.errors import UnsupportedError
from tests.convert.certificates.graphs import constant, function_of, opened

SMALL = Extents(height=8, width=8, batch=2)
LARGE = Extents(height=16, width=12, batch=1)
SAMPLE = "tensor<fp16, [2, 4, 8, 8]> sample"
WEIGHT = (
    'BLOBFILE(path = string("@model_path/weights/weight.bin"), offset = uint64(64))',
    'BLOBFILE(path = string("@model_path/weights/weight.bin"), offset = uint64(192))',
)


def graph(height: int, width: int, batch: int) -> Function:
    """Return a graph for a size, as a builder writes it."""
    size = height * width
    shape = f"tensor<fp16, [{batch}, 4, {height}, {width}]>"
    rows = f"tensor<fp16, [{batch}, 4, {size}]>"
    return function_of(
        f"{shape} sample, tensor<fp16, [{batch}]> timestep",
        constant("tensor<fp16, [4, 4, 1, 1]>", "weight", WEIGHT[0]),
        constant("string", "word", '"custom"'),
        constant("tensor<int32, [2]>", "twos", "[1, 1]"),
        constant("tensor<int32, [4]>", "none", "[0, 0, 0, 0]"),
        constant("int32", "one", "1"),
        constant("tensor<int32, [3]>", "start", "[0, 1, 0]"),
        constant("tensor<bool, [3]>", "whole", "[true, false, true]"),
        constant("fp16", "epsilon", "0x1.5p-17"),
        constant("tensor<fp16, [4]>", "unread", "[0x1p+0, 0x1p+0, 0x1p+0, 0x1p+0]"),
        f"{shape} hidden = conv(dilations = twos, groups = one, pad = none, pad_type = word,"
        " strides = twos, weight = weight, x = sample)",
        f"{rows} rows = reshape(shape = tensor<int32, [3]>([{batch}, 4, {size}]), x = hidden)",
        f"tensor<fp16, [{batch}, 2, {size}]> part = slice_by_index(begin = start,"
        f" begin_mask = whole, end = tensor<int32, [3]>([{batch}, 3, {size}]),"
        " end_mask = whole, x = rows)",
        f"tensor<fp16, [{batch}, 1, {size}]> left, tensor<fp16, [{batch}, 1, {size}]> y ="
        " split(axis = one, num_splits = int32(2), x = part)",
        f"tensor<fp16, [{batch}, 2, {size}]> z = concat(axis = one, interleave = bool(false),"
        " values = (y, left))",
        "tensor<fp16, [4]> turned = mul(x = unread, y = epsilon)",
        output="z",
    )


def test_every_shape_is_worked_out_anew() -> None:
    given = opened(graph(8, 8, 2))
    wanted = opened(graph(16, 12, 1))
    found = resize(given, SMALL, LARGE)
    assert found.function == wanted.function
    described = replace(wanted.model.description, raw=b"")
    assert found.model == replace(wanted.model, description=described)
    assert (found.path, found.storage) == (given.path, given.storage)
    assert resize(given, SMALL, SMALL).function == given.function
    assert resize(found, LARGE, SMALL).function == given.function


def reshape(*target: int, named: bool = True) -> Function:
    """Return a graph that reshapes, with the target as a constant of its own or not."""
    value = f"[{', '.join(map(str, target))}]"
    kind = f"tensor<int32, [{len(target)}]>"
    lines = [constant(kind, "target", value)] if named else []
    shape = "target" if named else f"{kind}({value})"
    line = f"tensor<fp16, {value}> y = reshape(shape = {shape}, x = sample)"
    (batch, *size) = (2, 8, 8) if target[0] == 2 else (1, 16, 12)
    return function_of(
        f"tensor<fp16, [{batch}, 4, {size[0]}, {size[1]}]> sample",
        constant("int32", "idle", "7"),
        *lines,
        line,
        output="y",
    )


def test_a_constant_that_nothing_reads_any_more_is_left_out_and_no_other() -> None:
    found = resize(opened(reshape(2, 4, 64)), SMALL, LARGE).function
    assert found == reshape(1, 4, 192, named=False)
    same = reshape(2, 4, 64)
    assert resize(opened(same), SMALL, SMALL).function == same


def one(line: str, signature: str = SAMPLE, *before: str) -> OpenProgram:
    return opened(function_of(signature, *before, line, output="y"))


def part(ends: str, mask: str, result: str, to_end: str = "") -> OpenProgram:
    return one(
        f"tensor<fp16, {result}> y = slice_by_index(begin = tensor<int32, [4]>([0, 0, 0, 0]),"
        f" begin_mask = tensor<bool, [4]>({mask}), end = tensor<int32, [4]>({ends}),"
        f" end_mask = tensor<bool, [4]>({to_end or mask}), x = sample)"
    )


ALL = "[true, true, true, true]"


def refusal(program: OpenProgram, after: Extents = LARGE) -> str:
    with pytest.raises(UnsupportedError) as caught:
        resize(program, SMALL, after)
    return str(caught.value)


def test_what_is_not_explained_is_refused() -> None:
    part_of_rows = part("[2, 4, 4, 8]", "[true, true, false, true]", "[2, 4, 4, 8]")
    assert refusal(part_of_rows) == "a slice takes a part of a dimension that the size changes"
    wide = Extents(height=8, width=16, batch=2)
    (kept, *_) = resize(part_of_rows, SMALL, wide).function.block.operations
    assert kept.outputs[0].tensor.shape == (2, 4, 4, 16)
    # Whole by its masks, but it does not end where the dimension does.
    odd = part("[2, 4, 9, 8]", ALL, "[2, 4, 8, 8]")
    assert refusal(odd) == "a slice takes a part of a dimension that the size changes"
    half = part("[2, 4, 8, 8]", ALL, "[2, 4, 8, 8]", "[true, true, false, true]")
    assert refusal(half) == "a slice takes a part of a dimension that the size changes"
    assert refusal(one("tensor<fp16, [2, 4, 8, 9]> y = silu(x = sample)")) == (
        "y has shape (2, 4, 8, 9), not (2, 4, 8, 8)"
    )
    shapeless = one("tensor<fp16, [2, 4, 8, 8]> y = reshape(x = sample)")
    assert refusal(shapeless) == "an operation lacks an argument ('shape')"
    assert (
        refusal(one("tensor<fp16, [2, 4, 8, ?]> y = silu(x = sample)")) == "a dimension is unknown"
    )
    computed = one(
        "tensor<fp16, [2, 4, 64]> y = reshape(shape = sizes, x = sample)",
        SAMPLE,
        constant("tensor<int32, [3]>", "other", "[2, 4, 64]"),
        "tensor<int32, [3]> sizes = silu(x = other)",
    )
    assert refusal(computed) == "an operation lacks an argument ('shape')"


def test_what_is_no_tensor_is_refused() -> None:
    program = one("tensor<fp16, [2, 4, 8, 8]> y = silu(x = sample)")
    (item,) = program.function.block.operations
    nested = replace(item, blocks=(Block(operations=(), outputs=()),))
    function = program.function.with_operations([nested])
    assert refusal(replace(program, function=function)) == "nested blocks are not understood"
    (port,) = program.function.inputs
    state = replace(port, type=StateType(wrapped=port.type))
    stateful = replace(program.function, inputs=(state,))
    assert refusal(replace(program, function=stateful)) == "a value is no tensor"


def test_a_program_for_latents_is_rewritten_in_its_own_types() -> None:
    line = 'tensor<fp32, [2, 4, 8, 8]> y = cast(dtype = string("fp32"), x = sample)'
    found = resize(one(line), SMALL, LARGE).function
    assert found.block.operations[0].outputs[0].type == TensorType(
        dtype=DataType.FLOAT32, shape=(1, 4, 16, 12)
    )
