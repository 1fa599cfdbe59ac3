"""The types of results, from literal arguments; `tests/inside` asks coremltools for the same."""

from __future__ import annotations

import pytest

from sdcoreml.convert.programs.inference import Bound, Plain, Var, defaults_of, infer
from sdcoreml.convert.programs.options import Target
from sdcoreml.convert.spec.model import DataType

HALF, WHOLE, TRUTH = DataType.FLOAT16, DataType.INT32, DataType.BOOL


def half(*shape: int) -> Var:
    return Var("x", HALF, shape)


def plain(value: Plain) -> Var:
    return Var("c", WHOLE, (), value)


X = half(2, 8, 6, 4)
CONV = {
    "x": X,
    "weight": half(16, 8, 3, 3),
    "bias": half(16),
    "strides": plain([2, 2]),
    "pad_type": plain("custom"),
    "pad": plain([1, 1, 1, 1]),
    "dilations": plain([1, 1]),
    "groups": plain(1),
}
SLICE = {"x": X, "begin": plain([0, 2, 0, 0]), "end": plain([9, 5, 9, 9])}
WHOLE_AXES = [True, False, True, True]
MASKS = {"begin_mask": plain(WHOLE_AXES), "end_mask": plain(WHOLE_AXES)}
STRAIGHT = {"transpose_x": plain(value=False), "transpose_y": plain(value=False)}
TURNED = {"transpose_x": plain(value=True), "transpose_y": plain(value=True)}
GATHER = {"x": half(9, 5), "indices": Var("i", WHOLE, (1, 7)), "axis": plain(0)}
KEEP = {"axes": plain([1, 2]), "keep_dims": plain(value=True)}


@pytest.mark.parametrize(
    ("operation", "bound", "shape"),
    [
        ("add", {"x": X, "y": half()}, (2, 8, 6, 4)),
        ("mul", {"x": half(8, 1, 1), "y": half(2, 1, 6, 4)}, (2, 8, 6, 4)),
        ("silu", {"x": X}, (2, 8, 6, 4)),
        ("conv", CONV, (2, 16, 3, 2)),
        ("batch_norm", {"x": X, "mean": half(8), "gamma": half(8)}, (2, 8, 6, 4)),
        ("layer_norm", {"x": X, "axes": plain([3]), "gamma": half(4)}, (2, 8, 6, 4)),
        ("reshape", {"x": X, "shape": plain([2, 2, 4, 24])}, (2, 2, 4, 24)),
        ("transpose", {"x": X, "perm": plain([0, 3, 2, 1])}, (2, 4, 6, 8)),
        ("concat", {"values": [X, half(2, 3, 6, 4)], "axis": plain(1)}, (2, 11, 6, 4)),
        ("slice_by_index", {**SLICE, **MASKS}, (2, 3, 6, 4)),
        ("slice_by_index", {**SLICE, "end": plain([1, 8, 6, 1])}, (1, 6, 6, 1)),
        ("expand_dims", {"x": half(2, 8), "axes": plain([2, 3])}, (2, 8, 1, 1)),
        ("squeeze", {"x": half(2, 1, 8, 1), "axes": plain([1, 3])}, (2, 8)),
        ("reduce_mean", {"x": X, **KEEP}, (2, 1, 1, 4)),
        ("reduce_max", {"x": X, **KEEP, "keep_dims": plain(value=False)}, (2, 4)),
        ("matmul", {"x": half(2, 5, 3), "y": half(2, 3, 7), **STRAIGHT}, (2, 5, 7)),
        ("matmul", {"x": half(2, 3, 5), "y": half(1, 7, 3), **TURNED}, (2, 5, 7)),
        (
            "einsum",
            {"values": [half(2, 9, 1, 8), half(2, 8, 1, 5)], "equation": plain("bkhc,bchq->bkhq")},
            (2, 9, 1, 5),
        ),
        (
            "upsample_nearest_neighbor",
            {"x": X, "scale_factor_height": plain(2.0), "scale_factor_width": plain(2.0)},
            (2, 8, 12, 8),
        ),
        (
            "gather",
            GATHER,
            (1, 7, 5),
        ),
    ],
)
def test_the_shape_of_a_result(operation: str, bound: Bound, shape: tuple[int, ...]) -> None:
    assert infer(operation, bound) == ((HALF, shape),)


