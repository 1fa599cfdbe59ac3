from __future__ import annotations

import pytest

from sdcoreml.convert.compile.histogram import (
    EINSUM,
    GENERATIONS,
    histogram,
    key,
)
from sdcoreml.convert.compile.names import OPSETS
from sdcoreml.convert.compile.parse import parse
from tests.convert.compile.texts import OPERATIONS


@pytest.mark.parametrize(
    ("operation", "opset", "expected"),
    [
        ("conv", "CoreML5", "Conv"),
        ("conv", "CoreML6", "Ios16.conv"),
        ("conv", "CoreML7", "Ios17.conv"),
        ("conv", "CoreML8", "Ios18.conv"),
        ("softmax", "CoreML7", "Ios16.softmax"),
        ("softmax", "CoreML8", "Ios18.softmax"),
        ("transpose", "CoreML6", "Transpose"),
        ("transpose", "CoreML7", "Ios17.transpose"),
        ("slice_by_index", "CoreML6", "SliceByIndex"),
        ("upsample_nearest_neighbor", "CoreML8", "UpsampleNearestNeighbor"),
        ("range_1d", "CoreML7", "Range1d"),
        ("constexpr_lut_to_dense", "CoreML6", "Ios16.constexprLutToDense"),
        ("real_div", "CoreML6", "Ios16.realDiv"),
        ("einsum", "CoreML5", "Einsum"),
        ("einsum", "CoreML6", EINSUM),
        ("einsum", "CoreML7", EINSUM),
        ("einsum", "CoreML8", EINSUM),
        ("something_new", "CoreML8", "SomethingNew"),
    ],
)
def test_keys(operation: str, opset: str, expected: str) -> None:
    assert key(operation, opset) == expected


def test_every_opset_has_its_generations() -> None:
    assert GENERATIONS.keys() == OPSETS.keys()


def test_operations_are_counted_and_constants_are_not() -> None:
    counts = histogram(parse(OPERATIONS).program.functions["main"])
    assert list(counts) == sorted(counts)
    assert counts[EINSUM] == 1
    assert counts["Split"] == 1
    assert counts["Equal"] == 1
    assert not any("onst" in name for name in counts)
    assert sum(counts.values()) == 30
