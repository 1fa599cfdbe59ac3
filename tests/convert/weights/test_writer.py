from __future__ import annotations

import hashlib
import resource
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from sdcoreml.convert.weights import writer
from sdcoreml.convert.weights.safetensors import read_header, tensors_of
from sdcoreml.convert.weights.tensor import TensorInfo
from sdcoreml.convert.weights.writer import (
    Computed,
    WriteOptions,
    is_already,
    write_safetensors,
)
from sdcoreml.ground.errors import BadInputError, NoSpaceError
from sdcoreml.ground.events import Event

ARRAYS = {
    "b": np.linspace(-2, 2, 300_000, dtype="f4"),
    "a": np.arange(6, dtype="i8"),
    "c": np.array([1.0, 70_000.0, np.inf, np.nan], "f4"),
}


@pytest.fixture
def tensors(tmp_path: Path) -> tuple[TensorInfo, ...]:
    path = tmp_path / "in.safetensors"
    safetensors.numpy.save_file(ARRAYS, path)
    return tensors_of(path, read_header(path))


def read(path: Path) -> dict[str, np.ndarray]:
    return dict(safetensors.numpy.load_file(path))


def test_the_digest_is_that_of_the_file_and_the_bytes_do_not_depend_on_it(
    tmp_path: Path, tensors: Sequence[TensorInfo]
) -> None:
    plain = write_safetensors(tensors, tmp_path / "plain.safetensors")
    hashed = write_safetensors(tensors, tmp_path / "hashed.safetensors", WriteOptions(digest=True))
    data = plain.path.read_bytes()
    assert plain.sha256 is None
    assert hashed.path.read_bytes() == data
    assert hashed.sha256 == hashlib.sha256(data).hexdigest()
    assert hashed.nbytes == len(data)


def test_a_cast_keeps_integers_and_counts_what_overflows(
    tmp_path: Path, tensors: Sequence[TensorInfo]
) -> None:
    written = write_safetensors(tensors, tmp_path / "h.safetensors", WriteOptions(dtype="F16"))
    found = read(written.path)
    assert {name: array.dtype.name for name, array in found.items()} == {
        "a": "int64",
        "b": "float16",
        "c": "float16",
    }
    np.testing.assert_array_equal(found["b"], ARRAYS["b"].astype("f2"))
    assert written.overflows == {"c": 1}


def test_a_computed_tensor_is_written_like_any_other(
    tmp_path: Path, tensors: Sequence[TensorInfo]
) -> None:
    def blocks() -> Iterator[memoryview]:
        yield np.arange(3, dtype="f4").data.cast("B")
        yield np.arange(3, 6, dtype="f4").data.cast("B")

    extra = Computed(name="x", dtype="F32", shape=(2, 3), blocks=blocks)
    written = write_safetensors([*tensors, extra], tmp_path / "out.safetensors")
    np.testing.assert_array_equal(read(written.path)["x"], np.arange(6, dtype="f4").reshape(2, 3))


def test_a_computed_tensor_of_the_wrong_size_leaves_nothing(tmp_path: Path) -> None:
    short = Computed(name="x", dtype="F32", shape=(2,), blocks=lambda: [memoryview(bytes(4))])
    with pytest.raises(Exception, match="different size than planned"):
        write_safetensors([short], tmp_path / "out.safetensors")
    assert not list(tmp_path.iterdir())


def test_progress_ends_at_the_size_of_the_file(
    tmp_path: Path, tensors: Sequence[TensorInfo]
) -> None:
    events: list[Event] = []
    written = write_safetensors(tensors, tmp_path / "out.safetensors", emit=events.append)
    assert [(e.kind, e.text, e.done, e.total, e.unit) for e in events] == [
        ("progress", "out.safetensors", written.nbytes, written.nbytes, "B")
    ]


def test_progress_is_told_from_so_many_bytes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "TICK", 8)
    blocks = [memoryview(bytes(size)) for size in (3, 4, 1, 7, 9, 2)]
    made = Computed(name="x", dtype="U8", shape=(26,), blocks=lambda: blocks)
    events: list[Event] = []
    written = write_safetensors([made], tmp_path / "out.safetensors", emit=events.append)
    first = written.nbytes - 26
    assert [event.done - first for event in events] == [0, 8, 24, 26]


def test_nothing_is_written_for_no_tensors_but_a_valid_file(tmp_path: Path) -> None:
    written = write_safetensors([], tmp_path / "none.safetensors")
    assert read_header(written.path).entries == ()


def test_two_tensors_of_one_name_are_refused(tmp_path: Path, tensors: Sequence[TensorInfo]) -> None:
    with pytest.raises(BadInputError, match="two tensors have the same name"):
        write_safetensors([*tensors, tensors[0]], tmp_path / "out.safetensors")


@pytest.mark.parametrize("options", [WriteOptions(), WriteOptions(digest=True)])
def test_a_source_that_shrank_is_told_and_an_older_output_stays(
    tmp_path: Path, tensors: Sequence[TensorInfo], options: WriteOptions
) -> None:
    out = tmp_path / "out.safetensors"
    out.write_bytes(b"older")
    source = tensors[0].path
    source.write_bytes(source.read_bytes()[:1000])
    with pytest.raises(BadInputError, match=r"in\.safetensors: the file ended while tensor"):
        write_safetensors(tensors, out, options)
    assert out.read_bytes() == b"older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.safetensors", "out.safetensors"]


def test_more_than_the_disk_has_is_refused_before_the_first_byte(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.write_bytes(b"")
    huge = TensorInfo(name="x", dtype="U8", shape=(1 << 60,), path=source, start=0)
    with pytest.raises(NoSpaceError, match=r"needs 1,152,9\d\d,.* free .*nothing was written"):
        write_safetensors([huge], tmp_path / "out.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_disk_that_fills_up_midway_leaves_nothing(
    tmp_path: Path, tensors: Sequence[TensorInfo]
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(NoSpaceError, match="the partial output was removed"):
            write_safetensors(tensors, tmp_path / "out.safetensors")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["in.safetensors"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (WriteOptions(), True),
        (WriteOptions(dtype="F32"), True),
        (WriteOptions(dtype="F16"), False),
        (WriteOptions(metadata={"format": "mlx"}), False),
    ],
)
def test_what_is_written_already_is_known(
    tmp_path: Path,
    tensors: Sequence[TensorInfo],
    options: WriteOptions,
    expected: bool,  # noqa: FBT001  from the table
) -> None:
    path = write_safetensors(tensors, tmp_path / "out.safetensors").path
    found = tensors_of(path, read_header(path))
    assert is_already(path, found, options) is expected
    assert not is_already(path, found[1:], options)
    assert not is_already(path, tensors, options), "they are another file's"