def test_a_split_has_equal_parts() -> None:
    found = infer("split", {"x": X, "num_splits": plain(2), "axis": plain(1)})
    assert list(found) == [(HALF, (2, 4, 6, 4))] * 2


def test_a_comparison_is_true_or_false_and_a_cast_names_its_type() -> None:
    assert infer("greater", {"x": X, "y": half(1)}) == ((TRUTH, (2, 8, 6, 4)),)
    assert infer("cast", {"x": X, "dtype": plain("int32")}) == ((WHOLE, (2, 8, 6, 4)),)


@pytest.mark.parametrize(
    ("operation", "bound"),
    [
        ("pow", {"x": X}),
        ("add", {"x": X, "y": half(3)}),
        ("add", {"x": half(2, 3), "y": half(3, 3)}),
        ("add", {"x": X, "y": Var("y", WHOLE, ())}),
        ("conv", {**CONV, "bias": half(8)}),
        ("conv", {**CONV, "weight": half(16, 4, 3, 3)}),
        ("conv", {**CONV, "dilations": plain([2, 2])}),
        ("conv", {**CONV, "pad_type": plain("same")}),
        ("conv", {**CONV, "x": half(2, 8, 0, 4), "pad": plain([0, 0, 0, 0])}),
        ("batch_norm", {"x": X, "mean": half(6)}),
        ("reshape", {"x": X, "shape": plain([2, 8, 5, 4])}),
        ("transpose", {"x": X, "perm": plain([0, 1, 2, 2])}),
        ("concat", {"values": [X, half(2, 3, 6, 5)], "axis": plain(1)}),
        ("slice_by_index", SLICE),
        ("split", {"x": X, "num_splits": plain(3), "axis": plain(1)}),
        ("squeeze", {"x": X, "axes": plain([1])}),
        ("expand_dims", {"x": X, "axes": plain([6])}),
        ("reduce_mean", {"x": X, **KEEP, "axes": plain([4])}),
        ("matmul", {"x": half(5, 3), "y": half(4, 7), **STRAIGHT}),
        ("einsum", {"values": [half(2, 3), half(4, 5)], "equation": plain("ab,bc->ac")}),
        ("gather", {"x": X, "indices": half(1), "axis": plain(0)}),
        # Axes counted from the end
        ("concat", {"values": [X, X], "axis": plain(-1)}),
        ("split", {"x": X, "num_splits": plain(2), "axis": plain(-1)}),
        ("squeeze", {"x": half(2, 8, 1), "axes": plain([-1])}),
        ("expand_dims", {"x": X, "axes": plain([-1])}),
        ("gather", {**GATHER, "axis": plain(-1)}),
        ("reduce_mean", {"x": X, **KEEP, "axes": plain([-1])}),
        ("layer_norm", {"x": X, "axes": plain([-1]), "gamma": half(4)}),
        # What no rule accounts for
        ("concat", {"values": [X, X], "axis": plain(1), "interleave": plain(value=True)}),
        ("gather", {**GATHER, "batch_dims": plain(1)}),
        ("layer_norm", {"x": half(2, 4, 4), "axes": plain([1, 2]), "gamma": half(4)}),
        ("squeeze", {"x": half(2, 1), "axes": plain([1, 1])}),
    ],
)
def test_arguments_that_do_not_go_together(operation: str, bound: Bound) -> None:
    with pytest.raises(ValueError, match=operation):
        infer(operation, bound)


@pytest.mark.parametrize(
    ("operation", "bound", "unknown"),
    [
        ("slice_by_index", {**SLICE, **MASKS, "stride": plain([1, 2, 1, 1])}, "stride"),
        ("slice_by_index", {**SLICE, **MASKS, "squeeze_mask": plain([True] * 4)}, "squeeze_mask"),
        ("split", {"x": X, "split_sizes": plain([2, 6]), "axis": plain(1)}, "split_sizes"),
    ],
)
def test_an_argument_that_no_rule_accounts_for(operation: str, bound: Bound, unknown: str) -> None:
    with pytest.raises(ValueError, match=f"{operation}: no rule says what {unknown} would"):
        infer(operation, bound)


def test_a_gather_states_more_on_newer_systems() -> None:
    assert defaults_of("gather", Target.MACOS13) == {"batch_dims": 0}
    newer = {"batch_dims": 0, "validate_indices": False}
    assert defaults_of("gather", Target.MACOS14) == newer
    assert not defaults_of("add", Target.MACOS14)
