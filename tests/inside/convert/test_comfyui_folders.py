"""Converts tiny models for ComfyUI to whole folders, which are verified against their models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.verify import Against, verify
from sdcoreml.convert.programs.options import Runtime
from sdcoreml.convert.spec.reader import read_package
from sdcoreml.convert.worker import Worker
from sdcoreml.doctor.proving.miniature import write_miniature
from tests.convert.stand_ins import finish, job_of
from tests.inside.convert.programs.models import module

LCM: Mapping[str, Any] = {"time_cond_proj_dim": 256}


@pytest.fixture(scope="module", params=["SD 1.x", "consistency model"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("comfyui") / "tiny.v1"
    write_miniature(folder)
    if request.param == "consistency model":
        config = {**json.loads((folder / "unet/config.json").read_text()), **LCM}
        module("unet", config).save_pretrained(folder / "unet")
        (folder / "unet/diffusion_pytorch_model.safetensors.index.json").unlink(missing_ok=True)
    return folder


def test_a_folder_for_comfyui_is_proved_whole_and_compressed(
    model: Path, tmp_path: Path, worker: Worker
) -> None:
    small: dict[str, Any] = {"height": 16, "width": 17, "batch": 1, "runtime": Runtime.COMFYUI}
    opened = open_model(model)
    jobs = {
        "plain": job_of(opened, tmp_path / "plain", "ORIGINAL", **small),
        "small": job_of(
            opened,
            tmp_path / "small",
            controlled=True,
            recipe={"method": "uniform", "bits": 8},
            **small,
        ),
    }
    for name, job in jobs.items():
        folder = finish(job, worker)
        manifest = json.loads((folder / "manifest.json").read_text())
        ((stem, entry),) = manifest["programs"].items()
        assert stem.startswith("tiny_1x136x128_")
        worst = {one["mode"]: float(one["psnr"]) for one in entry["checked"]["outputs"]}
        assert worst["fp32"] >= 115
        assert worst["fp16"] >= 65
        described = read_package(folder / f"{stem}.mlpackage").model.description
        ports = [port.name for port in described.inputs]
        config = json.loads((model / "unet/config.json").read_text())
        assert ("timestep_cond" in ports) == bool(config.get("time_cond_proj_dim"))
        assert ("additional_residual_0" in ports) == (name == "small")
        again = verify(folder, worker, Against(model=model, certificates={}))
        assert again.faults == ()
