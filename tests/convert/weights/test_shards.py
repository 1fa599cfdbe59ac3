from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from convert.errors import BadInputError
from convert.weights.shards import parse_size, split, write_shards
from convert.weights.source import open_checkpoint
from convert.weights.tensor import TensorInfo
from convert.weights.writer import WriteOptions, write_safetensors

ARRAYS = {name: np.full(count, count, "f4") for name, count in (("a", 5), ("b", 3), ("c", 20))}


@pytest.fixture
def tensors(tmp_path: Path) -> tuple[TensorInfo, ...]:
    safetensors.numpy.save_file(ARRAYS, tmp_path / "in.safetensors")
    return tuple(sorted(open_checkpoint(tmp_path / "in.safetensors").tensors, key=lambda t: t.name))


@pytest.mark.parametrize(
    ("text", "nbytes"),
    [
        ("5GB", 5 * 10**9),
        ("200MiB", 200 << 20),
        ("1.5 kb", 1500),
        ("1000", 1000),
        ("2G", 2 * 10**9),
    ],
)
def test_sizes(text: str, nbytes: int) -> None:
    assert parse_size(text) == nbytes


@pytest.mark.parametrize("text", ["", "0", "-1GB", "five", "5TB"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("limit", "dtype", "expected"),
    [
        (1000, None, [["a", "b", "c"]]),
        (32, None, [["a", "b"], ["c"]]),
        (31, None, [["a"], ["b"], ["c"]]),
        (16, "F16", [["a", "b"], ["c"]]),
    ],
)
def test_runs(
    tensors: tuple[TensorInfo, ...], limit: int, dtype: str | None, expected: list[list[str]]
) -> None:
    runs = split(tensors, limit, WriteOptions(dtype=dtype))
    assert [[tensor.name for tensor in run] for run in runs] == expected


def test_shards_are_read_back_as_one(tmp_path: Path, tensors: tuple[TensorInfo, ...]) -> None:
    out = tmp_path / "out"
    written = write_shards(tensors, out, "model", 32, WriteOptions())
    assert sorted(path.name for path in out.iterdir()) == [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
    ]
    assert len(written) == 2
    index = json.loads((out / "model.safetensors.index.json").read_text())
    assert index == {
        "metadata": {"total_size": 112},
        "weight_map": {
            "a": "model-00001-of-00002.safetensors",
            "b": "model-00001-of-00002.safetensors",
            "c": "model-00002-of-00002.safetensors",
        },
    }
    again = open_checkpoint(out / "model.safetensors.index.json")
    write_safetensors(again.tensors, tmp_path / "again.safetensors")
    found = safetensors.numpy.load_file(tmp_path / "again.safetensors")
    assert all(np.array_equal(found[name], array) for name, array in ARRAYS.items())


def test_nothing_to_write_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no tensors"):
        write_shards((), tmp_path / "out", "model", 32, WriteOptions())
