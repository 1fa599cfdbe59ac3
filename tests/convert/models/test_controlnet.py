"""Which family's UNets a ControlNet steers, and what is no ControlNet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.models.controlnet import is_controlnet, read_controlnet
from sdcoreml.convert.models.family import Family, Task
from tests.convert.stand_ins import write_controlnet


@pytest.mark.parametrize(
    ("config", "family"),
    [
        ({}, Family.SD1),
        ({"use_linear_projection": False}, Family.SD1),
        ({"use_linear_projection": True}, Family.SD2_BASE),
        ({"use_linear_projection": True, "addition_embed_type": None}, Family.SD2_BASE),
        ({"use_linear_projection": True, "addition_embed_type": "text_time"}, Family.SDXL),
    ],
)
def test_its_family_is_that_of_the_unets_that_it_steers(
    config: Mapping[str, Any], family: Family, tmp_path: Path
) -> None:
    net = read_controlnet(write_controlnet(tmp_path / "canny", config))
    assert (net.family, net.task, net.faults) == (family, Task.TEXT_TO_IMAGE, ())
    assert (net.path, net.pipeline) == (tmp_path / "canny", "ControlNetModel")
    assert net.components.keys() == {"controlnet"}
    assert (net.tokenizers, net.scheduler) == ({}, {})


@pytest.mark.parametrize("content", [None, "{", "[]", json.dumps({"_class_name": "UNet"})])
def test_what_says_nothing_of_the_kind_is_none(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    assert not is_controlnet(tmp_path)
    assert is_controlnet(write_controlnet(tmp_path / "canny"))


def test_faults_of_its_files_are_kept(tmp_path: Path) -> None:
    folder = write_controlnet(tmp_path / "canny")
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    assert len(read_controlnet(folder).faults) == 1
