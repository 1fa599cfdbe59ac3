"""How small a preview may be, and what of a folder has a size at all; nothing is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.convert.spec.model import Description, Model, Program
from sdcoreml.convert.storage.package import NoWeights, OpenProgram
from sdcoreml.convert.tasks.preview import Size, shrink_program, smallest_size
from sdcoreml.ground.errors import UnsupportedError, UsageError
from tests.inside.convert.mil.graphs import F16, Graph, Ref

HERE = Path("Unet.mlmodelc")


def program(name: str, shape: tuple[int, ...], doublings: int = 0) -> OpenProgram:
    """Return a program of this input whose maps are doubled so often."""
    graph, kind = Graph(inputs={name: (F16, shape)}), (F16, shape)
    last = graph.op("relu", {"x": Ref(name)}, kind)
    for _ in range(doublings):
        last = graph.op("upsample_nearest_neighbor", {"x": Ref(last)}, kind)
    function = graph.function(last)
    held = Program(version=1, functions={"main": function})
    model = Model(
        specification_version=7, description=Description(inputs=(), outputs=()), program=held
    )
    return OpenProgram(path=HERE, model=model, function=function, storage=NoWeights(package=HERE))


@pytest.mark.parametrize(
    ("height", "width", "doublings", "small"),
    [
        (64, 64, 3, (16, 16)),
        (64, 96, 3, (16, 32)),
        (96, 64, 3, (32, 16)),
        (64, 64, 2, (8, 8)),
        (64, 104, 2, (8, 16)),
        (64, 64, 0, (2, 2)),
        (16, 24, 3, (16, 24)),
        (8, 64, 3, (8, 64)),
        (24, 64, 3, (16, 48)),
    ],
)
def test_the_smallest_level_is_two_positions_high_or_wide(
    height: int, width: int, doublings: int, small: tuple[int, int]
) -> None:
    found = smallest_size(program("sample", (2, 4, height, width), doublings))
    assert (found.height, found.width) == small


def test_what_has_no_latents_is_no_unet() -> None:
    with pytest.raises(UnsupportedError, match=r"Unet\.mlmodelc: has no latents"):
        smallest_size(program("input_ids", (1, 77)))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("sample", (2, 4, 8, 16)),
        ("z", (1, 4, 8, 16)),
        ("x", (1, 3, 64, 128)),
        ("input_ids", (1, 77)),
    ],
)
def test_a_program_of_this_size_or_of_none_stays(name: str, shape: tuple[int, ...]) -> None:
    made = program(name, shape)
    assert shrink_program(made, Size(height=8, width=16)) is made
    other = Size(height=8, width=8)
    if name == "input_ids":
        assert shrink_program(made, other) is made
    else:
        with pytest.raises(UsageError) as caught:
            shrink_program(made, other)
        said = "has a graph for its own size alone (no rule says which shape a relu has)"
        assert str(caught.value).startswith(f"Unet.mlmodelc: {said}; leave --preview out;")
