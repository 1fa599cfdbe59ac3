"""A model in another program's folder is found by its exact name only, not by a similar name."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.convert.sources.find import find_model, folders_here, match, models_in
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.events import Event, silent

FILES = (
    *("DreamShaper_8.safetensors", "dreamshaper_8.ckpt", "sub/Deliberate.ckpt"),
    *("diffusers/sdxl/model_index.json", "diffusers/sdxl/unet/x.safetensors", "notes.txt"),
    *(".hidden/x.ckpt", "Counterfeit.v3.safetensors"),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    place = tmp_path / "models"
    for name in FILES:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).touch()
    return place


def test_models_are_files_of_weights_and_folders_of_diffusers(folder: Path) -> None:
    assert {path.relative_to(folder).as_posix() for path in models_in(folder)} == {
        *("DreamShaper_8.safetensors", "dreamshaper_8.ckpt", "sub/Deliberate.ckpt"),
        *("diffusers/sdxl", "Counterfeit.v3.safetensors"),
    }


def test_models_come_in_the_order_of_their_names_whatever_the_disk_s(tmp_path: Path) -> None:
    names = [f"{letter}/{number}.ckpt" for letter in "abcdefghij" for number in range(10)]
    for name in (*names[1::2], *reversed(names[::2])):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in models_in(tmp_path)]
    assert found == names


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("DreamShaper_8.safetensors", ["DreamShaper_8.safetensors"]),
        ("DreamShaper_8", ["DreamShaper_8.safetensors"]),
        ("dreamshaper_8", ["dreamshaper_8.ckpt"]),
        ("DREAMSHAPER_8", ["DreamShaper_8.safetensors", "dreamshaper_8.ckpt"]),
        ("deliberate", ["Deliberate.ckpt"]),
        ("counterfeit.V3", ["Counterfeit.v3.safetensors"]),
        ("SDXL", ["sdxl"]),
        ("dream", []),
    ],
)
def test_exact_names_come_before_those_of_another_case(
    folder: Path, word: str, found: list[str]
) -> None:
    assert [path.name for path in match(word, models_in(folder))] == found


def test_one_is_taken_and_said(folder: Path) -> None:
    said: list[Event] = []
    path = find_model("deliberate", said.append, {"SDCOREML_MODELS": f"/nowhere:{folder}"})
    assert path == folder / "sub/Deliberate.ckpt"
    assert [event.text for event in said] == [f"deliberate is {path}"]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        (
            "DREAMSHAPER_8",
            r"2 models have this name: .*/DreamShaper_8.safetensors, .*_8.ckpt; give",
        ),
        (
            "dreamshapr",
            "among the 5 models in 1 model folder; similar names: dreamshaper_8",
        ),
        ("counter", "; similar names: Counterfeit.v3"),
        (
            "xyz",
            "; give a path, or owner/name of a model on the hub; add folders to search with `sdc",
        ),
    ],
)
def test_none_or_several_are_refused_with_what_is_near(folder: Path, word: str, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        find_model(word, silent, {"SDCOREML_MODELS": str(folder)})


def test_without_folders_that_is_said(folder: Path) -> None:
    assert folder.is_dir()
    with pytest.raises(BadInputError, match=r"^dream: there is no file or folder with that name;"):
        find_model("dream", silent, {})


def test_folders_of_other_programs_are_those_that_hold_models(folder: Path) -> None:
    own = folder.parent / "settings/sdcoreml/config.toml"
    own.parent.mkdir(parents=True)
    own.write_text('[sources]\ncomfy = ["/C"]\na1111 = ["/A"]\nfolder = ["/F"]\n')
    assert list(folders_here({"SDCOREML_MODELS": "/M:"})) == [
        Path("/M"),
        Path("/C/models/checkpoints"),
        Path("/C/models/diffusers"),
        Path("/C/models/unet"),
        Path("/C/models/diffusion_models"),
        Path("/A/models/Stable-diffusion"),
        Path("/F"),
    ]


def test_the_weights_of_what_was_converted_are_no_models(tmp_path: Path) -> None:
    for name in ("cat.mlpackage", "Unet.mlmodelc", "weights"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weight.bin").touch()
    assert list(models_in(tmp_path)) == [tmp_path / "weights" / "weight.bin"]
