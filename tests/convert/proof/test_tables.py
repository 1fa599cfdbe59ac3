from __future__ import annotations

import numpy as np
import pytest

from sdcoreml.convert.proof.tables import describe

HIDDEN = -1e4


def mask(size: int = 4, hidden: float = HIDDEN) -> np.ndarray:
    return np.triu(np.full((size, size), hidden, "f4"), 1)


def frequencies(count: int, shift: int) -> np.ndarray:
    exponents = np.arange(count, dtype="f8")
    return (10000.0 ** (-exponents / (count - shift))).astype("f4")


def schedule() -> np.ndarray:
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    return np.cumprod(1 - betas)


@pytest.mark.parametrize(
    ("constant", "kind"),
    [
        (np.zeros((2, 3), "f4"), "zeros"),
        (np.array(0, "i4"), "zeros"),
        (np.ones((2, 3), "f2"), "ones"),
        (frequencies(160, 0), "timestep frequencies"),
        (frequencies(160, 1), "timestep frequencies"),
        (frequencies(128, 0).reshape(1, -1), "timestep frequencies"),
        (mask(), "causal mask"),
        (mask(77)[None, None], "causal mask"),
        (mask(hidden=-65504), "causal mask"),
        (mask(hidden=-1000), "causal mask"),
        (schedule() ** 0.5, "noise schedule"),
        (((1 - schedule()) ** 0.5).astype("f4"), "noise schedule"),
        ((schedule() ** 0.5).astype("f2"), "noise schedule"),
        (np.array([[0.5] * 4, [1] * 4], "f4"), "latent scale"),
        (np.array([[0] * 4, [-3] * 4], "f4").reshape(1, 8, 1, 1), "latent scale"),
        (np.array([[-0.1] * 4, [0] * 4], "f4").reshape(1, 8, 1, 1), "latent scale"),
    ],
)
def test_what_builders_add_is_known_by_its_content(constant: np.ndarray, kind: str) -> None:
    assert describe(constant) == kind


@pytest.mark.parametrize(
    "constant",
    [
        np.full((2, 3), 2.0, "f4"),
        np.array([0, 1, 1], "f4"),
        frequencies(160, 0) * np.float32(1.00001),
        frequencies(160, 2),
        np.array([1.0, 0.5], "f4"),
        mask(hidden=-999),
        mask(hidden=-65505),
        mask(hidden=-np.inf),
        mask().T,
        mask()[:3],
        mask() - np.eye(4, dtype="f4"),
        mask() + np.triu(np.ones((4, 4), "f4"), 2),
        mask() - np.tril(np.ones((4, 4), "f4"), -1),
        (schedule() ** 0.5)[:-1],
        schedule(),
        (schedule() ** 0.5 * 1.0001).astype("f4"),
        np.array([[0.5, 0.5, 0.5, 0.4], [1] * 4], "f4"),
        np.array([[0.5] * 4, [1, 1, 1, 2]], "f4"),
        np.array([[0.5] * 4, [2] * 4], "f4"),
        np.full(7, 0.5, "f4"),
        np.array(0.5, "f4"),
    ],
)
def test_weights_are_none_of_them(constant: np.ndarray) -> None:
    assert describe(constant) is None


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_nothing_known(value: float) -> None:
    for shape in ((4,), (4, 4), (8,), (1000,)):
        assert describe(np.full(shape, value, "f4")) is None


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([768, 512, 0, 0, 768, 512], "image size"),
        ([768, 512, 0, 0, 0], "image size"),
        ([768, 512, 0, 0, 512, 768], None),
        ([768, 510, 0, 0, 768, 510], None),
        ([768, 512, 8, 0, 768, 512], None),
        ([-8, 512, 0, 0, -8, 512], None),
        ([8, 8], None),
        ([0, 0, 1, 1, 0, 0], "kept time ids"),
        ([0, 0, 1, 1, 1], "kept time ids"),
        ([0, 0, 1, 1, 1, 1], None),
    ],
    ids=str,
)
def test_what_sdxl_is_told_of_its_size(values: list[int], kind: str | None) -> None:
    assert describe(np.array([values], np.float16)) == kind
