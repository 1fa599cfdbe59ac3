"""Converts tiny models to whole folders, and checks the folders against the pinned modules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sdcoreml.convert.jobs.opening import open_model, with_refiner
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.jobs.verify import Against, verify
from sdcoreml.convert.worker import Worker
from sdcoreml.doctor.proving.miniature import write_miniature
from tests.convert.stand_ins import finish, finish_all, job_of
from tests.inside.convert.programs.configs import CHECKER, TEXT, UNET, VAE, XL
from tests.inside.convert.programs.models import module

WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"
SMALL: Mapping[str, Any] = {"height": 16, "width": 16}


def make(model: Path, output: Path, **choices: Any) -> Job:
    return job_of(open_model(model), output, "SPLIT_EINSUM", **{**SMALL, **choices})


def programs(folder: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((folder / "manifest.json").read_text())["programs"]
    return found


def worst(entry: Mapping[str, Any], mode: str = "fp32") -> float:
    outputs = entry["checked"]["outputs"]
    return min(float(item["psnr"]) for item in outputs if item["mode"] == mode)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the sample model, with a safety checker added."""
    folder = tmp_path_factory.mktemp("folders") / "sample"
    write_miniature(folder)
    save(folder / "safety_checker", module("safety_checker", CHECKER), CHECKER)
    index = json.loads((folder / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def save(folder: Path, part: torch.nn.Module, config: Mapping[str, Any] | None = None) -> None:
    """Save a component as its library does; `config`, if given, replaces the saved config."""
    part.save_pretrained(folder)
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))


@pytest.fixture(scope="module")
def folder(sample: Path, worker: Worker) -> Path:
    """Convert the sample to all programs that SD 1.x can have, with its UNets in halves."""
    choices = {"chunk": True, "controlled": True, "safety_checker": True}
    return finish(make(sample, sample.with_name("all"), **choices), worker)


def test_halves_and_a_safety_checker_are_proved_with_the_rest(
    folder: Path, sample: Path, worker: Worker
) -> None:
    found = programs(folder)
    assert set(found) == {
        *("TextEncoder", "Unet", "ControlledUnet", "VAEDecoder", "VAEEncoder", "SafetyChecker")
    }
    assert [name for name, entry in found.items() if entry["halves"]] == ["ControlledUnet", "Unet"]
    for entry in found.values():
        assert worst(entry) >= 115
        assert worst(entry, "fp16") >= 65
    again = verify(folder, worker, Against(model=sample, certificates={}, fast=True))
    assert again.passed
    assert again.checked.keys() == found.keys()


def test_both_unets_have_one_weight_file_for_each_half(folder: Path) -> None:
    for number in (1, 2):
        plain, controlled = (
            folder / f"{name}Chunk{number}.mlpackage" / WEIGHTS
            for name in ("Unet", "ControlledUnet")
        )
        assert plain.samefile(controlled)


def test_a_controlnet_gives_what_its_unet_takes(
    folder: Path, tmp_path: Path, worker: Worker
) -> None:
    from diffusers import ControlNetModel, UNet2DConditionModel

    config = json.loads((folder.with_name("sample") / "unet" / "config.json").read_text())
    unet = UNet2DConditionModel.from_config(config)
    torch.manual_seed(4)
    net = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 16, 24, 32))
    for parameter in net.parameters():  # its last layers begin with zeros, which would hide faults
        if not parameter.detach().any():
            torch.nn.init.normal_(parameter, std=0.1)
    save(tmp_path / "sd-canny", net)
    job = make(tmp_path / "sd-canny", tmp_path / "net")
    output = finish(replace(job, beside=folder), worker)
    (name,) = programs(output)
    assert name == "SdCanny-split-einsum_128x128"
    assert worst(programs(output)[name]) >= 115
    assert (output / f"{name}.mlmodelc" / "model.mil").is_file()
    assert verify(output, worker, Against(model=tmp_path / "sd-canny", certificates={})).passed


