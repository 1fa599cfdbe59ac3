from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdcoreml.convert.models.model_index import class_of, kind_of, read_parts
from sdcoreml.ground.errors import Fault


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "index",
    [
        {},
        {"": {}},
        {"unet": [None, None]},
        {"scheduler": ["diffusers", "PNDMScheduler"], "tokenizer": ["transformers", "X"]},
    ],
)
def test_an_index_that_names_no_component_is_derived_from_the_folders(
    tmp_path: Path, index: dict[str, object]
) -> None:
    write(tmp_path / "model_index.json", index)
    faults: list[Fault] = []
    notes: list[str] = []
    read_parts(tmp_path, faults, notes)
    assert [(str(fault.where), fault.what) for fault in faults] == [
        (f"{tmp_path}/model_index.json", "names no component")
    ]
    write(tmp_path / "unet/config.json", {"_class_name": "UNet2DConditionModel"})
    write(tmp_path / "vae/config.json", {"_class_name": "AutoencoderKL"})
    found = read_parts(tmp_path, [], notes)
    assert found["unet"] == ["", "UNet2DConditionModel"]
    assert notes == ["model_index.json names no component: the folders say what they hold"]


def test_without_an_index_the_folders_say_what_they_hold(tmp_path: Path) -> None:
    write(tmp_path / "unet/config.json", {"_class_name": "UNet2DConditionModel"})
    write(tmp_path / "vae/config.json", {"_class_name": "AutoencoderKL"})
    faults: list[Fault] = []
    notes: list[str] = []
    assert read_parts(tmp_path, faults, notes)["unet"] == ["", "UNet2DConditionModel"]
    assert (faults, notes) == ([], ["no model_index.json: the folders say what they hold"])


def test_an_index_that_names_a_component_counts_as_it_is(tmp_path: Path) -> None:
    index = {"_class_name": "X", "transformer": ["diffusers", "Y"]}
    write(tmp_path / "model_index.json", index)
    assert read_parts(tmp_path, [], []) == index


def test_classes_are_those_of_entries_and_configs() -> None:
    assert class_of("unet", ["diffusers", "UNet"]) == "UNet"
    for name, entry in (("_class_name", ["a", "b"]), ("../x", ["a", "b"]), ("x", [None, None])):
        assert class_of(name, entry) is None
    assert kind_of({"_class_name": "UNet"}) == "UNet"
    assert kind_of({"architectures": ["CLIP"]}) == "CLIP"
    assert kind_of({}) == ""
