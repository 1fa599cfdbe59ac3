from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from sdcoreml.convert.models.family import Family, Task
from sdcoreml.convert.models.folder_plan import write_folder
from sdcoreml.convert.models.layout import read_model
from sdcoreml.convert.models.prediction import PredictionSource
from sdcoreml.convert.models.unpack import UnpackOptions, unpack
from sdcoreml.convert.weights.source import open_checkpoint
from sdcoreml.ground.errors import BadInputError
from tests.convert.models.originals import original_vae
from tests.convert.models.test_single_file import VAE, original, save

TOLD = PredictionSource(option="v_prediction")


VOCAB = {"a</w>": 0, "<|startoftext|>": 1, "<|endoftext|>": 2}


def tokenizer(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(VOCAB))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return folder


def tree(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("name", "family", "pipeline"),
    [
        ("sd1", Family.SD1, "StableDiffusionPipeline"),
        ("sd2", Family.SD2_V, "StableDiffusionPipeline"),
        ("sdxl", Family.SDXL, "StableDiffusionXLPipeline"),
        ("refiner", Family.SDXL_REFINER, "StableDiffusionXLImg2ImgPipeline"),
    ],
)
def test_a_file_becomes_a_sound_folder_of_its_family(
    tmp_path: Path, name: str, family: Family, pipeline: str
) -> None:
    tokenizer(tmp_path / "tokenizer")
    path = save(tmp_path / "m.safetensors", original(name))
    write_folder(unpack(open_checkpoint(path), UnpackOptions(told=TOLD)), tmp_path / "out")
    model = read_model(tmp_path / "out")
    assert (model.faults, model.family, model.task) == ((), family, Task.TEXT_TO_IMAGE)
    assert model.pipeline == pipeline
    assert all(component.is_merged for component in model.components.values())


def test_the_folder_of_sd1(tmp_path: Path) -> None:
    path = save(tmp_path / "m.safetensors", original("sd1"))
    given = tokenizer(tmp_path / "elsewhere")
    plan = unpack(open_checkpoint(path), UnpackOptions(tokenizer=given, scheduler="ddim"))
    write_folder(plan, tmp_path / "out")
    assert tree(tmp_path / "out") == [
        "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/merges.txt",
        "tokenizer/tokenizer_config.json",
        "tokenizer/vocab.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    ]
    index = json.loads((tmp_path / "out" / "model_index.json").read_text())
    assert index["scheduler"] == ["diffusers", "DDIMScheduler"]
    assert index["safety_checker"] == [None, None]
    assert index["requires_safety_checker"] is False
    scheduler = json.loads((tmp_path / "out" / "scheduler" / "scheduler_config.json").read_text())
    assert (scheduler["prediction_type"], scheduler["beta_start"]) == ("epsilon", 0.00085)


def test_what_sd2_predicts_must_be_said(tmp_path: Path) -> None:
    path = save(tmp_path / "m.safetensors", original("sd2"))
    with pytest.raises(BadInputError, match="give --prediction_type epsilon"):
        unpack(open_checkpoint(path), UnpackOptions())


def test_something_else_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "m.safetensors", {"lora_unet_x.alpha": np.zeros(1, "f4")})
    with pytest.raises(BadInputError, match="not a whole Stable Diffusion"):
        unpack(open_checkpoint(path), UnpackOptions())


@pytest.mark.parametrize("form", ["original", "bare original", "diffusers", "folder"])
def test_a_vae_from_elsewhere_takes_the_place_of_the_own(tmp_path: Path, form: str) -> None:
    tokenizer(tmp_path)
    other = {name: array + np.float16(1) for name, array in VAE.items()}
    named = original_vae(other)
    vae = tmp_path / "vae.safetensors"
    match form:
        case "original":
            save(vae, named)
        case "bare original":
            save(vae, {k.removeprefix("first_stage_model."): a for k, a in named.items()})
        case _:
            save(vae, other, {"format": "pt"})
    path = save(tmp_path / "m.safetensors", original("sd1"))
    if form == "folder":
        plan = unpack(open_checkpoint(path), UnpackOptions(vae=vae))
        write_folder(plan, tmp_path / "first")
        vae = tmp_path / "first"
    write_folder(unpack(open_checkpoint(path), UnpackOptions(vae=vae)), tmp_path / "out")
    written = safetensors.numpy.load_file(
        tmp_path / "out" / "vae" / "diffusion_pytorch_model.safetensors"
    )
    assert written.keys() == other.keys()
    assert all(np.array_equal(written[key], array) for key, array in other.items())


def test_a_file_without_a_vae_needs_one(tmp_path: Path) -> None:
    tokenizer(tmp_path)
    arrays = {k: a for k, a in original("sd1").items() if not k.startswith("first_stage_model.")}
    path = save(tmp_path / "m.safetensors", arrays)
    with pytest.raises(BadInputError, match="has no VAE; give one with --vae_path"):
        unpack(open_checkpoint(path), UnpackOptions())
    vae = save(tmp_path / "vae.safetensors", original_vae(VAE))
    assert "vae" in unpack(open_checkpoint(path), UnpackOptions(vae=vae)).parts


def test_what_is_no_vae_is_refused(tmp_path: Path) -> None:
    tokenizer(tmp_path)
    path = save(tmp_path / "m.safetensors", original("sd1"))
    vae = save(tmp_path / "x.safetensors", {"a": np.zeros(1, "f4")})
    with pytest.raises(BadInputError, match=r"x\.safetensors: has no VAE"):
        unpack(open_checkpoint(path), UnpackOptions(vae=vae))


def test_attention_is_upcast_when_asked_or_known(tmp_path: Path) -> None:
    tokenizer(tmp_path)
    path = save(tmp_path / "m.safetensors", original("sd2"))
    for asked, expected in ((None, False), (True, True)):
        options = UnpackOptions(told=TOLD, upcast_attention=asked)
        plan = unpack(open_checkpoint(path), options)
        assert plan.parts["unet"].config["upcast_attention"] is expected
