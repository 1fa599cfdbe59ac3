from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from sdcoreml.convert.jobs.against import open_against
from sdcoreml.convert.jobs.manifest import MadeIn, Manifest, SourceRecord
from sdcoreml.convert.jobs.opening import open_again
from sdcoreml.convert.jobs.options import Options
from sdcoreml.convert.jobs.unpacked import draft, prepare_model, unpack_again
from sdcoreml.convert.jobs.verify import Against
from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.ingredients import Ingredients
from sdcoreml.convert.models.lora import LoraSource
from sdcoreml.convert.models.prediction import PredictionSource
from sdcoreml.convert.models.single_file import Weights
from sdcoreml.convert.models.unpack import UnpackOptions
from sdcoreml.convert.programs.options import Attention, Prediction
from sdcoreml.ground.errors import (
    BadInputError,
    NoSpaceError,
    UnsupportedError,
    WorkerError,
)
from sdcoreml.ground.events import Event, silent
from tests.convert.models.folders import write_json
from tests.convert.models.originals import UNETS
from tests.convert.models.test_single_file import UNIT, Arrays, original, save
from tests.convert.models.test_unpack import tokenizer, tree
from tests.convert.stand_ins import write_model


@pytest.fixture
def file(tmp_path: Path) -> Path:
    tokenizer(tmp_path / "tokenizer")
    return save(tmp_path / "dream.v2.safetensors", original("sd1"))


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "cat")
    before = tree(tmp_path)
    with prepare_model(Ingredients(model=folder), tmp_path / "near") as model:
        assert (model.path, model.origin) == (folder, None)
        assert tree(tmp_path) == before


def test_a_file_is_a_folder_of_its_name_as_long_as_it_is_needed(tmp_path: Path, file: Path) -> None:
    near = tmp_path / "models"
    with prepare_model(Ingredients(model=file), near) as model:
        assert (model.path.name, model.family, model.faults) == ("dream.v2", Family.SD1, ())
        assert near in model.path.parents
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        assert model.origin == {
            "files": {file.name: {"size": file.stat().st_size, "sha256": digest}},
            "averaged": False,
            "loras": [],
            "embeddings": [],
        }
    assert not list(near.glob("*"))


@pytest.mark.parametrize("arrays", [UNIT["sd1"], original("sd1")], ids=["alone", "whole"])
def test_for_comfyui_only_the_unet_is_written_and_nothing_is_downloaded(
    tmp_path: Path, arrays: Arrays
) -> None:
    path = save(tmp_path / "dream.safetensors", arrays)
    ingredients = Ingredients(model=path, unpacking=UnpackOptions(only_unet=True))
    assert draft(ingredients).components.keys() == {"unet"}
    with prepare_model(ingredients, tmp_path) as model:
        assert (set(model.components), model.family) == ({"unet"}, Family.SD1)
        assert tree(model.path) == [
            "model_index.json",
            "scheduler/scheduler_config.json",
            "unet/config.json",
            "unet/diffusion_pytorch_model.safetensors",
        ]


def lora_of_unet(path: Path) -> LoraSource:
    name = "unet.down_blocks.0.resnets.0.time_emb_proj"
    up = np.full((32, 1), 2, "f2")
    down = np.full((1, 128), 3, "f2")
    return LoraSource(path=save(path, {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}))


