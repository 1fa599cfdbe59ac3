"""Properties of any program: reading its bytes, lowering it, writing it, and reading it back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given, settings

from sdcoreml.convert.compile.check import function_differences
from sdcoreml.convert.compile.histogram import histogram
from sdcoreml.convert.compile.lower import lower
from sdcoreml.convert.compile.metadata import metadata
from sdcoreml.convert.compile.parse import parse
from sdcoreml.convert.compile.refusals import refusals
from sdcoreml.convert.compile.text import write
from sdcoreml.convert.spec.model import Program
from sdcoreml.convert.spec.reader import parse_model
from tests.convert.compile.strategies import PROGRAMS
from tests.convert.spec.packages import message, model, text

DESCRIPTION = message(20, text(1, "f")) + text(21, "f")


def named(program: Program) -> Program:
    """Return the program with its only function renamed to `f`, without what the text omits."""
    (function,) = program.functions.values()
    return Program(version=1, functions={"f": function})


@settings(max_examples=40)
@given(PROGRAMS)
def test_what_was_serialised_is_read(program: Program) -> None:
    assert parse_model(model(program, b"")).program == program


@settings(max_examples=40)
@given(PROGRAMS)
def test_what_is_not_refused_is_compiled_without_a_difference(program: Program) -> None:
    found = parse_model(model(named(program), DESCRIPTION, 8))
    if refusals(found, Path("model.mlmodel")):
        return
    lowered = lower(found)
    again = parse(write(lowered, "1.0")).program
    assert again == lowered
    assert list(function_differences(again, lowered)) == []


@settings(max_examples=30)
@given(PROGRAMS)
def test_every_operation_is_counted_once(program: Program) -> None:
    function = named(program).functions["f"]
    counted = [operation for operation in function.block.operations if operation.type != "const"]
    assert sum(histogram(function).values()) == len(counted)


@settings(max_examples=30)
@given(PROGRAMS)
def test_metadata_can_be_written_of_every_program(program: Program) -> None:
    content: dict[str, Any] = metadata(parse_model(model(named(program), DESCRIPTION, 8)), "Model")
    assert content["functions"][0]["name"] == "f"
    assert content["defaultFunctionName"] == "f"
