"""Palettes for groups of channels, and codes of every width, in the notation of iOS 18."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sdcoreml.convert.compression.forms import Form, Parts, assemble, fit
from sdcoreml.convert.compression.recipe import Method
from sdcoreml.convert.programs.payload import Payload
from sdcoreml.convert.proof.compressed import measure
from sdcoreml.convert.spec.blobs import data_size
from sdcoreml.convert.spec.model import (
    DataType,
    Elements,
    NamedType,
    Operation,
    TensorType,
    Value,
)
from sdcoreml.convert.storage.elements import PACKED, unpack

NO_TENSORS: Any = SimpleNamespace(release=lambda: None)
"""A stand-in for a checkpoint that must not be read."""

SCALES = np.array([1, 1, 100, 100, 0.01, 0.01], np.float32)[:, None, None, None]


@dataclass(frozen=True, slots=True)
class Numbers:
    """A weight that yields its numbers in blocks of 1000, which do not match the groups' sizes."""

    whole: np.ndarray

    def blocks(self, tensors: object, dtype: DataType) -> Iterator[np.ndarray]:  # noqa: ARG002
        for start in range(0, self.whole.size, 1000):
            yield self.whole.reshape(-1)[start : start + 1000]

    def identity(self) -> str:
        return "numbers"


def weight(shape: tuple[int, ...] = (6, 8, 3, 3)) -> np.ndarray:
    """Return a random weight whose channels have three magnitudes, two channels each."""
    numbers = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    return (numbers * SCALES).astype(np.float16)


def parts_of(whole: np.ndarray, form: Form) -> tuple[str, Parts]:
    kind = TensorType(dtype=DataType.FLOAT16, shape=whole.shape)
    payload = Payload(name="w", type=kind, offset=64, source=Numbers(whole))
    (found,) = fit([payload], NO_TENSORS, form)
    return assemble(payload, form, found)


def arrays(parts: Parts, *, packed: bool = False) -> dict[str, np.ndarray]:
    """Return the values of an operation's arguments; those of less than a byte may stay packed."""
    found = {}
    for name, part in parts.items():
        if isinstance(part, Value):
            assert isinstance(part.type, TensorType)
            assert isinstance(part.data, Elements)
            raw = part.data.values
            assert isinstance(raw, bytes)
            shape = tuple(size or 1 for size in part.type.shape)
            found[name] = np.frombuffer(raw, "<f2").reshape(shape)
            continue
        _, kind, source = part
        stored = np.concatenate(list(source.blocks(NO_TENSORS, kind.dtype)))
        assert stored.nbytes == data_size(kind)
        shape = tuple(size or 1 for size in kind.shape)
        if kind.dtype in PACKED and packed:
            shape = (-1,)
        elif kind.dtype in PACKED:
            stored = unpack(stored, PACKED[kind.dtype], int(np.prod(shape)))
        found[name] = stored.reshape(shape)
    return found


def audited(whole: np.ndarray, form: Form) -> tuple[float, int, bool]:
    kind, parts = parts_of(whole, form)
    output = NamedType(name="w", type=TensorType(dtype=DataType.FLOAT16, shape=whole.shape))
    operation = Operation(type=kind, inputs={}, outputs=(output,))
    found = measure(operation, arrays(parts, packed=True), whole, "w", lambda _: None)
    return found.psnr, found.wrong, found.is_nearest


@pytest.mark.parametrize("method", [Method.KMEANS, Method.UNIFORM])
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("group", [None, 1, 2, 3])
def test_every_code_is_the_nearest_of_its_group(
    method: Method, bits: int, group: int | None
) -> None:
    form = Form(method=method, bits=bits, group=group, is_newer=True)
    _, wrong, is_nearest = audited(weight(), form)
    assert (wrong, is_nearest) == (0, True)


def test_a_palette_for_each_magnitude_is_closer() -> None:
    def error(group: int | None) -> float:
        form = Form(method=Method.KMEANS, bits=3, group=group, is_newer=True)
        parts = arrays(parts_of(weight(), form)[1])
        tables = parts["lut"].reshape(parts["lut"].shape[0], -1).astype(np.float32)
        rows = parts["indices"].reshape(len(tables), -1)
        values = np.concatenate([table[codes] for table, codes in zip(tables, rows, strict=True)])
        small = weight().astype(np.float32).reshape(-1)[-2 * 72 :]
        return float(np.abs(values[-2 * 72 :] - small).max())

    assert error(2) < 0.02 < error(None)


def test_channels_that_are_no_multiple_have_one_palette() -> None:
    form = Form(method=Method.KMEANS, bits=3, group=4, is_newer=True)
    _, parts = parts_of(weight(), form)
    assert arrays(parts)["lut"].shape == (1, 1, 1, 1, 8, 1)
    assert isinstance(parts["lut"], Value)  # too small for a record


def test_a_weight_of_an_odd_number_of_codes() -> None:
    whole = weight()[:, :1, :1, :1].copy()  # 6 numbers: 18 bits
    form = Form(method=Method.KMEANS, bits=3, is_newer=True)
    assert audited(whole, form) == (999.0, 0, True)


def test_integers_of_the_newer_form() -> None:
    kind, parts = parts_of(weight(), Form(method=Method.LINEAR, bits=8, is_newer=True))
    assert kind == "constexpr_blockwise_shift_scale"
    assert {name: part.shape for name, part in arrays(parts).items()} == {
        "data": (6, 8, 3, 3),
        "scale": (6, 1, 1, 1),
    }
    _, wrong, is_nearest = audited(weight(), Form(method=Method.LINEAR, bits=8, is_newer=True))
    assert (wrong, is_nearest) == (0, True)
