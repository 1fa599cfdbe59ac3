from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.compile.refusals import refusals
from sdcoreml.convert.spec.model import (
    Block,
    DataType,
    Elements,
    Feature,
    Function,
    FunctionDescription,
    Model,
    NamedType,
    Operation,
    Pairs,
    Program,
    Sequence,
    TensorType,
    Value,
)
from sdcoreml.convert.spec.reader import parse_model
from sdcoreml.ground.errors import BadInputError, UnsupportedError
from tests.convert.compile.texts import COMPRESSED, OPERATIONS, described, source
from tests.convert.spec.packages import model

WHERE = Path("model.mlmodel")
STRING = TensorType(dtype=DataType.STRING)
SOUND = parse_model(model(source(COMPRESSED), described(source(COMPRESSED))))


def reasons(found: Model) -> list[str]:
    return [fault.what for fault in refusals(found, WHERE)]


def with_program(program: Program) -> Model:
    return replace(SOUND, program=program)


def with_operation(operation: Operation) -> Model:
    function = SOUND.program.functions["main"]
    block = Block(operations=(*function.block.operations, operation), outputs=("y",))
    changed = replace(function, blocks={"CoreML6": block})
    return with_program(replace(SOUND.program, functions={"main": changed}))


def with_constant(kind: TensorType, values: object) -> Model:
    value = Value(type=kind, data=Elements(values=values))  # type: ignore[arg-type]
    named = NamedType(name="z", type=kind)
    return with_operation(
        Operation(type="const", inputs={}, outputs=(named,), attributes={"val": value})
    )


def with_input(feature: Feature) -> Model:
    inputs = (*SOUND.description.inputs, feature)
    return replace(SOUND, description=replace(SOUND.description, inputs=inputs))


def test_sound_models_are_not_refused() -> None:
    assert refusals(SOUND, WHERE) == ()
    program = source(OPERATIONS)
    assert refusals(parse_model(model(program, described(program))), WHERE) == ()


def test_a_refusal_says_where_and_what_to_do() -> None:
    (fault,) = refusals(replace(SOUND, specification_version=10), WHERE)
    assert str(fault) == (
        "model.mlmodel: specification version 10 cannot be compiled without Xcode, only 6 to 9;"
        " compile it on a Mac with Xcode (`sdcoreml compile --with-xcode PACKAGE -o FOLDER`)"
    )
    assert fault.error is UnsupportedError


def with_function(**changes: Any) -> Model:
    main = replace(SOUND.program.main, **changes)
    return with_program(replace(SOUND.program, functions={"main": main}))


LOOP = Operation(
    type="while_loop",
    inputs={},
    outputs=(NamedType(name="z", type=STRING),),
    blocks=(Block(operations=(), outputs=()),),
)
F32 = TensorType(dtype=DataType.FLOAT32)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (replace(SOUND, specification_version=5), "specification version 5"),
        (replace(SOUND, is_updatable=True), "the model is updatable"),
        (with_operation(LOOP), "function 'main': operation while_loop z has nested blocks"),
        (with_input(Feature(name="i", dtype=None, kind="image")), "'i' is of kind image"),
        (
            with_input(Feature(name="i", dtype=DataType.INT32, flexible=True, enumerated=3)),
            "'i' has 3 enumerated shapes",
        ),
        (with_constant(F32, (float("nan"),)), "const z: a constant is NaN"),
        (with_constant(STRING, ("é",)), "other than plain ASCII"),
        (with_constant(F32, (1.0, 2.0)), "2 elements in a constant of shape"),
        (with_constant(TensorType(dtype=DataType.UINT4), b"a"), "immediate elements of UINT4"),
        (
            with_operation(
                Operation(type="f", inputs={}, outputs=(NamedType(name="a b", type=F32),))
            ),
            "the name 'a b' is not an identifier",
        ),
        (
            with_program(
                replace(
                    SOUND.program,
                    attributes={"x": Value(type=STRING, data=Elements(values=("y",)))},
                )
            ),
            "the program has the attribute 'x'",
        ),
        (
            with_program(Program(version=1, functions={})),
            "the description lists ['main'], but the functions are []",
        ),
        (
            with_program(
                Program(
                    version=1,
                    functions={
                        "main": Function(
                            inputs=(),
                            opset="CoreML99",
                            blocks={"CoreML99": Block(operations=(), outputs=())},
                        )
                    },
                )
            ),
            "function 'main': its opset 'CoreML99'",
        ),
        (
            with_function(attributes={"x": Value(type=STRING, data=Elements(values=("y",)))}),
            "function 'main': it has attributes or block inputs",
        ),
        (
            replace(
                SOUND,
                description=replace(
                    SOUND.description,
                    functions=(FunctionDescription(name="main", inputs=(), outputs=()),),
                ),
            ),
            "the default function '' is not in the program",
        ),
    ],
)
def test_what_cannot_be_compiled_is_refused_with_the_reason(found: Model, reason: str) -> None:
    assert any(reason in said for said in reasons(found)), reasons(found)


def test_a_name_of_an_input_is_looked_at_too() -> None:
    function = SOUND.program.functions["main"]
    odd = replace(function, inputs=(*function.inputs, NamedType(name="a b", type=F32)))
    found = with_program(replace(SOUND.program, functions={"main": odd}))
    assert "function 'main': the name 'a b' is not an identifier" in reasons(found)


def test_an_operation_reads_what_an_earlier_one_computes() -> None:
    named = NamedType(name="z", type=STRING)
    early = Operation(type="relu", inputs={"x": ("late",)}, outputs=(named,))
    (fault,) = refusals(with_operation(early), WHERE)
    assert fault.error is BadInputError  # Xcode would not compile it either
    assert fault.remedy == "make or download the package again"
    (reason,) = reasons(with_operation(early))
    assert reason == (
        "damaged: function 'main': operation relu z reads 'late', which no earlier one computes"
    )
    function = SOUND.program.functions["main"]
    bare = replace(function.block, operations=())
    changed = replace(function, blocks={"CoreML6": bare})
    (reason,) = reasons(with_program(replace(SOUND.program, functions={"main": changed})))
    assert reason == (
        f"damaged: function 'main': no operation computes its output {bare.outputs[0]!r}"
    )


def test_constants_are_looked_into() -> None:
    bad = Value(type=STRING, data=Elements(values=('"',)))
    good = Value(type=STRING, data=Elements(values=("x",)))
    for data in (Pairs(items=((good, bad),)), Sequence(items=(good, bad))):
        value = Value(type=STRING, data=data)
        operation = Operation(type="f", inputs={"x": (value,)}, outputs=())
        (reason,) = reasons(with_operation(operation))
        assert reason.startswith("function 'main': operation f without results: the string")


def test_all_reasons_are_collected() -> None:
    found = replace(with_operation(LOOP), specification_version=10, is_updatable=True)
    assert len(reasons(found)) == 3
