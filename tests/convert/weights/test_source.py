"""Whole files in every container, valid and damaged, through `open_checkpoint` and the writer."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdcoreml.convert.weights.source import FileKind, examine, identify, open_checkpoint, sniff
from sdcoreml.convert.weights.writer import write_safetensors
from sdcoreml.ground.errors import BadInputError, SdcoremlError, UnsafePickleError
from tests.convert.weights.torch_files import (
    call,
    finished,
    group,
    integer,
    mapping,
    name,
    storage,
    tensor,
    text,
    write_legacy,
    write_members,
    write_zip,
)

ARRAYS = {
    "conv.weight": np.arange(24, dtype="f4").reshape(2, 3, 4),
    "conv.bias": np.array([1.5, -2.5], "f2"),
    "scale": np.array(3.0, "f4"),
    "empty": np.zeros((0, 7), "f4"),
    "ids": np.arange(5, dtype="i8").reshape(1, 5),
    "mask": np.array([True, False]),
}


def save_safetensors(path: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    safetensors.numpy.save_file(dict(arrays), path, metadata={"format": "pt"})
    return path


SAVERS: Mapping[str, Callable[[Path, Mapping[str, np.ndarray]], Path]] = {
    "PyTorch zip": write_zip,
    "PyTorch legacy": write_legacy,
    "safetensors": save_safetensors,
}


def save_shards(folder: Path, container: str, split: int = 3) -> Path:
    suffix = "safetensors" if container == "safetensors" else "bin"
    names = list(ARRAYS)
    weights: dict[str, str] = {}
    for number, part in enumerate((names[:split], names[split:]), 1):
        shard = f"model-{number:05d}-of-00002.{suffix}"
        SAVERS[container](folder / shard, {key: ARRAYS[key] for key in part})
        weights |= dict.fromkeys(part, shard)
    index = folder / f"model.{suffix}.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weights}))
    return index


def reference(path: Path, arrays: Mapping[str, np.ndarray] = ARRAYS) -> bytes:
    return save_safetensors(path.with_name("reference.safetensors"), arrays).read_bytes()


@pytest.mark.parametrize("container", list(SAVERS))
def test_every_container_becomes_the_same_file(tmp_path: Path, container: str) -> None:
    path = SAVERS[container](tmp_path / "in.bin", ARRAYS)
    checkpoint = open_checkpoint(path)
    assert (checkpoint.container, checkpoint.files, checkpoint.notes) == (container, (path,), ())
    out = tmp_path / "out.safetensors"
    write_safetensors(checkpoint.tensors, out)
    assert out.read_bytes() == reference(out)


@pytest.mark.parametrize("container", list(SAVERS))
def test_shards_become_the_same_file(tmp_path: Path, container: str) -> None:
    checkpoint = open_checkpoint(save_shards(tmp_path, container))
    assert checkpoint.container == f"2 shards, {container}"
    assert checkpoint.metadata == ({"format": "pt"} if container == "safetensors" else {})
    out = tmp_path / "out.safetensors"
    write_safetensors(checkpoint.tensors, out)
    assert out.read_bytes() == reference(out)


def test_views_of_one_storage_are_written_each_in_full(tmp_path: Path) -> None:
    base = np.arange(24, dtype="f4").reshape(4, 6)
    on = storage("0", "float32", 24)
    pickled = finished(
        mapping(
            {
                "whole": tensor(on, [4, 6]),
                "tied": tensor(on, [4, 6]),
                "turned": tensor(on, [6, 4], [1, 6]),
                "rows": tensor(on, [2, 6], offset=6),
                "column": tensor(on, [4], [6], offset=3),
                "repeated": tensor(on, [3, 6], [0, 1]),
                "corner": tensor(on, [], offset=23),
            }
        )
    )
    path = write_zip(tmp_path / "in.bin", {"0": base}, pickled=pickled)
    out = tmp_path / "out.safetensors"
    write_safetensors(open_checkpoint(path).tensors, out)
    views = {
        "whole": base,
        "tied": base.copy(),
        "turned": base.T.copy(),
        "rows": base[1:3].copy(),
        "column": base[:, 3].copy(),
        "repeated": np.repeat(base[:1], 3, axis=0),
        "corner": np.array(base[3, 5]),
    }
    assert out.read_bytes() == reference(out, views)


def test_the_state_dict_of_a_trainer_is_found_and_the_rest_listed(tmp_path: Path) -> None:
    pickled = finished(
        mapping(
            {
                "epoch": integer(3),
                "callbacks": call(name("lightning", "Early")),
                "state_dict": mapping(
                    {"w": tensor(storage("0", "float32", 2), [2]), "n": b"K\x01"}
                ),
            }
        )
    )
    path = write_zip(tmp_path / "m.ckpt", {"w": np.zeros(2, "f4")}, pickled=pickled)
    checkpoint = open_checkpoint(path)
    assert [t.name for t in checkpoint.tensors] == ["w"]
    assert checkpoint.notes == (
        "tensors taken from 'state_dict'",
        "3 entries that are not tensors left out: n, epoch, callbacks",
        "unknown names kept as inert records, never run: lightning.Early (1)",
    )


def test_an_unknown_object_among_the_tensors_is_refused(tmp_path: Path) -> None:
    pickled = finished(
        mapping({"w": tensor(storage("0", "float32", 2), [2]), "x": call(name("m", "T"))})
    )
    path = write_zip(tmp_path / "m.ckpt", {"w": np.zeros(2, "f4")}, pickled=pickled)
    with pytest.raises(BadInputError, match=r"'x' is a m\.T, not a tensor"):
        open_checkpoint(path)


def test_a_call_of_what_has_no_name_is_a_record_however_deep_it_is(tmp_path: Path) -> None:
    deep = b"]" * 2000 + b"a" * 1999  # a list in a list in a list ...
    pickled = finished(mapping({"w": tensor(storage("0", "float32", 2), [2]), "x": call(deep)}))
    path = write_zip(tmp_path / "m.ckpt", {"w": np.zeros(2, "f4")}, pickled=pickled)
    with pytest.raises(BadInputError, match="'x' is a record, not a tensor"):
        open_checkpoint(path)


class Payload:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("suffix", [".bin", ".ckpt", ".pt"])
def test_a_payload_is_refused_and_never_runs(tmp_path: Path, suffix: str) -> None:
    evil = tmp_path / "evil"
    path = tmp_path / f"m{suffix}"
    write_members(path, {"a/data.pkl": pickle.dumps({"w": Payload(evil)})})
    with pytest.raises(UnsafePickleError) as caught:
        open_checkpoint(path)
    assert str(caught.value) == (
        f"{path}: the pickle names 'posix.system', which can run code (nothing was run); "
        "do not load this file; get a .safetensors version or ask its author"
    )
    assert not evil.exists()


SAFE = "get the same model's safetensors files"
PULL = "run 'git lfs pull' in its folder"
BAD_FILES: Mapping[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty; download the file again"),
    "lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7766\n",
        f"a git-lfs pointer, not the weights (the real file has 7,766 bytes); {PULL}",
    ),
    "html": (
        b"<!DOCTYPE html><html>",
        "a web page, not weights; download the file again, after logging in if the model needs it",
    ),
    "tar": (
        bytes(257) + b"ustar" + bytes(250),
        "a tar file of PyTorch before 0.1.10; save it again with a newer PyTorch",
    ),
    "pickle": (
        b"\x80\x04N.",
        "a bare pickle, not a PyTorch checkpoint; get a .safetensors version",
    ),
    "gguf": (
        b"GGUF\x03\x00\x00\x00",
        f"weights in GGUF's format, which nothing here reads; {SAFE}",
    ),
    "hdf5": (
        b"\x89HDF\r\n\x1a\n",
        f"weights in TensorFlow's HDF5 format, which nothing here reads; {SAFE}",
    ),
    "noise": (
        b"GIF89a..",
        "not a checkpoint (starts with 47 49 46 38 39 61 2e 2e); download the file again",
    ),
}


@pytest.mark.parametrize("kind", list(BAD_FILES))
def test_what_is_no_checkpoint_is_named(tmp_path: Path, kind: str) -> None:
    data, said = BAD_FILES[kind]
    path = tmp_path / "model.bin"
    path.write_bytes(data)
    with pytest.raises(BadInputError) as caught:
        identify(path)
    assert str(caught.value) == f"{path}: {said}"


BIG = 10**7


@pytest.mark.parametrize(
    ("head", "size", "kind"),
    [
        (b"", 0, FileKind.EMPTY),
        (b"version https://git-lfs.github.com/spec/v1\noid", 134, FileKind.POINTER),
        (b"<!DOCTYPE html>", 9000, FileKind.PAGE),
        (b"\n  <html>", BIG, FileKind.PAGE),
        (b'{"error":"Access to model is restricted"}', 80, FileKind.PAGE),
        (b"{'error': 'gated'}", 80, FileKind.PAGE),
        (b"please log in <html>", 9000, FileKind.PAGE),
        (b"please log in <html>", BIG, FileKind.OTHER),
        (b"PK\x03\x04", BIG, FileKind.ZIP),
        (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", BIG, FileKind.LEGACY),
        (b"\x18\x01\x00\x00\x00\x00\x00\x00{", BIG, FileKind.SAFETENSORS),
        (b"<\x01\x00\x00\x00\x00\x00\x00{", BIG, FileKind.SAFETENSORS),
        (b"\x80\x02}q", BIG, FileKind.OTHER),
        (b"GIF89a", BIG, FileKind.OTHER),
    ],
)
def test_a_file_is_what_its_first_bytes_say(head: bytes, size: int, kind: FileKind) -> None:
    assert sniff(head, size) is kind


def test_what_cannot_be_opened_is_told_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.bin")
    (tmp_path / "link.bin").symlink_to("gone")
    assert [examine(tmp_path / name)[1][0].what for name in ("pipe.bin", "link.bin")] == [
        "a named pipe, not a file",
        "a link to a file that is not there",
    ]


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"no such file; give a checkpoint"):
        open_checkpoint(tmp_path / "nothing.bin")
    with pytest.raises(BadInputError, match=r"a folder, not a file"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize("container", list(SAVERS))
def test_every_truncation_is_told(tmp_path: Path, container: str) -> None:
    path = SAVERS[container](tmp_path / "in.bin", ARRAYS)
    data = path.read_bytes()
    for keep in range(0, len(data), 7):
        path.write_bytes(data[:keep])
        with pytest.raises(SdcoremlError, match=str(path)):
            open_checkpoint(path)


@pytest.mark.parametrize("container", list(SAVERS))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_any_damage_is_refused_or_harmless(
    tmp_path: Path, container: str, data: st.DataObject
) -> None:
    good = SAVERS[container](tmp_path / "in.ckpt", ARRAYS).read_bytes()
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(good) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.ckpt"
    path.write_bytes(damaged)
    out = tmp_path / "out.safetensors"
    out.unlink(missing_ok=True)
    try:
        write_safetensors(open_checkpoint(path).tensors, out)
    except SdcoremlError:
        assert not out.exists()
    assert not list(tmp_path.glob(".*"))


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    index = save_shards(tmp_path, "PyTorch zip")
    (tmp_path / "model-00002-of-00002.bin").unlink()
    with pytest.raises(BadInputError) as caught:
        open_checkpoint(index)
    assert str(caught.value) == (
        f"{index}: 1 of 2 shards missing: model-00002-of-00002.bin; "
        "download the missing files into the same folder"
    )


def test_faults_of_shards_are_counted_and_the_gravest_comes_first(tmp_path: Path) -> None:
    index = save_shards(tmp_path, "PyTorch zip")
    (tmp_path / "model-00001-of-00002.bin").write_bytes(b"")
    write_members(
        tmp_path / "model-00002-of-00002.bin",
        {"a/data.pkl": finished(group(name("os", "system"), text("x")) + b"R")},
    )
    with pytest.raises(UnsafePickleError, match=r"00002-of.* \(and 1 more: `sdcoreml inspect"):
        open_checkpoint(index)
