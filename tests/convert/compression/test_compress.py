"""A compressed program whole, what is compressed at all, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from sdcoreml.convert.compression.compress import Palettes, compress, compressible
from sdcoreml.convert.compression.forms import Form
from sdcoreml.convert.compression.recipe import Method, Recipe
from sdcoreml.convert.programs.payload import ComputedConstant, DrawnProgram, Payload, Weight
from sdcoreml.convert.spec.model import DataType
from sdcoreml.ground.errors import UnsupportedError
from tests.convert.certificates.graphs import function_of
from tests.convert.drawn import drawn, lay, lines_of, tell
from tests.golden import assert_golden

WEIGHTS = lay(
    {
        "conv_weight": ((32, 64), Weight(tensor="conv.weight")),
        "bias": ((32,), Weight(tensor="conv.bias")),
        "small_weight": ((1, 2047), Weight(tensor="small.weight")),
        "table": ((64, 64), ComputedConstant(np.zeros((64, 64), "<f2"))),
        "embedding": ((64, 32), Weight(tensor="embedding.weight")),
        "other_weight": ((32, 64), Weight(tensor="other.weight")),
    }
)
STEPS = (
    'string mode = const()[name = string("mode"), val = string("EXACT")]',
    "tensor<fp16, [1, 32]> a = linear(bias = bias, weight = conv_weight, x = x)",
    "tensor<fp16, [1, 32]> b = linear(weight = small_weight, x = a)",
    "tensor<fp16, [1, 32]> c = linear(weight = table, x = b)",
    "tensor<fp16, [1, 32]> d = gather(x = embedding, indices = c)",
    "tensor<fp16, [1, 32]> e = linear(weight = other_weight, x = d)",
    "tensor<fp16, [1, 32]> y = gelu(mode = mode, x = e)",
)


def program(specification: int = 7, payloads: tuple[Payload, ...] = WEIGHTS) -> DrawnProgram:
    lines = (*lines_of(payloads), *STEPS)
    function = function_of("tensor<fp16, [1, 64]> x", *lines, output="y")
    return drawn(function, payloads, specification)


class Checkpoint(dict[str, np.ndarray]):
    """Tensors in memory."""

    def names(self) -> tuple[str, ...]:
        return tuple(self)

    def release(self) -> None: ...


EIGHTHS = (np.arange(2048) % 16 / 8).astype("<f2").reshape(32, 64)
TENSORS = Checkpoint({"conv.weight": EIGHTHS, "other.weight": -EIGHTHS})
RECIPES: Mapping[str, tuple[int, Recipe]] = {
    "palettes": (7, Recipe(bits=4)),
    "layers": (8, Recipe(bits=16, layers={"other_weight": 2})),
    "integers": (7, Recipe(method=Method.LINEAR, bits=8)),
    "groups": (9, Recipe(bits=3, group_size=16, method=Method.UNIFORM)),
    "newer-integers": (9, Recipe(method=Method.LINEAR, bits=8, layers={"conv_weight": 16})),
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_compressed_program_whole(name: str) -> None:
    specification, recipe = RECIPES[name]
    assert_golden(f"compressed-{name}", tell(compress(program(specification), TENSORS, recipe)))


def test_the_large_weights_of_layers_are_compressed() -> None:
    assert [one.name for one in compressible(program())] == ["conv_weight", "other_weight"]


@dataclass
class Counting:
    """A `Finder` that keeps what it was asked for, and finds zeros."""

    asked: list[tuple[tuple[str, ...], Form]] = field(default_factory=list)

    def find(self, payloads: Sequence[Payload], form: Form) -> Sequence[np.ndarray]:
        self.asked.append((tuple(one.name for one in payloads), form))
        return [np.zeros((1, 1 << form.bits), "<f2") for _ in payloads]


def test_a_weight_that_another_program_compressed_is_not_compressed_again() -> None:
    finder = Counting()
    palettes: Palettes = {}
    recipe = Recipe(bits=4, layers={"other_weight": 2})
    first = compress(program(), TENSORS, recipe, palettes, finder)
    four, two = (Form(method=Method.KMEANS, bits=bits) for bits in (4, 2))
    assert finder.asked == [(("conv_weight",), four), (("other_weight",), two)]
    second = compress(program(), TENSORS, recipe, palettes, finder)
    assert len(finder.asked) == 2
    assert tell(second) == tell(first)
    compress(program(), TENSORS, Recipe(bits=4), palettes, finder)
    assert finder.asked[2:] == [(("other_weight",), four)]
    compress(program(9), TENSORS, Recipe(bits=4, group_size=16), palettes, finder)
    newer = Form(method=Method.KMEANS, bits=4, group=16, is_newer=True)
    assert finder.asked[3:] == [(("conv_weight", "other_weight"), newer)]


def single(name: str) -> tuple[Payload, ...]:
    """Return the records, of which one is float32."""
    return tuple(
        replace(one, type=replace(one.type, dtype=DataType.FLOAT32)) if one.name == name else one
        for one in WEIGHTS
    )


def test_a_table_may_have_single_precision() -> None:
    made = compress(program(payloads=single("table")), TENSORS, Recipe(bits=4))
    assert [one.name for one in made.payloads if one.type.dtype is DataType.FLOAT32] == ["table"]


@pytest.mark.parametrize(
    ("built", "recipe", "said"),
    [
        (
            program(),
            Recipe(bits=5),
            "unet: kmeans with 5 bits cannot be stored; choose 1, 2, 4, 6, 8",
        ),
        (
            program(),
            Recipe(layers={"z": 4, "conv_weight": 4, "a": 8, "bias": 4}),
            (
                "unet: the recipe names layers that this program does not have: a, bias, z;"
                " use a recipe that was made for this model"
            ),
        ),
        (
            program(payloads=single("bias")),
            Recipe(),
            "unet: only float16 programs can be compressed",
        ),
    ],
)
def test_what_cannot_be_compressed(built: DrawnProgram, recipe: Recipe, said: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        compress(built, TENSORS, recipe)
    assert str(caught.value) == said
