"""The changes that LoHa and LoKr, two kinds of LyCORIS adapters, make to one tensor.

    LoHa: alpha / rank * (w1_a @ w1_b) * (w2_a @ w2_b), the two products element by element
    LoKr: alpha / rank * kron(w1, w2), with each factor stored whole or as the product w_a @ w_b

A LoKr with both factors whole has no rank, and its alpha is ignored (`LokrModule` of LyCORIS).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from sdcoreml.convert.weights.gather import read_floats
from sdcoreml.convert.weights.tensor import TensorInfo

if TYPE_CHECKING:
    import numpy as np

ROLES = tuple(
    (f".{role}", role)
    for role in (
        *("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"),
        *("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b"),
    )
)
"""Maps the end of a tensor's name to its role in the formulas."""

Rows: TypeAlias = "Callable[[int, int], np.ndarray]"
"""Computes the change of the rows from one index to another, as a float32 matrix."""
Roles: TypeAlias = Mapping[str, TensorInfo]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hadamard:
    """The change of a LoHa: `factor` times the element-wise product of two matrix products."""

    first: tuple[TensorInfo, ...]
    second: tuple[TensorInfo, ...]
    factor: float

    def open(self) -> Rows:
        """Read the factors; return the function that computes rows of the change."""
        (up, down), (other_up, other_down) = map(_read_all, (self.first, self.second))
        return lambda start, stop: (
            (up[start:stop] @ down) * (other_up[start:stop] @ other_down) * self.factor
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kronecker:
    """The change of a LoKr: `factor` times the Kronecker product of two matrices."""

    first: tuple[TensorInfo, ...]
    second: tuple[TensorInfo, ...]
    factor: float

    def open(self) -> Rows:
        """Read the factors; return the function that computes rows of the change."""
        import numpy as np

        outer, inner = (_multiply(_read_all(tensors)) for tensors in (self.first, self.second))

        def rows(start: int, stop: int) -> np.ndarray:
            places = np.arange(start, stop)
            left, right = outer[places // len(inner)], inner[places % len(inner)]
            product = left[:, :, None] * right[:, None, :]
            return np.asarray(product.reshape(stop - start, -1) * np.float32(self.factor))

        return rows


def find_change(
    roles: Roles, shape: tuple[int, ...], scale: float, alpha: float | None
) -> Hadamard | Kronecker | None:
    """Return the change to a tensor of this shape; `None` if the factors do not fit it.

    Args:
        roles: maps each role to the adapter's tensor; at least one role is in `ROLES`.
        shape: the shape of the tensor that is changed.
        scale: the strength to merge with.
        alpha: the adapter's own scale; `None` stands for the rank.
    """
    kind = Hadamard if any(role.startswith("hada") for role in roles) else Kronecker
    stem = "hada" if kind is Hadamard else "lokr"
    found = [_factor(roles, f"{stem}_{which}") for which in ("w1", "w2")]
    if not all(found) or (kind is Hadamard and any(len(one) == 1 for one in found)):
        return None
    (tall, wide), (low, narrow) = map(_shape, found)
    whole = (shape[0], math.prod(shape[1:]))
    is_same = kind is Hadamard and (tall, wide) == (low, narrow) == whole
    is_product = kind is Kronecker and (tall * low, wide * narrow) == whole
    if not (is_same or is_product):
        return None
    ranks = [one[1].shape[0] for one in found if len(one) > 1]
    share = alpha / ranks[-1] if alpha is not None and ranks else 1.0
    return kind(first=found[0], second=found[1], factor=scale * share)


def _factor(roles: Roles, name: str) -> tuple[TensorInfo, ...]:
    """Return a factor as one tensor or as two to multiply; () if it is incomplete."""
    parts = [roles[key] for key in (name, f"{name}_a", f"{name}_b") if key in roles]
    fits = name in roles or (len(parts) > 1 and _is_product(*parts))
    return tuple(parts) if fits and all(len(part.shape) > 1 for part in parts) else ()


def _is_product(up: TensorInfo, down: TensorInfo) -> bool:
    return len(up.shape) > 1 and len(down.shape) > 1 and 0 < up.shape[1] == down.shape[0]


def _shape(factor: tuple[TensorInfo, ...]) -> tuple[int, int]:
    return factor[0].shape[0], math.prod(factor[-1].shape[1:])


def _read_all(tensors: tuple[TensorInfo, ...]) -> list[np.ndarray]:
    found = map(read_floats, tensors)
    return [array.reshape(array.shape[0], -1) for array in found]


def _multiply(factor: list[np.ndarray]) -> np.ndarray:
    return factor[0] if len(factor) == 1 else factor[0] @ factor[1]