@pytest.mark.parametrize("said", [None, "v_prediction"])
def test_a_lora_is_merged_into_a_unets_own_folder(tmp_path: Path, said: str | None) -> None:
    folder = tmp_path / "dream" / "unet"
    write_json(folder / "config.json", {"_class_name": "UNet2DConditionModel", **UNETS["sd2"]})
    save(folder / "diffusion_pytorch_model.safetensors", UNIT["sd2"])
    ingredients = Ingredients(
        model=folder,
        unpacking=UnpackOptions(told=PredictionSource(option=said), only_unet=True),
        loras=(lora_of_unet(tmp_path / "style.safetensors"),),
    )
    if said is None:
        write_json(
            folder.parent / "scheduler/scheduler_config.json", {"prediction_type": "epsilon"}
        )
    expected = Family.SD2_V if said else Family.SD2_BASE
    drafted = draft(ingredients)
    assert (drafted.family, drafted.notes) == (expected, ())
    with prepare_model(ingredients, tmp_path / "near") as model:
        assert (model.path.name, model.family, model.faults) == ("dream", expected, ())
        assert model.scheduler == {"prediction_type": said or "epsilon"}
        (file,) = model.components["unet"].weights
        merged, name = safetensors.numpy.load_file(file), "down_blocks.0.resnets.0.time_emb_proj"
    before = UNIT["sd2"][f"{name}.weight"]
    assert np.array_equal(merged[f"{name}.weight"], (before.astype("f4") + 6).astype("f2"))
    assert np.array_equal(merged[f"{name}.bias"], UNIT["sd2"][f"{name}.bias"])


@pytest.mark.parametrize(
    ("said", "family"), [("epsilon", Family.SD2_BASE), ("v_prediction", Family.SD2_V)]
)
def test_what_a_unets_own_folder_is_said_to_predict_is_what_it_is(
    tmp_path: Path, said: str, family: Family
) -> None:
    folder = tmp_path / "unet"
    write_json(folder / "config.json", {"_class_name": "UNet2DConditionModel", **UNETS["sd2"]})
    save(folder / "diffusion_pytorch_model.safetensors", UNIT["sd2"])
    told = PredictionSource(option=said)
    ingredients = Ingredients(model=folder, unpacking=UnpackOptions(told=told, only_unet=True))
    with prepare_model(ingredients, tmp_path) as model:
        assert (model.family, model.notes) == (family, ())
        assert model.scheduler == {"prediction_type": said}
        assert draft(ingredients) == open_again(folder, told=told) == model


def test_a_unets_file_is_a_folder_of_its_models_name(tmp_path: Path) -> None:
    path = tmp_path / "dream/unet/diffusion_pytorch_model.safetensors"
    path.parent.mkdir(parents=True)
    save(path, UNIT["sd1"])
    ingredients = Ingredients(model=path, unpacking=UnpackOptions(only_unet=True))
    with prepare_model(ingredients, tmp_path / "near") as model:
        assert model.path.name == "dream"


def test_errors_name_what_was_given_and_leave_nothing(tmp_path: Path, file: Path) -> None:
    near = tmp_path / "models"
    with (
        pytest.raises(WorkerError, match=r"dream\.v2\.safetensors/unet: died") as caught,
        prepare_model(Ingredients(model=file), near) as model,
    ):
        raise WorkerError(f"{model.path}/unet: died", log="its last words")
    assert caught.value.log == "its last words"
    assert not list(near.glob("*"))


