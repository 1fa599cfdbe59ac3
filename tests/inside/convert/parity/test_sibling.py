"""A graph that differs from a certified one in more than shapes is never taken for its like."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdcoreml.convert.certificates.digest import certificate_key, graph_digest, module_digest
from sdcoreml.convert.certificates.store import Certificate
from sdcoreml.convert.packages.chunk import chunk
from sdcoreml.convert.packages.write import write_package
from sdcoreml.convert.parity.check import FULL, CheckOptions, check_component
from sdcoreml.convert.parity.drawn import Drawing, draw_without_weights
from sdcoreml.convert.parity.sibling import Kinship, find_sibling
from sdcoreml.convert.programs.options import Attention, Prediction, ProgramOptions, Runtime
from sdcoreml.convert.spec.model import (
    DataType,
    Elements,
    Function,
    NamedType,
    Operation,
    TensorType,
    Value,
)
from sdcoreml.convert.storage.package import OpenProgram
from sdcoreml.convert.tasks import siblings
from sdcoreml.convert.weights.safetensors import TensorFile
from sdcoreml.ground.codec import to_plain
from sdcoreml.ground.events import silent
from tests.inside.convert.programs.configs import CONFIGS
from tests.inside.convert.programs.models import checkpoint

CERTIFIED = ProgramOptions(height=32, width=32, attention=Attention.ORIGINAL)
OTHERS = (
    {"batch": 1},
    {"height": 40, "width": 40},
    {"height": 24, "width": 56, "batch": 1},
)
WIDE = ProgramOptions(height=32, width=48, batch=1, attention=Attention.ORIGINAL)


@cache
def drawn(component: str, options: ProgramOptions) -> Drawing:
    return draw_without_weights(component, CONFIGS[component], options)


@cache
def certificate(component: str, options: ProgramOptions = CERTIFIED) -> Certificate:
    """Return a certificate of what the builder draws."""
    made, config = drawn(component, options), CONFIGS[component]
    return Certificate(
        key=certificate_key(graph_digest(made.program, made.placed), component, config, options),
        component=component,
        title="a tiny model",
        outputs=(),
        runs=2,
        toolchain="tested",
        lock="5f",
        date="2026-11-29",
        module=module_digest(component, config, options),
        options=options.as_json(),
    )


def found(
    component: str,
    graph: str,
    options: ProgramOptions,
    issued: Certificate | None = None,
    config: Mapping[str, Any] | None = None,
) -> Kinship | None:
    issued = issued or certificate(component)
    return find_sibling(graph, component, config or CONFIGS[component], options, [issued])


@pytest.mark.parametrize("changes", OTHERS)
@pytest.mark.parametrize(
    "component", ["unet", "controlled_unet", "controlnet", "unet_refiner", "vae_decoder"]
)
def test_what_the_builder_draws_for_another_size_is_the_certified_graph(
    component: str, changes: Mapping[str, Any]
) -> None:
    options = replace(CERTIFIED, **changes)
    made = drawn(component, options)
    kinship = found(component, graph_digest(made.program, made.placed), options)
    assert kinship is not None
    assert kinship.sibling.graph == certificate(component).key


@pytest.mark.parametrize("component", ["unet", "vae_encoder"])
def test_so_is_what_is_drawn_with_split_attention(component: str) -> None:
    certified = replace(CERTIFIED, attention=Attention.SPLIT_EINSUM)
    options = replace(certified, height=24, width=40, batch=1)
    made = drawn(component, options)
    graph = graph_digest(made.program, made.placed)
    assert found(component, graph, options, certificate(component, certified)) is not None


@pytest.mark.parametrize(
    ("component", "changes"),
    [("unet", {}), ("unet", {"time_cond_proj_dim": 256}), ("controlled_unet", {})],
    ids=str,
)
def test_so_is_what_is_drawn_for_comfyui_unless_maps_are_padded(
    component: str, changes: Mapping[str, Any]
) -> None:
    config = {**CONFIGS[component], **changes}

    def drawing(options: ProgramOptions) -> str:
        made = draw_without_weights(component, config, options)
        return graph_digest(made.program, made.placed)

    small = replace(CERTIFIED, batch=1, runtime=Runtime.COMFYUI)
    issued = replace(
        certificate("unet"),
        component=component,
        key=certificate_key(drawing(small), component, config, small),
        module=module_digest(component, config, small),
        options=small.as_json(),
    )
    for (height, width, batch), is_like in (((40, 24, 3), True), ((33, 32, 1), False)):
        other = replace(small, height=height, width=width, batch=batch)
        kinship = found(component, drawing(other), other, issued, config)
        assert (kinship is not None) == is_like


Mutation = Callable[[Function], Function]


def edit(kind: str, change: Callable[[Operation], Operation], place: int = 0) -> Mutation:
    """Return a mutation of one of the operations of a kind."""

    def mutate(function: Function) -> Function:
        operations = list(function.block.operations)
        at = [n for n, item in enumerate(operations) if item.type == kind][place]
        operations[at] = change(operations[at])
        return function.with_operations(operations)

    return mutate


def number(dtype: DataType, *values: float) -> Value:
    """Return a constant; one number is a scalar."""
    shape = () if len(values) == 1 else (len(values),)
    if dtype is DataType.FLOAT16:
        data = Elements(values=np.array(values, "<f2").tobytes())
    else:
        data = Elements(values=tuple(map(int, values)))
    return Value(type=TensorType(dtype=dtype, shape=shape), data=data)


def argument(kind: str, name: str, *values: float, place: int = 0) -> Mutation:
    """Return a mutation that gives an operation other whole numbers as an argument."""
    value = number(DataType.INT32, *values)
    return edit(
        kind, lambda item: replace(item, inputs={**item.inputs, name: (value,)}), place=place
    )


def epsilon(kind: str, name: str) -> Mutation:
    value = number(DataType.FLOAT16, 1e-3)
    return edit(kind, lambda item: replace(item, inputs={**item.inputs, name: (value,)}))


def swapped(kind: str, *names: str) -> Mutation:
    one, other = names

    def swap(item: Operation) -> Operation:
        inputs = {**item.inputs, one: item.inputs[other], other: item.inputs[one]}
        return replace(item, inputs=inputs)

    return edit(kind, swap)


def reordered(item: Operation) -> Operation:
    return replace(item, inputs={**item.inputs, "values": item.inputs["values"][::-1]})


def of_dtype(item: Operation) -> Operation:
    kind = replace(item.outputs[0].tensor, dtype=DataType.FLOAT32)
    return replace(item, outputs=(replace(item.outputs[0], type=kind),))


def of_shape(item: Operation) -> Operation:
    (output,) = item.outputs
    shape = output.tensor.shape[::-1]
    return replace(item, outputs=(replace(output, type=replace(output.tensor, shape=shape)),))


def added(function: Function) -> Function:
    """Add an operation that changes little: a bound on the result."""
    *operations, last = function.block.operations
    name = str(last.inputs["x"][0])
    bound = Operation(
        type="relu",
        inputs={"x": (name,)},
        outputs=(NamedType(name="bound", type=function.types[name]),),
    )
    last = replace(last, inputs={**last.inputs, "x": ("bound",)})
    return function.with_operations([*operations, bound, last])


def idle(function: Function) -> Function:
    """Add an operation whose result nothing reads."""
    first = function.inputs[0]
    spare = NamedType(name="spare", type=first.type)
    more = Operation(type="silu", inputs={"x": (first.name,)}, outputs=(spare,))
    return function.with_operations([*function.block.operations, more])


def left_out(function: Function) -> Function:
    """Leave out an activation."""
    operations = list(function.block.operations)
    at = next(n for n, item in enumerate(operations) if item.type == "gelu")
    gone = operations.pop(at)
    name, source = gone.outputs[0].name, gone.inputs["x"][0]

    def bind(item: Operation) -> Operation:
        inputs = {
            key: tuple(source if one == name else one for one in bound)
            for key, bound in item.inputs.items()
        }
        return replace(item, inputs=inputs)

    return function.with_operations(map(bind, operations))


def port(function: Function) -> Function:
    first, *rest = function.inputs
    kind = replace(first.tensor, shape=(1, 4, 48, 32))
    return replace(function, inputs=(replace(first, type=kind), *rest))


TAMPERED: Mapping[str, Mutation] = {
    "height and width swapped in a reshape": argument("reshape", "shape", 1, 32, 1, 48, 32),
    "groups of another size": argument("reshape", "shape", 1, 16, 2, 32, 48),
    "heads of another width": argument("reshape", "shape", 1, 8, 4, 1536, place=5),
    "an axis of a norm": argument("layer_norm", "axes", 3),
    "an axis of a softmax": argument("softmax", "axis", 2),
    "the axes of a mean": argument("reduce_mean", "axes", 2, 3),
    "an axis of a concatenation": argument("concat", "axis", 0),
    "a padding": argument("conv", "pad", 0, 2, 1, 1),
    "a stride": argument("conv", "strides", 1, 2),
    "the epsilon of a layer norm": epsilon("layer_norm", "epsilon"),
    "the epsilon of a batch norm": epsilon("batch_norm", "epsilon"),
    "the scale of queries": epsilon("mul", "y"),
    "another activation": edit("silu", lambda item: replace(item, type="tanh")),
    "another sum": edit("add", lambda item: replace(item, type="sub"), place=3),
    "a difference the other way": swapped("sub", "x", "y"),
    "keys and values swapped": swapped("matmul", "x", "y"),
    "scale and shift swapped": swapped("batch_norm", "gamma", "beta"),
    "a list of inputs in another order": edit("concat", reordered),
    "a result of another type": edit("silu", of_dtype),
    "a result of another shape": edit("silu", of_shape),
    "an operation more": added,
    "an operation that nothing reads": idle,
    "an operation less": left_out,
    "an input of another shape": port,
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_tampered_graph_is_not_the_certified_one(name: str) -> None:
    made = drawn("unet", WIDE)
    function = TAMPERED[name](made.program.function)
    assert function != made.program.function
    graph = graph_digest(replace(made.program, function=function), made.placed)
    assert found("unet", graph, WIDE) is None


def whole(program: OpenProgram, placed: Mapping[str, str]) -> str:
    return graph_digest(program, placed)


def test_a_weight_in_the_place_of_another_is_another_graph() -> None:
    made = drawn("unet", WIDE)
    one, other = [name for name in made.placed if name.endswith("to_q_weight")][:2]
    placed = {**made.placed, one: made.placed[other], other: made.placed[one]}
    assert found("unet", whole(made.program, made.placed), WIDE) is not None
    assert found("unet", whole(made.program, placed), WIDE) is None


def test_a_table_of_other_numbers_is_another_graph() -> None:
    """The sinusoids of a timestep are no shape, whatever size and batch are."""
    options = replace(CERTIFIED, batch=1)
    config = {**CONFIGS["unet"], "freq_shift": 1}
    made = draw_without_weights("unet", config, options)
    assert found("unet", graph_digest(made.program, made.placed), options) is None


@pytest.mark.parametrize(
    "options",
    [
        replace(WIDE, prediction=Prediction.VELOCITY),
        replace(WIDE, attention=Attention.SPLIT_EINSUM),
        replace(WIDE, states_own_size=True),
    ],
)
def test_what_is_not_a_shape_must_be_certified(options: ProgramOptions) -> None:
    made = drawn("unet", options)
    assert found("unet", graph_digest(made.program, made.placed), options) is None


def test_another_architecture_is_really_new() -> None:
    config = {**CONFIGS["unet"], "attention_head_dim": 8}
    made = draw_without_weights("unet", config, WIDE)
    graph = graph_digest(made.program, made.placed)
    assert found("unet", graph, WIDE, config=config) is None


def test_a_certificate_of_what_is_no_longer_drawn_stands_for_nothing() -> None:
    made = drawn("unet", WIDE)
    graph = graph_digest(made.program, made.placed)
    stale = replace(certificate("unet"), key="ab" * 32)
    assert found("unet", graph, WIDE, stale) is None
    assert found("unet", graph, WIDE, replace(certificate("unet"), options={})) is None


@pytest.mark.parametrize(("batch", "runs"), [(2, 1), (1, 2)])
def test_it_is_run_for_as_many_rows_as_the_certified_graph_was(batch: int, runs: int) -> None:
    options = replace(WIDE, batch=batch)
    made = drawn("unet", options)
    issued = replace(certificate("unet"), runs=1)
    kinship = found("unet", graph_digest(made.program, made.placed), options, issued)
    assert kinship is not None
    assert kinship.runs_for(options) == runs


def checked(folder: Path, component: str, options: ProgramOptions) -> tuple[Any, Any]:
    """Check a program with a certificate for another size, and without."""
    made = checkpoint(component, folder)
    package = made.write(folder / "x.mlpackage", options)
    full: CheckOptions = replace(FULL, program=options)
    lean = replace(full, certificates=(certificate(component),))
    subject = (component, package, made.config, made.weights)
    return check_component(*subject, lean), check_component(*subject, full)


@pytest.mark.parametrize("component", ["unet", "vae_decoder"])
def test_it_is_run_for_a_small_image_with_the_same_floors(component: str, tmp_path: Path) -> None:
    lean, full = checked(tmp_path, component, WIDE)
    assert lean.passed
    assert (lean.sibling.title, lean.sample, full.sibling, full.sample) == (
        "a tiny model",
        {"unet": "96x64", "vae_decoder": "192x128"}[component],
        None,
        "",
    )
    assert [(it.output, it.mode, it.floor) for it in lean.figures] == [
        (it.output, it.mode, it.floor) for it in full.figures
    ]
    assert (lean.runs, lean.key) == (full.runs, full.key)
    assert lean.proof().as_json()["sibling"]["graph"] == certificate(component).key
    assert "sibling" not in full.proof().as_json()


def test_halves_are_one_program(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    packages = (tmp_path / "1.mlpackage", tmp_path / "2.mlpackage")
    with TensorFile.open(made.weights) as tensors:
        for half, package in zip(chunk(made.build(WIDE)), packages, strict=True):
            write_package(half, tensors, package)
    options = replace(FULL, program=WIDE, certificates=(certificate("unet"),))
    parity = check_component("unet", packages, made.config, made.weights, options)
    assert parity.passed
    assert parity.sibling is not None
    assert parity.sample == "96x64"


def test_the_task_names_the_sibling_of_each_graph_that_has_one(tmp_path: Path) -> None:
    made = drawn("unet", WIDE)
    (tmp_path / "config.json").write_text(json.dumps(CONFIGS["unet"]))
    plain = {
        "component": "unet",
        "graph": graph_digest(made.program, made.placed),
        "config": str(tmp_path / "config.json"),
        "options": WIDE.as_json(),
    }
    other = {**plain, "component": "controlled_unet"}
    request = {"graphs": [plain, other], "certificates": [to_plain(certificate("unet"))]}
    answer = siblings.task(request, silent)
    assert list(answer) == ["unet"]
