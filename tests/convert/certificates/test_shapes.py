from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sdcoreml.convert.certificates.shapes import RULES, Arguments, result_shapes
from sdcoreml.ground.errors import UnsupportedError

KERNEL = {
    "strides": (2, 1),
    "pad": (0, 1, 1, 1),
    "dilations": (1, 1),
    "groups": (1,),
}
CONV = Arguments(
    shapes={"x": ((2, 4, 16, 24),), "weight": ((8, 4, 3, 3),)},
    numbers=KERNEL,
    texts={"pad_type": "custom"},
)
SLICE: Mapping[str, Any] = {
    "begin": (0, 3),
    "end": (9, 5),
    "begin_mask": (1, 0),
    "end_mask": (1, 0),
}


def args(*shapes: tuple[int, ...], texts: Mapping[str, str] | None = None, **numbers: Any) -> Any:
    """Return arguments with tensors `x` and `y`, which are also the items of `values`."""
    named = dict(zip(("x", "y"), ((shape,) for shape in shapes), strict=False))
    return Arguments(shapes={**named, "values": shapes}, numbers=numbers, texts=texts or {})


@pytest.mark.parametrize(
    ("kind", "given", "found"),
    [
        ("silu", args((2, 3)), [(2, 3)]),
        ("add", args((2, 3, 1), (4,)), [(2, 3, 4)]),
        ("conv", CONV, [(2, 8, 8, 24)]),
        ("reduce_mean", args((2, 3, 4), axes=(1, 2), keep_dims=(1,)), [(2, 1, 1)]),
        ("matmul", args((2, 5, 3), (2, 5, 7), transpose_x=(1,), transpose_y=(0,)), [(2, 3, 7)]),
        ("matmul", args((2, 3, 5), (1, 7, 5), transpose_x=(0,), transpose_y=(1,)), [(2, 3, 7)]),
        (
            "einsum",
            args((2, 9, 1, 4), (2, 4, 1, 6), texts={"equation": "bkhc,bchq->bkhq"}),
            [(2, 9, 1, 6)],
        ),
        ("concat", args((2, 3), (2, 5), axis=(1,), interleave=(0,)), [(2, 8)]),
        ("slice_by_index", args((9, 7), **SLICE), [(9, 2)]),
        ("split", args((2, 6), num_splits=(2,), axis=(1,)), [(2, 3), (2, 3)]),
        ("transpose", args((2, 3, 4), perm=(0, 2, 1)), [(2, 4, 3)]),
        ("expand_dims", args((2,), axes=(1, 2)), [(2, 1, 1)]),
        (
            "upsample_nearest_neighbor",
            args((1, 2, 3, 4), scale_factor_height=(2,), scale_factor_width=(2,)),
            [(1, 2, 6, 8)],
        ),
        (
            "gather",
            Arguments(
                shapes={"x": ((9, 5),), "indices": ((2,),)}, numbers={"axis": (0,)}, texts={}
            ),
            [(2, 5)],
        ),
        ("reshape", args((2, 12), shape=(2, 3, 4)), [(2, 3, 4)]),
    ],
)
def test_the_shape_of_a_result_follows_from_its_arguments(
    kind: str, given: Arguments, found: list[tuple[int, ...]]
) -> None:
    assert [*result_shapes(kind, given)] == found


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("softsign", args((2,))),
        ("silu", args()),
        ("add", args((2, 3), (2, 4))),
        ("conv", Arguments(shapes=CONV.shapes, numbers=KERNEL, texts={"pad_type": "same"})),
        (
            "conv",
            Arguments(
                shapes=CONV.shapes, numbers={**KERNEL, "dilations": (2, 1)}, texts=CONV.texts
            ),
        ),
        ("reduce_mean", args((2, 3), axes=(1,), keep_dims=(0,))),
        ("matmul", args((2, 3), (4, 2), transpose_x=(0,), transpose_y=(0,))),
        ("einsum", args((2, 9, 1, 4), (2, 5, 1, 6), texts={"equation": "bkhc,bchq->bkhq"})),
        ("concat", args((2, 3), (3, 5), axis=(1,), interleave=(0,))),
        ("concat", args((2, 3), (2, 5), axis=(1,), interleave=(1,))),
        ("slice_by_index", args((9, 4), **SLICE)),
        ("split", args((2, 5), num_splits=(2,), axis=(1,))),
        ("transpose", args((2, 3), perm=(0, 0))),
        ("reshape", args((2, 12), shape=(5, 5))),
        (
            "gather",
            Arguments(
                shapes={"x": ((9, 5),), "indices": ((2,),)}, numbers={"axis": (-1,)}, texts={}
            ),
        ),
    ],
)
def test_what_does_not_go_together_has_no_shape(kind: str, given: Arguments) -> None:
    with pytest.raises(UnsupportedError, match=kind):
        result_shapes(kind, given)


def test_there_is_no_rule_that_no_program_needs() -> None:
    assert len(RULES) == 27
