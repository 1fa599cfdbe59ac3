from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.convert.weights.shards import parse_size, split, write_shards
from sdcoreml.convert.weights.source import open_checkpoint
from sdcoreml.convert.weights.tensor import TensorInfo
from sdcoreml.convert.weights.writer import WriteOptions, write_safetensors
from sdcoreml.ground.errors import BadInputError, NoSpaceError
from sdcoreml.ground.events import Event

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
        ("1k", 10**3),
        ("1M", 10**6),
        ("1KiB", 1 << 10),
        ("1mi", 1 << 20),
        (" 3 GiB ", 3 << 30),
        ("1b", 1),
        ("0.5GB", 5 * 10**8),
    ],
)
def test_sizes(text: str, nbytes: int) -> None:
    assert parse_size(text) == nbytes


@pytest.mark.parametrize(
    "text", ["", "0", "0.0GB", "-1GB", "five", "5TB", "5 G B", "1e3", ".5GB", "5i"]
)
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


def test_an_index_can_be_read_by_people_and_is_the_same_every_time(
    tmp_path: Path, tensors: tuple[TensorInfo, ...]
) -> None:
    for number, order in enumerate((tensors, tensors[::-1])):
        write_shards(order, tmp_path / str(number), "m", 1000, WriteOptions())
    texts = [(tmp_path / n / "m.safetensors.index.json").read_text() for n in ("0", "1")]
    assert texts[0] == texts[1]
    assert texts[0] == (
        '{\n  "metadata": {\n    "total_size": 112\n  },\n  "weight_map": {\n'
        '    "a": "m-00001-of-00001.safetensors",\n    "b": "m-00001-of-00001.safetensors",\n'
        '    "c": "m-00001-of-00001.safetensors"\n  }\n}\n'
    )


def test_each_shard_is_a_step(tmp_path: Path, tensors: tuple[TensorInfo, ...]) -> None:
    events: list[Event] = []
    write_shards(tensors, tmp_path / "out", "m", 32, WriteOptions(), events.append)
    assert [event.text for event in events if event.kind == "step"] == [
        "write m-00001-of-00002.safetensors",
        "write m-00002-of-00002.safetensors",
    ]


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 20))
def test_runs_keep_the_order_and_the_limit(sizes: list[int], limit: int) -> None:
    tensors = [
        TensorInfo(name=str(n), dtype="U8", shape=(size,), path=Path("x"), start=0)
        for n, size in enumerate(sizes)
    ]
    runs = split(tensors, limit, WriteOptions())
    assert [tensor for run in runs for tensor in run] == tensors
    for run in runs:
        assert len(run) == 1 or sum(tensor.nbytes for tensor in run) <= limit
    for run, after in pairwise(runs):
        assert sum(tensor.nbytes for tensor in run) + after[0].nbytes > limit, "no run too many"


def test_room_for_all_shards_is_looked_for_first(
    tmp_path: Path, tensors: tuple[TensorInfo, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 111}))
    with pytest.raises(NoSpaceError):
        write_shards(tensors, tmp_path / "out", "m", 32, WriteOptions())
    assert not (tmp_path / "out").exists()
