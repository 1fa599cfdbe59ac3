from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sdcoreml.convert.bundle.apps import APPLE, COMFYUI, MOCHI, verdicts
from sdcoreml.convert.models.contents import Kind
from sdcoreml.convert.models.family import Family, Task
from sdcoreml.convert.models.identify import GROUPS, ComponentFacts, identify_path
from sdcoreml.convert.models.prediction import PredictionSource
from sdcoreml.convert.models.unpack import UnpackOptions
from tests.convert.models.folders import (
    TEXT_ENCODER,
    UNET,
    WEIGHTS,
    save_safetensors,
    write_json,
    write_model,
)
from tests.convert.models.originals import original_vae
from tests.convert.models.test_single_file import VAE, Arrays, averages, original, save

# 36 + 2 floats and 3 integers.
NUMBERS, BYTES = 41, 4 * 38 + 8 * 3


def test_a_diffusers_folder(tmp_path: Path) -> None:
    found = identify_path(write_model(tmp_path / "model"))
    assert (found.form, found.contents.kind) == ("diffusers folder", Kind.PIPELINE)
    assert (found.contents.family, found.contents.task) == (Family.SD1, Task.TEXT_TO_IMAGE)
    assert (found.prediction, found.has_ema, found.missing) == ("epsilon", False, ())
    assert (found.parameters, found.nbytes) == (3 * NUMBERS, 3 * BYTES)
    assert {one.target: one.runs for one in verdicts(found.contents)} == {
        APPLE: "yes",
        MOCHI: "yes",
        COMFYUI: "yes",
    }
    assert (found.faults, found.notes) == ((), ())


def test_each_component_is_counted_by_type(tmp_path: Path) -> None:
    parts = {part.name: part for part in identify_path(write_model(tmp_path / "m")).parts}
    assert parts["text_encoder"] == ComponentFacts(
        name="text_encoder",
        kind="CLIPTextModel",
        parameters=NUMBERS,
        dtypes={"F32": 38, "I64": 3},
        nbytes=BYTES,
        files=("pytorch_model.bin",),
    )
    assert list(parts["unet"].dtypes) == ["F32", "I64"], "the most frequent first"
    assert len(parts["unet"].files) == 2


@pytest.mark.parametrize(("config", "flavour"), [({}, ""), ({"time_cond_proj_dim": 256}, "LCM")])
def test_a_unet_that_wants_guidance_is_an_lcm(
    tmp_path: Path, config: dict[str, int], flavour: str
) -> None:
    folder = write_model(tmp_path / "model")
    write_json(folder / "unet" / "config.json", UNET | config)
    found = identify_path(folder)
    assert found.contents.flavour == flavour
    apps = "no" if flavour else "yes"
    assert [one.runs for one in verdicts(found.contents)] == [apps, apps, "yes"]


@pytest.mark.parametrize(
    ("gone", "missing"),
    [
        (["vae"], ("vae",)),
        (["unet"], ("unet",)),
        (["text_encoder"], ("text_encoder",)),
        (["vae", "text_encoder"], ("vae", "text_encoder")),
    ],
)
def test_what_a_model_lacks_is_named(
    tmp_path: Path, gone: list[str], missing: tuple[str, ...]
) -> None:
    folder = write_model(tmp_path / "model")
    for name in gone:
        for path in (folder / name).iterdir():
            path.unlink()
        (folder / name).rmdir()
    found = identify_path(folder)
    assert found.missing == missing
    assert len(found.faults) == len(gone)


def test_a_second_text_encoder_alone_is_a_text_encoder(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    (folder / "text_encoder").rename(folder / "text_encoder_2")
    index = {
        "_class_name": "StableDiffusionXLImg2ImgPipeline",
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    write_json(folder / "model_index.json", index)
    assert identify_path(folder).missing == ()


def test_a_path_that_is_not_there_is_a_fault_and_nothing_is_missing_of_it(tmp_path: Path) -> None:
    found = identify_path(tmp_path / "nothing")
    assert (found.contents.kind, found.missing) == (Kind.UNKNOWN, ())
    assert len(found.faults) == 1


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        (UNET, "UNet2DConditionModel"),
        (TEXT_ENCODER, "CLIPTextModel"),
        ({"_class_name": "SomebodysVae"}, "SomebodysVae"),
        ({}, ""),
    ],
)
def test_a_component_s_folder_is_examined_alone(
    tmp_path: Path, config: dict[str, object], kind: str
) -> None:
    folder = tmp_path / "part"
    write_json(folder / "config.json", config)
    save_safetensors(folder / "diffusion_pytorch_model.safetensors", VAE)
    found = identify_path(folder)
    assert (found.form, found.contents.kind) == ("component folder", Kind.VAE)
    (part,) = found.parts
    assert (part.name, part.kind, part.files) == (
        "part",
        kind,
        ("diffusion_pytorch_model.safetensors",),
    )


def test_a_component_that_is_damaged_is_still_described(tmp_path: Path) -> None:
    write_json(tmp_path / "vae" / "config.json", {"_class_name": "AutoencoderKL"})
    (tmp_path / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"")
    found = identify_path(tmp_path / "vae")
    assert [fault.what for fault in found.faults] == ["the file is empty"]
    assert (found.parameters, found.contents.kind) == (0, Kind.UNKNOWN)


