"""Two halves as one program, whole, and halves that do not belong together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.convert.compile.text import write
from sdcoreml.convert.storage.joined import join, open_whole
from sdcoreml.convert.storage.package import OpenProgram
from sdcoreml.convert.storage.pair import Storages
from sdcoreml.ground.errors import ParityError
from tests.convert.certificates.graphs import Zeros, function_of, opened
from tests.convert.compile.texts import package
from tests.convert.drawn import record

X = "tensor<fp32, [1, 4]> x"
FIRST = function_of(
    f"{X}, tensor<fp32, [1, 4]> unused",
    record("w", (4,), 64),
    "tensor<fp32, [1, 4]> inner = mul(x = x, y = w)",
    "tensor<fp32, [1, 4]> between = relu(x = inner)",
    output="between",
)


def second(*signature: str) -> OpenProgram:
    function = function_of(
        ", ".join((X, "tensor<fp32, [1]> more", *signature)),
        record("w", (4,), 64),
        "tensor<fp32, [1, 4]> inner = mul(x = between, y = w)",
        "tensor<fp32, [1, 4]> inner_ = add(x = inner, y = tensor<fp32, [4]>(BLOBFILE(path ="
        ' string("@model_path/weights/weight.bin"), offset = uint64(128))))',
        "tensor<fp32, [1, 4]> z = concat(values = (inner_, x, more))",
        output="z, inner",
    )
    made = opened(function, 8)
    return replace(made, path=Path("/m/B.mlmodelc"), storage=Zeros(8))


def first() -> OpenProgram:
    return replace(opened(FIRST), path=Path("/m/A.mlmodelc"), storage=Zeros(4))


BETWEEN = "tensor<fp32, [1, 4]> between"


def test_a_joined_program_whole() -> None:
    made = join(first(), second(BETWEEN))
    assert made.path == Path("/m/A.mlmodelc + B.mlmodelc")
    assert made.storage == Storages(first=Zeros(4), second=Zeros(8))
    assert made.model.specification_version == 7
    assert made.model.program.functions == {"main": made.function}
    description = made.model.description
    assert [(one.name, one.shape) for one in description.inputs] == [
        ("x", (1, 4)),
        ("unused", (1, 4)),
        ("more", (1,)),
    ]
    assert [(one.name, one.shape) for one in description.outputs] == [
        ("z", (1, 4)),
        ("inner", (1, 4)),
    ]
    blob = 'BLOBFILE(path = string("{}@model_path/weights/weight.bin"), offset = uint64({}))'
    mine, marked = blob.format("", 64), blob.format("second:", 64)
    inline = blob.format("second:", 128)
    kind, half = "tensor<fp32, [1, 4]>", "tensor<fp16, [4]>"
    assert write(made.model.program, "1.3").split("\n")[3:] == [
        f"    func main<ios16>(tensor<fp32, [1]> more, {kind} unused, {kind} x) {{",
        f'            {half} w = const()[name = string("w"), val = {half}({mine})];',
        f'            {kind} inner = mul(x = x, y = w)[name = string("inner")];',
        f'            {kind} between = relu(x = inner)[name = string("between")];',
        f'            {half} w_ = const()[name = string("w"), val = {half}({marked})];',
        f'            {kind} inner__ = mul(x = between, y = w_)[name = string("inner")];',
        (
            f"            {kind} inner_ = add(x = inner__, y = tensor<fp32, [4]>({inline}))"
            '[name = string("inner_")];'
        ),
        f'            {kind} z = concat(values = (inner_, x, more))[name = string("z")];',
        "        } -> (z, inner__);",
        "}",
    ]


def test_names_that_both_halves_have_stay_apart() -> None:
    lines = ("tensor<fp32, [1, 4]> a = relu(x = x)", "tensor<fp32, [1, 4]> a_ = relu(x = a)")
    head, tail = (opened(function_of(X, *lines, output=name)) for name in ("a", "a_"))
    described = replace(head.model.description, default_function="main")
    made = join(replace(head, model=replace(head.model, description=described)), tail)
    results = [item.outputs[0].name for item in made.function.block.operations]
    assert results == ["a", "a_", "a__", "a___"]
    assert made.function.block.outputs == ("a___",)
    assert made.model.description.default_function == ""


@pytest.mark.parametrize(
    ("port", "name"),
    [
        ("tensor<fp16, [1, 4]> between", "between"),
        ("tensor<fp32, [4, 1]> between", "between"),
        ("tensor<fp32, [1, 4]> w", "w"),
        ("tensor<fp32, [1, 4]> inner", "inner"),
    ],
)
def test_what_the_first_half_does_not_return(port: str, name: str) -> None:
    function = function_of(
        f"{X}, {port}", f"tensor<fp32, [1, 4]> z = add(x = x, y = {name})", output="z"
    )
    half = replace(opened(function), path=Path("/m/B.mlmodelc"))
    with pytest.raises(ParityError) as caught:
        join(first(), half)
    assert str(caught.value) == (
        f"/m/B.mlmodelc: takes {name}, which A.mlmodelc does not return in that type and shape;"
        " the halves are from different conversions: convert again"
    )


def test_halves_are_opened_together(tmp_path: Path) -> None:
    def text(inputs: str, name: str, output: str) -> str:
        line = f'{output} = relu(x = {name})[name = string("{output}")]'
        return (
            "program(1.3)\n[buildInfo = dict<string, string>({})]\n{\n"
            f"    func main<ios16>({inputs}) {{\n"
            f"            tensor<fp32, [1, 4]> {line};\n        }} -> ({output});\n}}"
        )

    one = package(tmp_path / "A.mlpackage", text(X, "x", "between"))
    other = package(tmp_path / "B.mlpackage", text(BETWEEN, "between", "z"))
    with open_whole((one, other)) as both:
        assert both.function.block.outputs == ("z",)
        assert [item.name for item in both.function.inputs] == ["x"]
        assert both.path == tmp_path / "A.mlpackage + B.mlpackage"
    with open_whole(other) as alone:
        assert [item.name for item in alone.function.inputs] == ["between"]
        assert alone.path == other
