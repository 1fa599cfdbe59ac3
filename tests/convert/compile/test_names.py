from __future__ import annotations

import pytest

from sdcoreml.convert.compile.names import (
    BARE_SCALARS,
    BY_NAME,
    BY_OPSET,
    DTYPES,
    OPSETS,
    TEXT_VERSIONS,
)
from sdcoreml.convert.compile.words import split
from sdcoreml.convert.spec.blobs import BITS
from sdcoreml.convert.spec.model import DataType


def test_names_are_one_to_one() -> None:
    assert {BY_NAME[name]: name for name in BY_NAME} == DTYPES
    assert {BY_OPSET[name]: name for name in BY_OPSET} == OPSETS


@pytest.mark.parametrize("name", [*BY_NAME, *BY_OPSET])
def test_every_name_is_one_word_of_a_text(name: str) -> None:
    assert split(f"<{name}>") == ["<", name, ">"]


@pytest.mark.parametrize(("dtype", "name"), DTYPES.items())
def test_a_name_says_how_many_bits(dtype: DataType, name: str) -> None:
    digits = "".join(char for char in name if char.isdecimal())
    if digits and dtype in BITS:
        assert BITS[dtype] == int(digits)


def test_each_specification_has_a_version_of_the_text() -> None:
    assert sorted(TEXT_VERSIONS) == [6, 7, 8, 9]
    assert TEXT_VERSIONS[9] == BARE_SCALARS
    assert BARE_SCALARS not in {TEXT_VERSIONS[n] for n in (6, 7, 8)}


def test_an_opset_is_an_ios_release() -> None:
    assert [OPSETS[f"CoreML{n}"] for n in (5, 6, 7, 8)] == ["ios15", "ios16", "ios17", "ios18"]
