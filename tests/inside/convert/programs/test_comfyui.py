"""UNets for ComfyUI's nodes compute what diffusers' module computes of what the nodes send."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.bundle.comfyui import interface
from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.programs.options import (
    Attention,
    Precision,
    Prediction,
    ProgramOptions,
    Runtime,
)
from sdcoreml.convert.spec.reader import read_package
from sdcoreml.ground.errors import UnsupportedError
from tests.inside.convert.programs.configs import XL
from tests.inside.convert.programs.models import checkpoint

SD1: Mapping[str, Any] = {}
SD2: Mapping[str, Any] = {"attention_head_dim": [2, 4, 8], "use_linear_projection": True}
LCM: Mapping[str, Any] = {"time_cond_proj_dim": 256}
FP32, FP16 = 115, 65
"""The lowest accepted PSNR in dB, in float32 arithmetic and in float16."""


def options(**chosen: Any) -> ProgramOptions:
    return ProgramOptions(runtime=Runtime.COMFYUI, **{"batch": 1, **chosen})


@pytest.mark.parametrize(
    ("component", "changes", "chosen"),
    [
        ("unet", SD1, {}),
        ("unet", SD1, {"attention": Attention.ORIGINAL}),
        ("unet", SD1, {"attention": Attention.SPLIT_EINSUM_V2, "height": 24, "width": 28}),
        ("unet", SD1, {"batch": 3}),
        ("unet", SD1, {"height": 13, "width": 17}),
        ("unet", SD1, {"precision": Precision.FP32}),
        ("unet", SD2, {"batch": 2, "prediction": Prediction.VELOCITY}),
        ("unet", XL, {"attention": Attention.ORIGINAL}),
        ("unet_refiner", SD1, {}),
        ("unet", LCM, {"batch": 2}),
        ("controlled_unet", SD1, {"batch": 2}),
        ("controlled_unet", LCM, {"height": 10, "width": 6}),
    ],
    ids=str,
)
def test_it_computes_what_the_module_computes(
    component: str, changes: Mapping[str, Any], chosen: Mapping[str, Any], tmp_path: Path
) -> None:
    made = checkpoint(component, tmp_path, changes)
    judged = {name: chosen[name] for name in ("prediction",) if name in chosen}
    path = tmp_path / "unet.mlpackage"
    parity = made.check(path, options(**chosen), runtime=Runtime.COMFYUI, **judged)
    assert parity.passed, parity.faults()
    assert parity.psnr(Mode.FP32) >= FP32
    assert parity.psnr(Mode.FP16) >= FP16
    assert parity.key
    described = read_package(path).model.description
    shapes = {port.name: port.shape for port in described.inputs}
    wanted = interface(shapes)
    assert [(port.name, port.shape, (port.dtype,)) for port in described.inputs] == [
        (port.name, port.shape, port.dtypes) for port in wanted.inputs
    ]


def test_one_graph_is_that_of_linear_projections_and_of_convolutions(tmp_path: Path) -> None:
    def key(*, linear: bool) -> str:
        made = checkpoint("unet", tmp_path / f"{linear}", {"use_linear_projection": linear})
        parity = made.check(tmp_path / f"{linear}.mlpackage", options(), runtime=Runtime.COMFYUI)
        assert parity.passed, parity.faults()
        assert parity.psnr(Mode.FP32) >= FP32
        return parity.key

    assert key(linear=True) == key(linear=False) != ""


def test_text_states_are_not_taken_for_another_apps(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path)
    ours = made.check(tmp_path / "a.mlpackage", options(), runtime=Runtime.COMFYUI)
    apples = made.check(tmp_path / "b.mlpackage", ProgramOptions(batch=1))
    assert ours.key != apples.key


def test_no_other_app_sends_a_guidance(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path, LCM)
    with pytest.raises(UnsupportedError, match="guidance embedding"):
        made.build(ProgramOptions())


def test_no_node_makes_a_guidance_of_another_width(tmp_path: Path) -> None:
    made = checkpoint("unet", tmp_path, {"time_cond_proj_dim": 512})
    with pytest.raises(UnsupportedError, match="time_cond_proj_dim=512"):
        made.build(options())
