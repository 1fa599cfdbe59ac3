"""Tensors that do not match a program's declarations are all listed in one message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from sdcoreml.convert.programs.account import account
from sdcoreml.ground.errors import BadInputError


@dataclass(frozen=True)
class Shape:
    shape: tuple[int, ...]
    dtype: str = "F16"


@dataclass(frozen=True)
class Header:
    """`Tensors` that have names and shapes, but whose values must not be read."""

    shapes: Mapping[str, Shape]

    def names(self) -> tuple[str, ...]:
        return tuple(self.shapes)

    def info(self, name: str) -> Shape:
        return self.shapes[name]

    def __getitem__(self, name: str) -> np.ndarray:
        raise AssertionError(f"{name}: accounting reads no weights")

    def release(self) -> None:
        raise AssertionError("nothing was mapped")


def header(**shapes: tuple[int, ...]) -> Header:
    return Header({name: Shape(shape) for name, shape in shapes.items()})


def test_what_fits_is_accepted() -> None:
    account("unet", {"a": (2, 3), "b": (4,)}, header(a=(2, 3), b=(4,)))


@pytest.mark.parametrize("stored", [(2, 3), (2, 3, 1, 1), (1, 2, 3)])
def test_dimensions_of_size_1_do_not_count(stored: tuple[int, ...]) -> None:
    account("unet", {"a": (2, 3, 1, 1)}, header(a=stored))


def test_every_fault_is_listed_once() -> None:
    tensors = Header({"a": Shape((3, 2)), "b": Shape((4,), "I64"), "extra": Shape(())})
    with pytest.raises(BadInputError) as caught:
        account("unet", {"a": (2, 3), "b": (4,), "c": (5,), "d": ()}, tensors)
    assert str(caught.value) == (
        "unet: 5 tensors do not fit its config.json: missing c 5; missing d scalar; unused extra;"
        " a is 3x2, expected 2x3; b is of type I64, expected one of BF16, F16, F32, F64;"
        " use the config.json and the weights of the same model"
    )


def test_what_belongs_to_others_is_ignored_by_prefix_or_name() -> None:
    tensors = header(a=(1,), position_ids=(77,))
    account("unet", {"a": (1,)}, tensors, ("position_ids",))
    with pytest.raises(BadInputError, match="unused position_ids"):
        account("unet", {"a": (1,)}, tensors, ("encoder.",))
