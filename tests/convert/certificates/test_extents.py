from __future__ import annotations

import pytest

from sdcoreml.convert.certificates.extents import Extents, input_shape, reshaped
from sdcoreml.ground.errors import UnsupportedError

BEFORE = Extents(height=64, width=96, batch=2)
AFTER = Extents(height=80, width=48, batch=1)
SQUARE = Extents(height=64, width=64, batch=2)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("sample", (2, 4, 64, 96), (1, 4, 80, 48)),
        ("timestep", (2,), (1,)),
        ("encoder_hidden_states", (2, 768, 1, 77), (1, 768, 1, 77)),
        ("encoder_hidden_states", (2, 77, 768), (1, 77, 768)),
        ("timestep_cond", (2, 256), (1, 256)),
        ("time_ids", (2, 6), (1, 6)),
        ("controlnet_cond", (2, 3, 512, 768), (1, 3, 640, 384)),
        ("additional_residual_7", (2, 640, 16, 24), (1, 640, 20, 12)),
        ("z", (1, 4, 64, 96), (1, 4, 80, 48)),
        ("x", (1, 3, 512, 768), (1, 3, 640, 384)),
    ],
)
def test_an_input_has_the_shape_that_size_and_batch_give_it(
    name: str, before: tuple[int, ...], after: tuple[int, ...]
) -> None:
    assert input_shape(name, before, BEFORE, AFTER) == after


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("sample", (2, 4, 96, 64)),
        ("sample", (2, 4, 32, 48)),
        ("sample", (1, 4, 64, 96)),
        ("timestep", (1,)),
        ("x", (2, 3, 512, 768)),
        ("x", (1, 3, 508, 768)),
        ("additional_residual_7", (2, 640, 16, 16)),
        ("additional_residual_7", (2, 640, 64, 24)),
        ("input_ids", (1, 77)),
        ("mask", (2, 1, 64, 96)),
    ],
)
def test_an_input_of_another_shape_is_not_explained(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(UnsupportedError, match="do not explain"):
        input_shape(name, shape, BEFORE, AFTER)


@pytest.mark.parametrize(
    ("source", "target", "new", "found"),
    [
        ((2, 320, 64, 96), (2, 32, 10, 64, 96), (1, 320, 80, 48), (1, 32, 10, 80, 48)),
        ((2, 32, 10, 64, 96), (2, 320, 64, 96), (1, 32, 10, 80, 48), (1, 320, 80, 48)),
        ((2, 320, 32, 48), (2, 320, 1, 1536), (1, 320, 40, 24), (1, 320, 1, 960)),
        ((2, 320, 1, 1536), (2, 320, 32, 48), (1, 320, 1, 960), (1, 320, 40, 24)),
        ((2, 320, 1, 6144), (2, 8, 40, 6144), (1, 320, 1, 3840), (1, 8, 40, 3840)),
        ((2, 768, 1, 77), (2, 8, 96, 77), (1, 768, 1, 77), (1, 8, 96, 77)),
        ((2, 6), (12,), (1, 6), (6,)),
        ((12, 256), (2, 1536), (6, 256), (1, 1536)),
        ((1, 512, 64, 96), (1, 512, 1, 6144), (1, 512, 80, 48), (1, 512, 1, 3840)),
    ],
)
def test_a_reshape_keeps_together_what_belongs_together(
    source: tuple[int, ...],
    target: tuple[int, ...],
    new: tuple[int, ...],
    found: tuple[int, ...],
) -> None:
    assert reshaped(source, target, new, BEFORE, AFTER) == found


@pytest.mark.parametrize(
    ("source", "target", "new", "found"),
    [
        ((1, 320, 64, 64), (1, 32, 10, 64, 64), (3, 320, 80, 48), (3, 32, 10, 80, 48)),
        ((1, 320, 1, 4096), (1, 320, 64, 64), (3, 320, 1, 3840), (3, 320, 80, 48)),
        ((1, 6), (6,), (3, 6), (18,)),
        ((6, 256), (1, 1536), (18, 256), (3, 1536)),
        ((1, 320), (1, 320, 1, 1), (3, 320), (3, 320, 1, 1)),
    ],
)
def test_a_batch_of_one_is_what_comes_first(
    source: tuple[int, ...],
    target: tuple[int, ...],
    new: tuple[int, ...],
    found: tuple[int, ...],
) -> None:
    one = Extents(height=64, width=64, batch=1)
    assert reshaped(source, target, new, one, Extents(height=80, width=48, batch=3)) == found


def test_heads_as_long_as_the_sequence_are_not_taken_for_it() -> None:
    """At 64x64, the deepest level of a UNet has as many positions as its heads have features."""
    found = reshaped((2, 512, 1, 64), (2, 8, 64, 64), (1, 512, 1, 60), SQUARE, AFTER)
    assert found == (1, 8, 64, 60)


@pytest.mark.parametrize(
    ("source", "target", "new"),
    [
        ((2, 320, 1, 6144), (2, 320, 96, 64), (1, 320, 1, 3840)),
        ((2, 320, 1, 6144), (2, 320, 48, 128), (1, 320, 1, 3840)),
        ((2, 320, 1, 6144), (2, 320, 16, 4, 96), (1, 320, 1, 3840)),
        ((2, 4, 64, 96), (2, 8, 32, 96), (1, 4, 80, 48)),
        ((12, 256), (4, 768), (6, 256)),
    ],
)
def test_a_reshape_that_the_size_does_not_explain(
    source: tuple[int, ...], target: tuple[int, ...], new: tuple[int, ...]
) -> None:
    with pytest.raises(UnsupportedError, match="do not explain the shape of a reshape"):
        reshaped(source, target, new, BEFORE, AFTER)
