"""Both halves of a small program, whole, and where it is cut."""

from __future__ import annotations

import numpy as np

from sdcoreml.convert.compression.forms import Codes
from sdcoreml.convert.packages.chunk import chunk
from sdcoreml.convert.programs.payload import ComputedConstant, DrawnProgram, Weight
from tests.convert.certificates.graphs import function_of
from tests.convert.drawn import drawn, lay, lines_of, tell
from tests.golden import assert_golden

WEIGHTS = lay(
    {
        "first": ((16, 16), Weight(tensor="first.weight")),
        "shared": ((2, 16), Weight(tensor="shared.weight")),
        "second": ((16, 16), Weight(tensor="second.weight")),
        "table": ((16,), ComputedConstant(np.arange(16, dtype="<f2"))),
    }
)
SIGNATURE = (
    "tensor<fp16, [1, 16]> sample, tensor<fp16, [1, 16]> states, tensor<fp32, [1]> timestep_between"
)
STEPS = (
    'string single = const()[name = string("single"), val = string("fp32")]',
    'string type_fp32 = const()[name = string("type_fp32"), val = string("gelu")]',
    "tensor<fp16, [1, 16]> a = linear(weight = first, x = sample)",
    "tensor<fp16, [1, 16]> b = add(x = a, y = shared)",
    "tensor<fp32, [1, 16]> c = cast(dtype = single, x = b)",
    "tensor<fp16, [1, 16]> d = mul(x = b, y = states)",
    "tensor<fp32, [1, 16]> e = add(x = c, y = timestep_between)",
    "tensor<fp16, [1, 16]> f = linear(weight = second, x = d)",
    "tensor<fp16, [1, 16]> g = add(x = f, y = shared)",
    "tensor<fp16, [1, 16]> h = gelu(mode = type_fp32, x = g)",
    "tensor<fp16, [1, 16]> i = add(x = h, y = table)",
    "tensor<fp16, [1, 16]> noise = add(x = i, y = e)",
)


def program(*changes: tuple[str, str]) -> DrawnProgram:
    lines = "\n".join(STEPS)
    for old, new in changes:
        assert old in lines
        lines = lines.replace(old, new)
    function = function_of(SIGNATURE, *lines_of(WEIGHTS), *lines.split("\n"), output="noise")
    return drawn(function, WEIGHTS)


def test_both_halves_whole() -> None:
    first, second = chunk(program())
    assert_golden("halves", f"{tell(first)}\n{tell(second)}")


def test_halves_that_pass_single_precision() -> None:
    wide = [("fp16, [1, 16]> b", "fp32, [1, 16]> b"), ("fp16, [1, 16]> d", "fp32, [1, 16]> d")]
    first, second = chunk(program(*wide))
    assert_golden("halves-fp32", f"{tell(first)}\n{tell(second)}")


def test_halves_of_a_compressed_program() -> None:
    palette = np.arange(4, dtype="<f2")
    codes = Codes(source=Weight(tensor="u"), palettes=palette[None], bits=2, each=1024)
    records = lay(
        {
            "u_indices": ((256,), codes),
            "u_lut": ((16,), ComputedConstant(np.arange(16, dtype="<f2"))),
            "v": ((16, 16), Weight(tensor="v.weight")),
        }
    )
    blob = 'BLOBFILE(path = string("@model_path/weights/weight.bin"), offset = uint64({}))'
    parts = (("indices", "tensor<fp16, [256]>", 64), ("lut", "tensor<fp16, [16]>", 640))
    told = ", ".join(f"{name} = {kind}({blob.format(at)})" for name, kind, at in parts)
    function = function_of(
        "tensor<fp16, [1, 16]> sample",
        f"tensor<fp16, [32, 32]> u = constexpr_lut_to_dense({told})",
        *lines_of(records[2:]),
        "tensor<fp16, [1, 16]> a = linear(weight = v, x = sample)",
        "tensor<fp16, [1, 16]> noise = linear(weight = u, x = a)",
        output="noise",
    )
    first, second = chunk(drawn(function, records))
    assert_golden("halves-compressed", f"{tell(first)}\n{tell(second)}")
