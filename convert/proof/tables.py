"""Recognises, by their content, the constants that builders add to a program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sdcoreml.convert.models.family import PIXELS_PER_LATENT

if TYPE_CHECKING:
    from sdcoreml.convert.storage.elements import Array


def describe(constant: Array) -> str | None:
    """Describe a constant that a builder adds; `None` for any other constant.

    Zeros and ones of any shape are accepted. This hides no damaged weight: if they replace a
    tensor, the audit reports that tensor as missing.
    """
    return next((kind for kind, fits in _EXTRAS.items() if fits(constant)), None)


def _is_zeros(constant: Array) -> bool:
    return not constant.any()


def _is_ones(constant: Array) -> bool:
    return bool((constant == 1).all())


def _is_frequencies(constant: Array) -> bool:
    """Whether the constant is timestep frequencies: `10000 ** -(i / (n - shift))`, shift 0 or 1."""
    import numpy as np

    flat = constant.reshape(-1)
    exponents = np.arange(flat.size, dtype=np.float64)
    return any(
        np.allclose(flat, 10000.0 ** (-exponents / (flat.size - shift)), rtol=1e-6, atol=0)
        for shift in (0, 1)
        if flat.size > shift
    )


def _is_causal_mask(constant: Array) -> bool:
    """Whether a matrix has zeros up to the diagonal, and one very negative number above it."""
    import numpy as np

    square = constant.squeeze()
    if square.ndim != 2 or square.shape[0] != square.shape[1]:  # noqa: PLR2004  a matrix
        return False
    hidden = square[np.triu_indices(square.shape[0], 1)]
    uniform = bool((hidden == hidden[0]).all()) and -65504 <= hidden[0] <= -1000  # noqa: PLR2004
    return uniform and not np.tril(square).any()


def _is_schedule(constant: Array) -> bool:
    """Whether the constant is the weights of image or noise at each step of the apps' schedule."""
    import numpy as np

    flat = constant.reshape(-1).astype(np.float64)
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    kept = np.cumprod(1 - betas)
    tolerance = 1e-3 if constant.itemsize == 2 else 1e-5  # noqa: PLR2004  float16
    return flat.size == kept.size and any(
        np.allclose(flat, table, rtol=tolerance, atol=0) for table in (kept**0.5, (1 - kept) ** 0.5)
    )


def _is_latent_scale(constant: Array) -> bool:
    """Whether the constant scales or offsets either the means or the log-variances of latents."""
    first, second = constant.reshape(2, -1) if constant.size == 8 else (None, None)  # noqa: PLR2004
    if first is None or second is None:
        return False
    uniform = bool((first == first[0]).all() and (second == second[0]).all())
    return uniform and (second[0] in (0, 1) or first[0] == 0)


def _is_own_size(constant: Array) -> bool:
    """Whether the constant is SDXL's `time_ids` with an image size, and crop and score 0.

    The base model has the size twice, the refiner once.
    """
    flat = constant.reshape(-1).tolist()
    size = flat[:2]
    if len(size) < 2 or any(side <= 0 or side % PIXELS_PER_LATENT for side in size):  # noqa: PLR2004  two sides
        return False
    return flat[2:] in ([0, 0, *size], [0, 0, 0])


def _is_kept_ids(constant: Array) -> bool:
    """Whether the constant masks the SDXL `time_ids` that the app sets: crop and score."""
    return constant.reshape(-1).tolist() in ([0, 0, 1, 1, 0, 0], [0, 0, 1, 1, 1])


_EXTRAS: Mapping[str, Callable[[Array], bool]] = {
    "zeros": _is_zeros,
    "ones": _is_ones,
    "timestep frequencies": _is_frequencies,
    "causal mask": _is_causal_mask,
    "noise schedule": _is_schedule,
    "latent scale": _is_latent_scale,
    "image size": _is_own_size,
    "kept time ids": _is_kept_ids,
}
