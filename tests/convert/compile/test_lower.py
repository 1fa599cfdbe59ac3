from __future__ import annotations

from sdcoreml.convert.compile.lower import COMPILER, build_info, lower
from sdcoreml.convert.compile.parse import parse
from sdcoreml.convert.compile.text import write
from sdcoreml.convert.spec.model import Program
from sdcoreml.convert.spec.reader import parse_model
from tests.convert.compile.texts import (
    FLEXIBLE,
    OPERATIONS,
    STATEFUL,
    described,
    outputs,
    ports,
    source,
)
from tests.convert.spec.packages import F16, F32, I32, array, feature, message, model, text


def lowered(program: Program, description: bytes, version: int = 7) -> Program:
    return lower(parse_model(model(program, description, version)))


def test_the_compilers_versions_are_added() -> None:
    program = source(OPERATIONS)
    assert build_info(program) == {}
    assert build_info(lowered(program, described(program))) == COMPILER


def test_the_programs_own_build_information_is_kept_and_sorted() -> None:
    own = parse(OPERATIONS.replace("coremlc-component-MIL", "coremltools-version")).program
    assert list(build_info(lowered(own, described(own))).items()) == [
        ("coremlc-component-MIL", "3500.14.1"),
        ("coremlc-version", "3500.32.1"),
        ("coremltools-version", "3500.14.1"),
    ]


def test_inputs_are_sorted_by_name() -> None:
    program = source(OPERATIONS)
    names = [named.name for named in lowered(program, described(program)).functions["main"].inputs]
    assert names == ["input_ids", "sample"]


def test_only_the_block_in_use_remains() -> None:
    program = source(OPERATIONS)
    function = program.functions["main"]
    object.__setattr__(function, "blocks", {**function.blocks, "CoreML5": function.block})
    assert list(lowered(program, described(program)).functions["main"].blocks) == ["CoreML6"]


def test_inputs_of_flexible_shape_are_described() -> None:
    program = source(FLEXIBLE)
    sound = array((1, 266), F32, ranges=[(1, 1), (2, 4000)])
    description = (
        message(1, feature("sound", sound))
        + message(1, feature("length", array((1,), I32)))
        + message(10, feature("y", array((), F32)))
    )
    assert write(lowered(program, description, 8), "1.0") == FLEXIBLE


def test_each_function_has_the_inputs_that_its_description_says() -> None:
    program = source(STATEFUL)
    state = feature("cache", message(1, array((1, 8), F16)), number=8)
    decode, main = (
        message(20, text(1, name), ports(2, program.functions[name].inputs), end)
        for name, end in (("decode", message(6, state)), ("main", b""))
    )
    description = decode + main + text(21, "main")
    assert write(lowered(program, description, 9), "1.3") == STATEFUL
    assert [named.name for named in outputs(program, "decode")] == ["y"]
