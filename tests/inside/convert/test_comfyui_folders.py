"""Converts tiny models for ComfyUI to whole folders, which are verified against their models."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.certificates.store import load
from sdcoreml.convert.jobs.manifest import read_manifest
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.prove import ProofPolicy
from sdcoreml.convert.jobs.steps import convert_models
from sdcoreml.convert.jobs.unpacked import prepare_model
from sdcoreml.convert.jobs.verify import Against, verify
from sdcoreml.convert.jobs.workshop import Workshop
from sdcoreml.convert.models.ingredients import Ingredients
from sdcoreml.convert.models.unpack import UnpackOptions
from sdcoreml.convert.programs.options import Runtime
from sdcoreml.convert.spec.reader import read_package
from sdcoreml.convert.worker import Worker
from sdcoreml.doctor.proving.miniature import write_miniature
from sdcoreml.ground.events import silent
from tests.convert.stand_ins import MADE_IN, finish, job_of
from tests.inside.convert.programs.models import module

LIGHT = os.environ.get("SDCOREML_LIGHT_PYTHON", "")
"""The interpreter of `light`, set by the runner."""

LCM: Mapping[str, Any] = {"time_cond_proj_dim": 256}


def write(folder: Path, changes: Mapping[str, Any]) -> Path:
    """Write a tiny model, with these changes to its UNet's config."""
    write_miniature(folder)
    config = {**json.loads((folder / "unet/config.json").read_text()), **changes}
    for path in (folder / "unet").iterdir():
        path.unlink()
    module("unet", config).save_pretrained(folder / "unet")
    return folder


@pytest.mark.parametrize(
    ("changes", "choices", "extra"),
    [
        ({}, {"attention": "ORIGINAL"}, set()),
        (
            LCM,
            {"controlled": True, "recipe": {"method": "uniform", "bits": 8}},
            {"timestep_cond", "additional_residual_0"},
        ),
    ],
    ids=["plain", "consistency model for ControlNets, compressed"],
)
def test_a_folder_for_comfyui_is_proved(
    changes: Mapping[str, Any],
    choices: Mapping[str, Any],
    extra: set[str],
    tmp_path: Path,
    worker: Worker,
) -> None:
    model = write(tmp_path / "tiny.v1", changes)
    small: dict[str, Any] = {"height": 16, "width": 17, "batch": 1, "runtime": Runtime.COMFYUI}
    folder = finish(job_of(open_model(model), tmp_path / "out", **{**small, **choices}), worker)
    manifest = json.loads((folder / "manifest.json").read_text())
    ((stem, entry),) = manifest["programs"].items()
    assert stem.startswith("tiny_1x136x128_")
    worst = {one["mode"]: float(one["psnr"]) for one in entry["checked"]["outputs"]}
    assert worst["fp32"] >= 115
    assert worst["fp16"] >= 65
    described = read_package(folder / f"{stem}.mlpackage").model.description
    assert extra == {"timestep_cond", "additional_residual_0"} & {
        port.name for port in described.inputs
    }
    again = verify(folder, worker, Against(model=model, certificates={}, fast=True))
    assert again.faults == ()


@pytest.mark.parametrize(
    ("choices", "by", "title"),
    [
        ({"attention": "ORIGINAL"}, "certificate", ""),
        ({"attention": "SPLIT_EINSUM_V2", "controlled": True}, "certificate", ""),
        ({"height": 24, "width": 16, "batch": 5}, "likeness", "SPLIT_EINSUM, 256x256, macOS13"),
        ({"height": 25, "width": 16}, "", ""),
    ],
    ids=["plain", "for ControlNets", "other shapes", "padded maps"],
)
@pytest.mark.skipif(not LIGHT, reason="light is a part of tested alone")
def test_without_torch_a_certificate_proves_it(
    choices: Mapping[str, Any], by: str, title: str, tmp_path: Path
) -> None:
    write_miniature(tmp_path / "tiny")
    small = {"height": 32, "width": 32, "batch": 1, "runtime": Runtime.COMFYUI}
    policy = ProofPolicy(certificates=load(), reason="light has no torch")
    workshop = Workshop(runner=Worker(python=Path(LIGHT)), toolchain=MADE_IN, policy=policy)
    job = job_of(open_model(tmp_path / "tiny"), tmp_path / "out", **{**small, **choices})
    (folder,) = convert_models([job], workshop, silent)
    (program,) = read_manifest(folder).programs.values()
    proof = program.checked
    assert (proof.certificate is not None) == (by == "certificate")
    assert proof.unchecked == ("" if by == "certificate" else "light has no torch")
    assert (proof.sibling.title if proof.sibling else "") == (
        f"the miniature for ComfyUI, {title}" if by == "likeness" else ""
    )


@pytest.mark.parametrize("form", ["a file", "a folder"])
def test_a_unet_alone_is_enough(form: str, tmp_path: Path, worker: Worker) -> None:
    given = write(tmp_path / "tiny", LCM) / "unet"
    if form == "a file":
        (found,) = given.glob("*.safetensors")
        given = found.rename(tmp_path / "dream.safetensors")
    ingredients = Ingredients(model=given, unpacking=UnpackOptions(only_unet=True))
    small: dict[str, Any] = {"height": 16, "width": 16, "batch": 1, "runtime": Runtime.COMFYUI}
    with prepare_model(ingredients, tmp_path) as model:
        folder = finish(job_of(model, tmp_path / "out", **small), worker)
    ((stem, entry),) = json.loads((folder / "manifest.json").read_text())["programs"].items()
    name = "tiny" if form == "a folder" else "dream"  # all folders of a UNet are called unet
    assert stem == f"{name}_1x128x128_se_unet"
    assert min(float(one["psnr"]) for one in entry["checked"]["outputs"]) >= 65
    ports = read_package(folder / f"{stem}.mlpackage").model.description.inputs
    assert "timestep_cond" in {port.name for port in ports}
    again = verify(folder, worker, Against(model=given, certificates={}, fast=True))
    assert again.faults == ()
