"""What a certificate's key depends on, and what it does not; keys that were issued stay valid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sdcoreml.convert.certificates.digest import certificate_key, graph_digest, module_digest
from sdcoreml.convert.programs.options import Attention, Prediction, ProgramOptions
from sdcoreml.convert.spec.model import (
    Block,
    Description,
    Feature,
    Function,
    FunctionDescription,
    ListType,
    StateType,
    TensorType,
)
from sdcoreml.convert.storage.package import OpenProgram
from sdcoreml.ground.errors import UnsupportedError
from tests.convert.certificates.graphs import Zeros, constant, function_of, opened

SIGNATURE = "tensor<fp16, [1, 4]> x, tensor<fp16, [1, 4]> other"
BLOB = 'BLOBFILE(path = string("@model_path/weights/weight.bin"), offset = uint64(64))'
WEIGHT = constant("tensor<fp16, [1, 4]>", "w", BLOB)
SINGLE = constant("string", "single", '"fp32"')
HALF = constant("string", "half", '"fp16"')
SCALED = "tensor<fp16, [1, 4]> scaled = mul(x = x, y = w)"
WIDE = "tensor<fp32, [1, 4]> wide = cast(dtype = single, x = scaled)"
PARTS = (
    "tensor<fp16, [1, 2]> left, tensor<fp16, [1, 2]> right ="
    " split(axis = int32(1), num_splits = int32(2), x = scaled)"
)
IDLE = "tensor<fp16, [1, 4]> idle = relu(x = other)"
JOINED = "tensor<fp16, [1, 4]> z = concat(axis = int32(1), values = (right, left))"
IDLER = "tensor<fp16, [1, 4]> idler = tanh(x = other)"
LINES = (WEIGHT, SINGLE, SCALED, WIDE, PARTS, IDLE, IDLER, JOINED)
PLACED = {"w": "encoder.weight"}


def program(*lines: str, output: str = "z, wide", weights: int = 8) -> OpenProgram:
    made = opened(function_of(SIGNATURE, *lines, output=output))
    return replace(made, storage=Zeros(weights))


def digest(*lines: str, placed: dict[str, str] | None = None, output: str = "z, wide") -> str:
    return graph_digest(program(*lines, output=output), PLACED if placed is None else placed)


def changed(old: str, new: str) -> tuple[str, ...]:
    found = tuple(line.replace(old, new) for line in LINES)
    assert found != LINES
    return found


WHOLE = digest(*LINES)
OUT = {"output": "z, wide"}


def test_digests_stay_as_they_are() -> None:
    """Certificates that were issued name these: another digest would forget all of them."""
    options = ProgramOptions(prediction=Prediction.VELOCITY, height=8)
    config = {"in_channels": 9, "_name_or_path": "x"}
    assert [
        WHOLE,
        graph_digest(program(*LINES), {}),
        certificate_key(WHOLE, "unet", config, options),
        module_digest("unet", config, options),
    ] == [
        "41a78f06a2d0c63ec262d6c122a9e6cd3793d3bbc9632af2d49d84b547ac4ea2",
        "8739e26e6cf3e5d308083a7945fbec38dc8930b1cd3aa730cedf50c68e9cdc84",
        "02b0a7269ffc7bc26ca0de0534fa4e85c07e2d359a5142823f0f349d56dbaa3b",
        "14d3fe143f79ae4ea26105c9c0320c0c125933859545c010dcf25756e7609c74",
    ]


def test_names_of_values_order_and_storage_carry_no_meaning() -> None:
    assert digest(*changed("scaled", "renamed")) == WHOLE
    assert digest(IDLER, IDLE, *LINES[:5], JOINED) == WHOLE
    assert digest(IDLE, IDLER, *LINES[:5], JOINED) == WHOLE
    assert digest(*changed("x = x, y = w", "y = w, x = x")) == WHOLE
    moved = graph_digest(replace(program(*LINES), storage=Zeros(0)), PLACED)
    assert moved == WHOLE, "a weight with a place is not read"
    inline = (WEIGHT, *changed("dtype = single", 'dtype = string("fp32")')[2:])
    assert digest(*inline) == WHOLE
    # So the halves of a program pass a value: widened by the one, and back by the other.
    passed = (
        "tensor<fp32, [1, 4]> up = cast(dtype = single, x = scaled)",
        'tensor<fp16, [1, 4]> down = cast(dtype = string("fp16"), x = up)',
    )
    read = changed("x = scaled)", "x = down)")[4:]
    assert digest(*LINES[:4], *passed, *read) == WHOLE
    narrowed = (
        'tensor<fp16, [1, 4]> up = cast(dtype = string("fp16"), x = scaled)',
        'tensor<fp16, [1, 4]> down = cast(dtype = string("fp16"), x = up)',
    )
    halved = digest(*LINES[:4], *narrowed, *read)
    assert halved != WHOLE
    assert halved != digest(*LINES[:4], narrowed[0].replace("scaled", "x"), narrowed[1], *read)


@pytest.mark.parametrize(
    "lines",
    [
        changed("mul", "add"),
        changed("x = x, y = w", "x = w, y = x"),
        changed("x = x, y = w", "x = other, y = w"),
        changed("(right, left)", "(left, right)"),
        changed("axis = int32(1), values", "axis = int32(0), values"),
        changed("fp16, [1, 4]> idle", "fp16, [4, 1]> idle"),
        changed("idle = relu", "idle = silu"),
        changed("idle = relu(x = other)", "idle = relu(x = w)"),
        changed("fp16, [1, 4]> w", "fp16, [4, 1]> w"),
        tuple(line for line in LINES if line != IDLE),
    ],
)
def test_what_a_program_computes_counts(lines: tuple[str, ...]) -> None:
    assert digest(*lines) != WHOLE


def test_a_weight_counts_by_its_tensor_or_else_by_its_content() -> None:
    assert digest(*LINES, placed={"w": "decoder.weight"}) != WHOLE
    unplaced = digest(*LINES, placed={})
    assert unplaced != WHOLE
    inline = constant("tensor<fp16, [1, 4]>", "w", "[[0x0p+0, 0x0p+0, 0x0p+0, 0x0p+0]]")
    assert digest(inline, *LINES[1:], placed={}) == unplaced
    ones = constant("tensor<fp16, [1, 4]>", "w", "[[0x0p+0, 0x0p+0, 0x0p+0, 0x1p+0]]")
    assert digest(ones, *LINES[1:], placed={}) != unplaced


def with_ports(**changes: Any) -> OpenProgram:
    made = program(*LINES)
    (first, *others) = made.model.description.inputs
    described = replace(made.model.description, inputs=(replace(first, **changes), *others))
    return replace(made, model=replace(made.model, description=described))


def test_what_a_program_declares_counts() -> None:
    digests = {
        WHOLE,
        graph_digest(with_ports(name="y"), PLACED),
        graph_digest(with_ports(shape=(4,)), PLACED),
        graph_digest(with_ports(optional=True), PLACED),
        digest(*LINES, output="wide, idle"),
        graph_digest(opened(program(*LINES).function, 8), PLACED),
        graph_digest(
            opened(function_of(SIGNATURE, *LINES, output="z, wide", opset="ios17")), PLACED
        ),
        graph_digest(
            opened(function_of(f"{SIGNATURE}, fp16 more", *LINES, output="z, wide")), PLACED
        ),
    }
    assert len(digests) == 8
    made = program(*LINES)
    described = made.model.description
    turned = replace(
        described, inputs=described.inputs[::-1], outputs=described.outputs[::-1], raw=b""
    )
    assert (
        graph_digest(replace(made, model=replace(made.model, description=turned)), PLACED) == WHOLE
    )
    assert graph_digest(with_ports(description="more"), PLACED) == WHOLE


def test_a_key_is_of_a_module_and_what_it_is_asked_for() -> None:
    config = {"in_channels": 9}
    options = ProgramOptions()
    key = certificate_key("a", "unet", config, options)
    same = ProgramOptions(attention=Attention.ORIGINAL, height=8, width=8, batch=1)
    assert certificate_key("a", "unet", {**config, "_class_name": "x"}, same) == key
    velocity = ProgramOptions(prediction=Prediction.VELOCITY)
    keys = {
        key,
        certificate_key("b", "unet", config, options),
        certificate_key("a", "vae_decoder", config, options),
        certificate_key("a", "unet", {"in_channels": 4}, options),
        certificate_key("a", "unet", config, velocity),
    }
    assert len(keys) == 5
    modules = {
        module_digest("unet", config, options),
        module_digest("vae_decoder", config, options),
        module_digest("unet", {"in_channels": 4}, options),
        module_digest("unet", config, velocity),
    }
    assert len(modules) == 4
    assert module_digest("unet", config, same) in modules


def with_described(**changes: Any) -> OpenProgram:
    made = program(*LINES)
    described: Description = replace(made.model.description, **changes)
    return replace(made, model=replace(made.model, description=described))


def with_function(**changes: Any) -> OpenProgram:
    made = program(*LINES)
    function: Function = replace(made.function, **changes)
    return replace(made, function=function)


def with_blocks() -> OpenProgram:
    made = program(*LINES)
    first, *others = reversed(made.function.block.operations)
    nested = replace(first, blocks=(Block(operations=(), outputs=()),))
    return replace(made, function=made.function.with_operations([*reversed(others), nested]))


def with_list() -> OpenProgram:
    made = program(*LINES)
    first, *others = made.function.block.operations
    value = first.attributes["val"]
    assert isinstance(value.type, TensorType)
    text = replace(value, type=ListType(element=value.type, length=1))
    listed = replace(first, attributes={"val": text})
    return replace(made, function=made.function.with_operations([listed, *others]))


PORT = Feature(name="x", dtype=None, kind="image")
STATE = StateType(wrapped=program(*LINES).function.inputs[0].type)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (
            with_described(states=(PORT,)),
            "x: programs with states or several functions cannot be certified",
        ),
        (
            with_described(functions=(FunctionDescription(name="a", inputs=(), outputs=()),)),
            "x: programs with states or several functions cannot be certified",
        ),
        (with_ports(flexible=True), "x has no fixed shape, so the program cannot be certified"),
        (with_ports(dtype=None), "x has no fixed shape, so the program cannot be certified"),
        (with_blocks(), "operations with nested blocks (concat) cannot be certified"),
        (
            with_function(inputs=(replace(program(*LINES).function.inputs[0], type=STATE),)),
            "values other than tensors cannot be certified",
        ),
        (with_list(), "values other than tensors cannot be certified"),
    ],
)
def test_what_has_no_certificate(made: OpenProgram, said: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        graph_digest(made, {})
    assert str(caught.value) == said