def test_a_full_disk_is_named_as_people_know_it(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    near = tmp_path / "models"
    with pytest.raises(NoSpaceError) as caught, prepare_model(Ingredients(model=file), near):
        pass
    assert str(caught.value).startswith(f"{file}: needs ")
    assert f" and {near} has 1,000 free" in str(caught.value)
    assert not list(near.glob("*"))


def test_what_does_not_run_is_refused_before_it_is_written(tmp_path: Path, file: Path) -> None:
    arrays = original("sd1")
    first = "model.diffusion_model.input_blocks.0.0.weight"
    shape = arrays[first].shape
    arrays[first] = np.zeros((shape[0], 9, *shape[2:]), "f2")
    save(file, arrays)
    with (
        pytest.raises(UnsupportedError, match="inpainting"),
        prepare_model(Ingredients(model=file), tmp_path / "models"),
    ):
        pass
    assert not (tmp_path / "models").exists()


def test_a_folder_with_a_lora_is_put_together_under_its_own_name(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "cat")
    lora = LoraSource(
        path=save(tmp_path / "l.safetensors", {"lora_unet_x.alpha": np.ones(1, "f4")})
    )
    with (
        pytest.raises(BadInputError, match=r"l\.safetensors"),
        prepare_model(Ingredients(model=folder, loras=(lora,)), tmp_path / "models"),
    ):
        pass


def test_a_folder_has_no_averaged_weights_to_choose(tmp_path: Path) -> None:
    asked = UnpackOptions(weights=Weights.AVERAGED)
    with (
        pytest.raises(BadInputError, match="averaged weights"),
        prepare_model(Ingredients(model=write_model(tmp_path / "cat"), unpacking=asked), tmp_path),
    ):
        pass


class TestOpenedAgain:
    def manifest(self, *files: str, averaged: bool = False) -> Manifest:
        origin = {"files": {name: {} for name in files}, "averaged": averaged}
        return Manifest(
            model=SourceRecord(name="two", family="", made_from=origin),
            inputs={},
            options=Options(
                attention=Attention.ORIGINAL, height=8, width=8, prediction=Prediction.VELOCITY
            ),
            toolchain=MadeIn(),
            programs={},
        )

    def test_a_unets_own_folder_predicts_what_it_was_said_to(self, tmp_path: Path) -> None:
        folder = tmp_path / "unet"
        write_json(folder / "config.json", {"_class_name": "UNet2DConditionModel", **UNETS["sd2"]})
        save(folder / "diffusion_pytorch_model.safetensors", UNIT["sd2"])
        against = Against(model=folder, certificates={})
        with open_against(against, tmp_path, self.manifest(), silent) as model:
            assert model.scheduler == {"prediction_type": "v_prediction"}

    def test_it_is_unpacked_as_then(self, tmp_path: Path) -> None:
        tokenizer(tmp_path / "tokenizer")
        file = save(tmp_path / "two.safetensors", original("sd2"))
        with unpack_again(file, self.manifest(file.name), tmp_path / "near") as model:
            assert (model.family, model.path.name) == (Family.SD2_V, "two")
        assert list((tmp_path / "near").iterdir()) == []

    def test_a_tokenizer_that_was_given_with_it_is_used_again(self, tmp_path: Path) -> None:
        tokenizer(tmp_path / "own")
        (tmp_path / "own" / "merges.txt").write_bytes(b"#version: 0.2\n")
        file = save(tmp_path / "two.safetensors", original("sd2"))
        place, manifest = tmp_path / "near", self.manifest(file.name)
        with unpack_again(file, manifest, place, tokenizer=tmp_path / "own") as model:
            assert (model.path / "tokenizer" / "merges.txt").read_bytes() == b"#version: 0.2\n"

    def test_averaged_weights_are_asked_for_again(self, tmp_path: Path, file: Path) -> None:
        manifest = self.manifest(file.name, averaged=True)
        with (
            pytest.raises(BadInputError, match=r"averag|EMA"),
            unpack_again(file, manifest, tmp_path / "near"),
        ):
            pass

    def test_what_else_went_into_it_is_named(self, tmp_path: Path, file: Path) -> None:
        manifest = self.manifest(file.name, "style.safetensors", "vae.pt")
        with (
            pytest.raises(
                BadInputError, match=r"from other files, too: style\.safetensors, vae\.pt"
            ),
            unpack_again(file, manifest, tmp_path / "near"),
        ):
            pass


def test_a_file_of_another_schedule_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    tokenizer(tmp_path / "tokenizer")
    marked = original("sdxl") | {"ztsnr": np.zeros(0, "f4")}
    file = save(tmp_path / "lightning.safetensors", marked)
    events: list[Event] = []
    near = tmp_path / "near"
    with (
        pytest.raises(UnsupportedError, match=r"pure noise.*--accept-schedule"),
        prepare_model(Ingredients(model=file), near, events.append),
    ):
        pass
    assert not any(event.text.startswith("unpack") for event in events)
    with prepare_model(Ingredients(model=file, accepts_schedule=True), near) as model:
        assert model.scheduler["rescale_betas_zero_snr"] is True
        assert model.settings
        assert model.settings.kind == "lightning"
        assert [note.partition(":")[0] for note in model.notes] == [
            "the model does not say what it predicts"
        ]