@pytest.mark.parametrize(
    ("name", "family", "prediction"),
    [
        ("sd1", Family.SD1, "epsilon"),
        ("sd2", Family.SD2_V, None),
        ("sdxl", Family.SDXL, "epsilon"),
        ("refiner", Family.SDXL_REFINER, "epsilon"),
    ],
)
def test_a_checkpoint(tmp_path: Path, name: str, family: Family, prediction: str | None) -> None:
    found = identify_path(save(tmp_path / "m.safetensors", original(name)))
    assert (found.form, found.contents.kind) == ("safetensors", Kind.PIPELINE)
    assert (found.contents.family, found.prediction) == (family, prediction)
    assert (found.missing, found.faults, found.has_ema) == ((), (), False)
    untold = "does not state its prediction type; give it with --prediction_type"
    assumed = "the model does not say what it predicts: epsilon is assumed"
    overrule = "--prediction-type v_prediction overrules that"
    fewer = "text_encoder: of the usual 24 blocks the file holds 3; 2 are used"
    assert found.notes == ((f"{assumed}; {overrule}",) if prediction else (fewer, untold))


def test_what_a_file_says_of_its_prediction_decides_its_family(tmp_path: Path) -> None:
    metadata = {"modelspec.prediction_type": "epsilon"}
    found = identify_path(save(tmp_path / "m.safetensors", original("sd2"), metadata))
    assert found.contents.family is Family.SD2_BASE
    assert (found.contents.kind, found.contents.task) == (Kind.PIPELINE, Task.TEXT_TO_IMAGE)


def groups(tmp_path: Path, *names: str) -> dict[str, int]:
    arrays: Arrays = {name: np.zeros(2, "f4") for name in names}
    found = identify_path(save(tmp_path / "m.safetensors", arrays))
    return {part.name: part.parameters for part in found.parts}


@pytest.mark.parametrize(("start", "part"), GROUPS)
def test_a_tensor_belongs_to_a_part_by_the_start_of_its_name(
    tmp_path: Path, start: str, part: str
) -> None:
    assert groups(tmp_path, f"{start}x.weight", "other") == {part: 2, "tensors": 2}


def test_parts_of_a_checkpoint_are_its_groups(tmp_path: Path) -> None:
    arrays = original("sdxl")
    found = identify_path(save(tmp_path / "m.safetensors", arrays | averages(arrays)))
    assert {part.name for part in found.parts} == {
        *("averaged weights", "unet", "vae", "text_encoder", "text_encoder_2", "tensors")
    }
    assert found.has_ema
    assert {part.files for part in found.parts} == {("m.safetensors",)}


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("sd-turbo.safetensors", "turbo"),
        ("SDXL_Lightning_4step.safetensors", "lightning"),
        ("Hyper-SD15.safetensors", "hyper"),
        ("my-LCM.safetensors", "lcm"),
        ("plain.safetensors", ""),
    ],
)
def test_a_name_that_speaks_of_few_steps_is_quoted(tmp_path: Path, name: str, note: str) -> None:
    found = identify_path(save(tmp_path / name, original("sd1")))
    assert (found.settings.kind if found.settings else "") == note
    expected = f"its name says {note}: made for few steps and little guidance; in the app set"
    assert any(line.startswith(expected) for line in found.notes) is bool(note)


def test_parts_alone_are_known_for_what_they_are(tmp_path: Path) -> None:
    found = identify_path(save(tmp_path / "vae.safetensors", original_vae(VAE)))
    assert (found.contents.kind, found.missing) == (Kind.VAE, ())
    assert {one.runs for one in verdicts(found.contents)} == {"no"}
    assert [part.name for part in found.parts] == ["vae"]


def test_a_file_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "m.ckpt").write_bytes(b"<!DOCTYPE html><html>")
    found = identify_path(tmp_path / "m.ckpt")
    assert (found.form, found.contents.kind, found.parts) == ("file", Kind.UNKNOWN, ())
    assert "a web page, not weights" in found.faults[0].what


def test_shards_are_told_with_their_container(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model") / "unet"
    found = identify_path(folder / "diffusion_pytorch_model.bin.index.json")
    assert found.form == "2 shards, PyTorch zip"
    assert found.parameters == sum(array.size for array in WEIGHTS.values())


def test_a_folder_with_an_index_is_a_model_whatever_lies_below(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        lora = {"lora_unet_x.lora_down.weight": np.ones((4, 768), np.float32)}
        save(tmp_path / name / "lora.safetensors", lora)
    assert identify_path(tmp_path).contents.kind is Kind.LORA
    write_json(tmp_path / "model_index.json", {"_class_name": "StableDiffusionPipeline"})
    assert identify_path(tmp_path).form == "diffusers folder"


def test_a_file_whose_header_was_read_is_not_read_again(tmp_path: Path) -> None:
    path = save(tmp_path / "m.safetensors", original("sd2"))
    first = identify_path(path)
    assert first.checkpoint
    told = UnpackOptions(told=PredictionSource(option="v_prediction"))
    again = identify_path(path, told)
    known = identify_path(path, told, first.checkpoint)
    assert (known.prediction, known.parts, known.configs) == (
        again.prediction,
        again.parts,
        again.configs,
    )
    assert known.checkpoint is first.checkpoint
    assert (first.prediction, known.prediction) == (None, "v_prediction")


def test_a_folder_of_one_add_on_is_that_add_on(tmp_path: Path) -> None:
    lora = {"lora_unet_x.lora_down.weight": np.ones((4, 768), np.float32)}
    (tmp_path / "cat").mkdir()
    save(tmp_path / "cat" / "lora.safetensors", lora)
    found = identify_path(tmp_path / "cat")
    assert (found.contents.kind, found.path) == (Kind.LORA, tmp_path / "cat" / "lora.safetensors")


def test_what_to_set_for_a_model_of_few_steps_is_noted(tmp_path: Path) -> None:
    found = identify_path(write_model(tmp_path / "acme-turbo"))
    assert found.settings is not None
    assert found.settings.kind == "turbo"
    assert found.notes == (found.settings.advice,)
