"""Variants of a program give the same results when run together as when run alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest
import torch

from sdcoreml.convert.mil.interpreter import Executable
from sdcoreml.convert.mil.variants import Scene
from sdcoreml.ground.errors import UnsupportedError
from tests.inside.convert.mil.graphs import F16, Graph, Ref

WEIGHTS = {
    name: np.random.default_rng(place).standard_normal((4, 4)).astype(np.float16)
    for place, name in enumerate(("a", "b", "c"))
}
OTHERS = {name: torch.from_numpy(weight).float() * 1.25 for name, weight in WEIGHTS.items()}


def network(rows: int, layers: Sequence[str] = ("a", "b", "c")) -> Executable:
    """Return a program of linear layers, each followed by tanh, with a residual connection."""
    graph = Graph(inputs={"x": (F16, (rows, 4))})
    value = "x"
    for number, name in enumerate(layers):
        if name not in layers[:number]:
            graph.weight(name, WEIGHTS[name])
        linear = graph.op("linear", {"x": Ref(value), "weight": Ref(name)}, (F16, (rows, 4)))
        value = graph.op("tanh", {"x": Ref(linear)}, (F16, (rows, 4)))
    value = graph.op("add", {"x": Ref(value), "y": Ref("x")}, (F16, (rows, 4)), name="y")
    return Executable(function=graph.function(value), storage=graph.storage)


def alone(feed: torch.Tensor, changed: str = "") -> torch.Tensor:
    value = feed
    for name, weight in WEIGHTS.items():
        used = OTHERS[name] if name == changed else torch.from_numpy(weight).float()
        value = torch.tanh(value @ used.T)
    return value + feed


@pytest.mark.parametrize("times", [1, 2, 3, 5])
@pytest.mark.parametrize("names", ["abc", "ac", "b", ""])
def test_each_variant_is_what_it_would_be_alone(times: int, names: str) -> None:
    feed = torch.randn((2, 4), generator=torch.Generator().manual_seed(1)).half().float()
    scene = Scene(program=network(2), wide=network(2 * times), times=times)
    asked: list[str] = []

    def changed(name: str) -> torch.Tensor:
        asked.append(name)
        return OTHERS[name]

    plain, variants = scene.run({"x": feed}, {name: partial(changed, name) for name in names})
    assert torch.allclose(plain["y"], alone(feed), atol=1e-6)
    assert list(variants) == asked == list(names)
    for name, outputs in variants.items():
        assert torch.allclose(outputs["y"], alone(feed, name), atol=1e-6)
        assert not torch.allclose(outputs["y"], plain["y"], atol=1e-3)


@pytest.mark.parametrize(
    ("layers", "wide"),
    [("abc", "ab"), ("abc", "acb"), ("aba", "aba")],
    ids=("a layer less", "another order", "a weight used twice"),
)
def test_what_cannot_go_together_is_refused(layers: str, wide: str) -> None:
    scene = Scene(program=network(1, layers), wide=network(2, wide), times=2)
    with pytest.raises(UnsupportedError, match="cannot be run together"):
        scene.run({"x": torch.zeros(1, 4)}, {"a": lambda: OTHERS["a"]})
