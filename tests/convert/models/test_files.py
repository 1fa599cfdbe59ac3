from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.convert.models.files import find_weights


def found(folder: Path, *names: str) -> list[tuple[str | None, str, str | None, int]]:
    for name in names:
        (folder / name).touch()
    return [
        (w.variant, w.format, w.source.name if w.source else None, len(w.files))
        for w in find_weights(folder)
    ]


def test_a_plain_folder(tmp_path: Path) -> None:
    assert found(tmp_path, "config.json", "model.safetensors", "notes.txt") == [
        (None, "safetensors", "model.safetensors", 1)
    ]


def test_safetensors_come_before_pickles_and_plain_before_variants(tmp_path: Path) -> None:
    stem = "diffusion_pytorch_model"
    names = [f"{stem}.bin", f"{stem}.fp16.bin", f"{stem}.fp16.safetensors", f"{stem}.safetensors"]
    assert found(tmp_path, *names) == [
        (None, "safetensors", f"{stem}.safetensors", 1),
        (None, "bin", f"{stem}.bin", 1),
        ("fp16", "safetensors", f"{stem}.fp16.safetensors", 1),
        ("fp16", "bin", f"{stem}.fp16.bin", 1),
    ]


@pytest.mark.parametrize(
    ("index", "shards", "variant"),
    [
        ("pytorch_model.bin.index.json", "pytorch_model-{}-of-00002.bin", None),
        ("model.safetensors.index.json", "model-{}-of-00002.safetensors", None),
        ("model.safetensors.index.fp16.json", "model.fp16-{}-of-00002.safetensors", "fp16"),
        ("model.fp16.safetensors.index.json", "model-{}-of-00002.fp16.safetensors", "fp16"),
    ],
)
def test_shards_of_every_spelling(
    tmp_path: Path, index: str, shards: str, variant: str | None
) -> None:
    names = [shards.format("00001"), shards.format("00002")]
    ((seen, _, source, count),) = found(tmp_path, index, *names)
    assert (seen, source, count) == (variant, index, 2)


def test_a_whole_file_is_taken_before_shards(tmp_path: Path) -> None:
    names = (
        "model.safetensors",
        "model.safetensors.index.json",
        "model-00001-of-00001.safetensors",
    )
    assert found(tmp_path, *names) == [(None, "safetensors", "model.safetensors", 1)]


def test_shards_without_an_index_have_no_source(tmp_path: Path) -> None:
    assert found(tmp_path, "model-00001-of-00002.bin") == [(None, "bin", None, 1)]


def test_the_only_index_of_another_name_will_do(tmp_path: Path) -> None:
    names = ("a.safetensors.index.json", "a-00001-of-00002.safetensors", "other.safetensors")
    assert found(tmp_path, *names) == [(None, "safetensors", "a.safetensors.index.json", 1)]
    assert found(tmp_path, "b.bin.index.json") == [], "which of the two?"


def test_other_files_are_no_weights(tmp_path: Path) -> None:
    assert found(tmp_path, "flax_model.msgpack", "openvino_model.bin", "model.onnx", "x.bin") == []


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["diffusion_pytorch_model (1).safetensors"], "diffusion_pytorch_model (1).safetensors"),
        (["unet.safetensors", "optimizer.bin", "._unet.safetensors"], "unet.safetensors"),
        (["model copy.safetensors", "unet.ckpt"], "model copy.safetensors"),
        (["first.safetensors", "second.safetensors"], None),
    ],
)
def test_the_only_file_of_weights_will_do(
    tmp_path: Path, names: list[str], taken: str | None
) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert [weights.source for weights in find_weights(tmp_path)] == (
        [tmp_path / taken] if taken else []
    )
