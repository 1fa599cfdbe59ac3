from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.convert.models.absence import (
    explain_absence,
    explain_config,
    explain_folder,
    suggest_folder,
)

INDEX = "model_index.json"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        (".model.safetensors.icloud", "model.safetensors is stored in iCloud only"),
        ("model.safetensors.crdownload", "an unfinished download: model.s"),
        ("4b1c.incomplete", "an unfinished download: 4b1c"),
        ("flax_model.msgpack", "its weights are only in Flax's format"),
        ("model.onnx", "its weights are only in ONNX (model.onnx)"),
        ("model.onnx_data", "its weights are only in ONNX (model.onnx_data)"),
        ("model.gguf", "its weights are only in GGUF (model.gguf)"),
        ("tf_model.h5", "its weights are only in TensorFlow's HDF5 format (tf_model.h5)"),
        ("openvino_model.xml", "its weights are only in OpenVINO's format (openvino_model.xml)"),
        *(
            (f"model.safetensors.{ending}", "an unfinished download: model.safetensors.")
            for ending in ("aria2", "crdownload", "download", "incomplete", "part", "tmp")
        ),
        ("README.md", None),
    ],
)
def test_what_lies_in_place_of_weights(tmp_path: Path, name: str, what: str | None) -> None:
    (tmp_path / name).touch()
    found = explain_absence(tmp_path)
    assert found == what if what is None else found and found[0].startswith(what)


def test_what_lies_in_place_of_one_file(tmp_path: Path) -> None:
    for name in (".config.json.icloud", "flax_model.msgpack"):
        (tmp_path / name).touch()
    found = explain_absence(tmp_path, "config.json")
    assert found
    assert found[0].startswith("config.json is stored in iCloud only")
    assert explain_absence(tmp_path, "other.json") is None


def test_the_root_of_a_cache_is_told_with_its_snapshot(tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshots" / "1f2e"
    snapshot.mkdir(parents=True)
    assert explain_folder(tmp_path, INDEX) == (
        "this is a cache folder of the hub, which has the model in a snapshot",
        "download the model again",
    )
    (snapshot / INDEX).touch()
    found = explain_folder(tmp_path, INDEX)
    assert found
    assert found[1] == f"give {snapshot}"


def test_an_index_that_links_to_nothing(tmp_path: Path) -> None:
    (tmp_path / INDEX).symlink_to("nowhere")
    found = explain_folder(tmp_path, INDEX)
    assert found
    assert found[0] == f"{INDEX} is a link to a missing file"
    assert explain_folder(tmp_path / "nothing", INDEX) is None


def test_the_model_meant_is_below_or_above(tmp_path: Path) -> None:
    (tmp_path / "model" / "unet").mkdir(parents=True)
    assert suggest_folder(tmp_path, INDEX) == "give the folder of a diffusers model"
    (tmp_path / "model" / INDEX).touch()
    assert suggest_folder(tmp_path, INDEX) == f"give the model in it: {tmp_path / 'model'}"
    above = suggest_folder(tmp_path / "model" / "unet", INDEX)
    assert above == f"give the model that it lies in: {tmp_path / 'model'}"


def test_files_one_level_down_are_suggested(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "a.safetensors").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("")
    said = "give one of the files below it: checkpoints/a.safetensors"
    assert suggest_folder(tmp_path, "model_index.json") == said


def test_a_config_that_is_there_has_its_own_fault(tmp_path: Path) -> None:
    assert explain_config(tmp_path).what == "config.json is missing"
    config = tmp_path / "config.json"
    config.symlink_to("nowhere")
    assert explain_config(tmp_path).what == "a link to a file that is not there"
    config.unlink()
    config.write_text("[]")
    assert explain_config(tmp_path).what == "JSON, but not an object"