def test_sizes_and_attentions_share_what_is_compressed_once(
    sample: Path, tmp_path: Path, worker: Worker
) -> None:
    recipe = {"method": "uniform", "bits": 4}
    alone = frozenset({"unet"})  # of the others, one folder proves as much as three
    jobs = [
        replace(make(sample, tmp_path / "a", recipe=recipe), redo=None),
        replace(make(sample, tmp_path / "b", recipe=recipe, width=24), redo=alone),
    ]
    original = job_of(
        jobs[0].model,
        tmp_path / "c",
        "ORIGINAL",
        recipe=recipe,
        controlled=True,
        **SMALL,
    )
    outputs = finish_all([*jobs, replace(original, redo=alone)], worker)
    files = [
        *(output / f"Unet.mlpackage/{WEIGHTS}" for output in outputs),
        outputs[2] / f"ControlledUnet.mlpackage/{WEIGHTS}",
    ]
    assert len({file.stat().st_ino for file in files}) == 1
    for output in outputs:
        assert verify(output, worker).passed
        assert programs(output)["Unet"]["checked"]["audit"]["missing"] == []


def test_one_part_in_float32_and_the_rest_as_they_were(
    sample: Path, tmp_path: Path, worker: Worker
) -> None:
    folder = finish(make(sample, tmp_path / "out"), worker)
    before = {name: entry for name, entry in programs(folder).items() if name[:3] != "VAE"}
    job = make(sample, folder, precision={"vae": "fp32"})
    finish(replace(job, redo=frozenset({"vae"})), worker)
    after = programs(folder)
    assert {name: after[name] for name in before} == {
        name: {**entry, "kept": True} for name, entry in before.items()
    }
    for name in ("VAEDecoder", "VAEEncoder"):
        assert after[name]["options"]["precision"] == "fp32"
        assert worst(after[name]) >= 120
        assert worst(after[name], "fp16") >= 120  # nothing in it is float16
    assert verify(folder, worker, Against(model=sample, certificates={}, fast=True)).passed


@pytest.fixture(scope="module")
def xl(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Path:
    """Convert a tiny SDXL base model together with a refiner."""
    folder = tmp_path_factory.mktemp("xl")
    first, second = TEXT, {**TEXT, "projection_dim": 32}
    base = {"cross_attention_dim": 64, "projection_class_embeddings_input_dim": 32 + 6 * 8}
    refined = {"cross_attention_dim": 32, "projection_class_embeddings_input_dim": 32 + 5 * 8}
    vae = {**VAE, "scaling_factor": 0.13025, "force_upcast": True}
    for name, unet, texts in (
        ("base", {**UNET, **XL, **base}, {"text_encoder": first, "text_encoder_2": second}),
        ("refiner", {**UNET, **XL, **refined}, {"text_encoder_2": second}),
    ):
        parts = {"unet": unet, "vae_decoder": vae, **texts}
        index: dict[str, Any] = {"_class_name": "StableDiffusionXLPipeline"}
        for component, config in parts.items():
            part = component.replace("vae_decoder", "vae")
            made = module(component, config)
            save(folder / name / part, made)
            library = "transformers" if part.startswith("text") else "diffusers"
            index[part] = [library, type(made).__name__]
        tokenizer = folder / name / ("tokenizer" if name == "base" else "tokenizer_2")
        tokenizer.mkdir()
        for file in ("vocab.json", "merges.txt"):
            (tokenizer / file).write_bytes((sample / "tokenizer" / file).read_bytes())
        (folder / name / "model_index.json").write_text(json.dumps(index))
    return folder


def test_sdxl_with_its_refiner_each_told_the_size_that_it_is_for(
    xl: Path, tmp_path: Path, worker: Worker
) -> None:
    model = with_refiner(open_model(xl / "base"), xl / "refiner")
    choices: Mapping[str, Any] = {"refiner": True, "states_own_size": True, **SMALL}
    job = job_of(model, tmp_path / "out", "ORIGINAL", **choices)
    output = finish(job, worker)
    found = programs(output)
    assert set(found) == {
        *("TextEncoder", "TextEncoder2", "Unet", "UnetRefiner", "VAEDecoder", "VAEEncoder")
    }
    for entry in found.values():
        assert worst(entry) >= 115
    assert found["VAEDecoder"]["options"]["precision"] == "fp32"
    assert found["UnetRefiner"]["options"]["states_own_size"] is True
    against = Against(model=xl / "base", refiner=xl / "refiner", certificates={}, fast=True)
    assert verify(output, worker, against).passed
