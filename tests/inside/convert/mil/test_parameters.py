"""What holds where a parameter of an operation is left out, as the specification has it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch.nn import functional as nn

from sdcoreml.convert.mil.arguments import Arguments
from sdcoreml.convert.spec.model import DataType
from sdcoreml.ground.errors import ParityError
from tests.inside.convert.mil.graphs import single

torch.manual_seed(13)
X = torch.randn(2, 3, 4, 5)
THREE = torch.tensor([1.0, 2.0, 3.0])
TINY = torch.tensor([0.0, 1e-3, 1e-7])
SQUARE = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
INDEX = torch.tensor([1, -1], dtype=torch.int32)
SMALL = X * 1e-3

Case = tuple[str, Mapping[str, torch.Tensor], Mapping[str, object], torch.Tensor]

CASES: tuple[Case, ...] = (
    ("inverse", {"x": TINY}, {}, 1 / (TINY + 1e-4)),
    ("rsqrt", {"x": TINY}, {}, (TINY + 1e-12) ** -0.5),
    ("log", {"x": torch.tensor([0.0, 1.0])}, {}, torch.tensor([-103.27893, 0.0])),
    ("layer_norm", {"x": SMALL}, {"axes": [-1]}, nn.layer_norm(SMALL, (5,), eps=1e-5)),
    ("layer_norm", {"x": X}, {}, nn.layer_norm(X, (2, 3, 4, 5))),
    (
        "batch_norm",
        {"x": X, "mean": THREE, "variance": THREE * 1e-5},
        {},
        nn.batch_norm(X, THREE, THREE * 1e-5, eps=1e-5),
    ),
    (
        "batch_norm",
        {"x": X[:, :, 0], "mean": THREE, "variance": THREE, "gamma": THREE + 1},
        {},
        nn.batch_norm(X[:, :, 0], THREE, THREE, THREE + 1),
    ),
    ("instance_norm", {"x": SMALL}, {}, nn.instance_norm(SMALL, eps=1e-5)),
    (
        "l2_norm",
        {"x": SMALL},
        {},
        SMALL / (SMALL.square().sum((1, 2, 3), keepdim=True) + 1e-6).sqrt(),
    ),
    ("cumsum", {"x": SQUARE}, {}, SQUARE.cumsum(0)),
    (
        "cumsum",
        {"x": SQUARE},
        {"axis": 1, "reverse": True, "exclusive": True},
        torch.tensor([[5.0, 3.0, 0.0], [11.0, 6.0, 0.0], [17.0, 9.0, 0.0]]),
    ),
    ("reduce_argmax", {"x": X}, {}, X.argmax(-1).int()),
    ("reduce_argmin", {"x": X}, {"axis": 0}, X.argmin(0).int()),
    ("reduce_max", {"x": X}, {"axes": [1], "keep_dims": True}, X.amax(1, keepdim=True)),
    ("reduce_min", {"x": X}, {"axes": [1], "keep_dims": True}, X.amin(1, keepdim=True)),
    ("reduce_sum", {"x": X}, {"axes": [1], "keep_dims": True}, X.sum(1, keepdim=True)),
    (
        "reduce_sum_square",
        {"x": X},
        {"axes": [1], "keep_dims": True},
        X.square().sum(1, keepdim=True),
    ),
    ("reduce_l2_norm", {"x": X}, {"axes": [1], "keep_dims": True}, X.norm(dim=1, keepdim=True)),
    ("band_part", {"x": SQUARE}, {}, SQUARE),
    ("band_part", {"x": SQUARE}, {"upper": 0}, SQUARE.tril()),
    ("band_part", {"x": SQUARE}, {"lower": 0}, SQUARE.triu()),
    ("band_part", {"x": SQUARE}, {"lower": 0, "upper": 1}, SQUARE.triu().tril(1)),
    ("gather_along_axis", {"x": SQUARE, "indices": INDEX[:, None]}, {}, SQUARE[[1, 2], :1]),
    ("gather", {"x": SQUARE, "indices": INDEX}, {"axis": -1}, SQUARE[:, [1, 2]]),
    ("gather", {"x": SQUARE, "indices": INDEX[:0]}, {}, SQUARE[:0]),
    ("slice_by_index", {"x": SQUARE}, {"begin": [1, 0], "end": [3, 2]}, SQUARE[1:, :2]),
    ("slice_by_size", {"x": SQUARE}, {"begin": [1, 1], "size": [-1, 1]}, SQUARE[1:, 1:2]),
    ("expand_dims", {"x": SQUARE}, {"axes": [-1, 1]}, SQUARE[:, None, :, None]),
    ("matmul", {"x": SQUARE, "y": SQUARE}, {}, SQUARE @ SQUARE),
    ("reshape", {"x": X}, {"shape": [2, 0, -1]}, X.reshape(2, 3, 20)),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_what_is_left_out_has_the_default_of_the_specification(case: Case) -> None:
    kind, feeds, parameters, expected = case
    (result,) = single(kind, feeds, parameters, expected)
    torch.testing.assert_close(result, expected)


def test_a_mask_adds_to_the_scores_of_attention() -> None:
    mask = torch.tensor([[0.0, -9.0], [1.0, 0.0]])
    query, key, value = torch.randn(3, 1, 2, 4)
    expected = torch.softmax(query @ key.transpose(1, 2) / 2 + mask, -1) @ value
    feeds = {"query": query, "key": key, "value": value, "attn_mask": mask}
    (result,) = single("scaled_dot_product_attention", feeds, {}, expected)
    torch.testing.assert_close(result, expected)


HELD = Arguments(
    values={
        "x": X,
        "word": "one",
        "many": [THREE, TINY],
        "no": torch.tensor([False]),
        "yes": torch.tensor([True]),
        "five": torch.tensor([5]),
    },
    kinds={"x": DataType.FLOAT32},
)


def test_arguments_are_read_as_what_they_are() -> None:
    assert ("x" in HELD, "y" in HELD) == (True, False)
    assert HELD.get("y") is None
    assert torch.equal(HELD["x"], X)
    assert [one.tolist() for one in HELD.many("many")] == [THREE.tolist(), TINY.tolist()]
    assert [one.shape for one in HELD.many("x")] == [X.shape]
    assert (HELD.text("word", "two"), HELD.text("absent", "two")) == ("one", "two")
    assert (HELD.integers("five", [1]), HELD.integers("absent", [1, 2])) == ([5], [1, 2])
    assert (HELD.integer("five", 1), HELD.integer("absent", 1)) == (5, 1)
    assert (HELD.number("five", 1.5), HELD.number("absent", 1.5)) == (5.0, 1.5)
    assert [HELD.flag(name) for name in ("yes", "no", "absent")] == [True, False, False]


@pytest.mark.parametrize("name", ["absent", "word", "many"])
def test_what_is_no_tensor_or_absent_is_told(name: str) -> None:
    said = f"argument {name} is missing or is not a tensor"
    for read in (HELD.__getitem__, HELD.integers, HELD.integer, HELD.number):
        with pytest.raises(ParityError, match=said):
            read(name)
    with pytest.raises(ParityError, match="argument x is missing or is not a string"):
        HELD.text("x", "two")
