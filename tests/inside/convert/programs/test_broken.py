"""Typical mistakes of a builder, made in real programs: the checks must find every one.

`tests.inside.convert.mutations` breaks one block in many ways. Here, each mistake is made once in
every real program that it applies to. It must change the certificate key of the graph, so that no
certificate covers it, and running the program must show it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sdcoreml.convert.certificates.digest import graph_digest
from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.parity.check import CheckOptions, Original, check_program
from sdcoreml.convert.parity.outcome import Parity
from sdcoreml.convert.programs.options import ProgramOptions
from sdcoreml.convert.references.components import reference
from sdcoreml.convert.spec.model import Operation
from sdcoreml.convert.storage.package import OpenProgram, open_program
from sdcoreml.ground.errors import SdcoremlError
from tests.inside.convert.mil.graphs import immediate
from tests.inside.convert.programs.models import checkpoint

Break = Callable[[Operation], Operation]

ONCE = CheckOptions(modes=(Mode.FP32,), runs=1)
SMALL = ProgramOptions(height=16, width=16)


def argument(**values: object) -> Break:
    """Return a mistake that replaces arguments of an operation by other constants."""
    new = {name: (immediate(value),) for name, value in values.items()}
    return lambda operation: replace(operation, inputs={**operation.inputs, **new})


def kind(other: str) -> Break:
    """Return a mistake that changes an operation's type and keeps its arguments."""
    return lambda operation: replace(operation, type=other)


def exchanged(one: str, other: str) -> Break:
    """Return a mistake that swaps two arguments of an operation."""

    def change(operation: Operation) -> Operation:
        inputs = operation.inputs
        return replace(operation, inputs={**inputs, one: inputs[other], other: inputs[one]})

    return change


def reversed_values(operation: Operation) -> Operation:
    """Return an operation with the list of its argument `values` reversed."""
    values = operation.inputs["values"][::-1]
    return replace(operation, inputs={**operation.inputs, "values": values})


MISTAKES: Mapping[str, tuple[str, Break]] = {
    "a pad": ("conv", argument(pad_type="custom", pad=[1, 0, 0, 1])),
    "a stride": ("conv", argument(strides=[1, 2])),
    "a norm's epsilon": ("layer_norm", argument(epsilon=np.float16(0.05))),
    "a root left out": ("sqrt", kind("abs")),
    "axes": ("reduce_mean", argument(axes=[3, 4])),
    "an axis": ("softmax", argument(axis=0)),
    "a permutation": ("transpose", argument(perm=[0, 2, 1, 3])),
    "a scale": ("mul", argument(y=np.float16(0.9))),
    "an activation": ("silu", kind("sigmoid")),
    "another activation": ("sigmoid", kind("tanh")),
    "a sign": ("sub", kind("add")),
    "operands": ("sub", exchanged("x", "y")),
    "a transposition": ("matmul", exchanged("x", "y")),
    "an order": ("concat", reversed_values),
}
CASES = tuple(
    (component, mistake)
    for component, missing in {
        "text_encoder": {"a root left out", "axes", "an activation", "a sign", "operands"}
        | {"an order", "a pad"},
        "unet": {"another activation", "a transposition"},
        "vae_decoder": {"a norm's epsilon", "a permutation", "another activation", "an order"}
        | {"a scale"},
    }.items()
    for mistake in MISTAKES
    if mistake not in missing
)


def broken(program: OpenProgram, mistake: str) -> OpenProgram:
    """Return the program with a mistake in one operation: the middle one of those it applies to."""
    wanted, change = MISTAKES[mistake]
    operations = list(program.function.block.operations)
    places = [place for place, item in enumerate(operations) if item.type == wanted]
    place = places[len(places) // 2]
    operations[place] = change(operations[place])
    block = replace(program.function.block, operations=tuple(operations))
    function = replace(program.function, blocks={program.function.opset: block})
    return replace(program, function=function)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[Original, Path]]:
    """Build each component once; return its module's source and its package, by name."""
    folder = tmp_path_factory.mktemp("packages")
    made = {name: checkpoint(name, folder / name) for name in ("text_encoder", "unet")}
    made["vae_decoder"] = checkpoint("vae_decoder", folder / "vae_decoder")
    return {
        name: (
            Original(
                component=name, reference=reference(name), config=item.config, weights=item.weights
            ),
            item.write(folder / f"{name}.mlpackage", SMALL),
        )
        for name, item in made.items()
    }


@pytest.mark.parametrize(("component", "mistake"), CASES)
def test_a_mistake_is_seen_by_the_key_and_by_the_numbers(
    packages: Mapping[str, tuple[Original, Path]], component: str, mistake: str
) -> None:
    original, package = packages[component]
    with open_program(package) as program:
        wrong = broken(program, mistake)
        assert graph_digest(wrong, {}) != graph_digest(program, {})
        outcome: Parity | SdcoremlError
        try:
            outcome = check_program(wrong, original, ONCE)
        except SdcoremlError as error:
            outcome = error
    assert isinstance(outcome, SdcoremlError) or not outcome.passed
