"""Sharp attention, as from trained weights: parity is limited by the module's own precision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.parity.check import FULL, check_component
from sdcoreml.convert.parity.figures import FLOORS, HALF, ROUNDINGS
from sdcoreml.convert.parity.outcome import Parity
from sdcoreml.convert.programs import layers
from tests.inside.convert.programs.configs import CROSS, CROSS_UP
from tests.inside.convert.programs.models import Checkpoint, checkpoint, save

HEADS_OF_40_AND_80 = {
    "block_out_channels": [80, 160],
    "attention_head_dim": 2,
    "down_block_types": [CROSS, CROSS],
    "up_block_types": [CROSS_UP, CROSS_UP],
    "norm_num_groups": 16,
}


def sharp(folder: Path, gain: float) -> Checkpoint:
    """Make a UNet whose attention logits are `gain ** 2` times those of random weights."""
    made = checkpoint("unet", folder, HEADS_OF_40_AND_80)
    state = {name: tensor.float() for name, tensor in load_file(made.weights).items()}
    for name, tensor in state.items():
        if ".to_q." in name or ".to_k." in name:
            tensor.mul_(gain)
    return replace(made, weights=save(state, folder / "sharp.safetensors"))


def check(made: Checkpoint, package: Path, *, lenient: bool) -> Parity:
    options = replace(FULL, lenient=lenient)
    return check_component("unet", package, made.config, made.weights, options)


@pytest.mark.parametrize("gain", [6, 8])
def test_a_module_that_amplifies_roundings_is_not_refused_for_it(tmp_path: Path, gain: int) -> None:
    made = sharp(tmp_path, gain)
    package = made.write(tmp_path / "x.mlpackage")
    assert not check(made, package, lenient=False).passed
    parity = check(made, package, lenient=True)
    assert parity.passed, parity.faults()
    assert parity.own is not None
    assert parity.psnr(Mode.FP32) > parity.own - ROUNDINGS
    assert parity.psnr(Mode.FP16) > parity.own - HALF
    assert parity.proof().as_json()["own"] == pytest.approx(parity.own, abs=0.01)


def test_a_precise_module_is_not_asked_how_precise_it_is(tmp_path: Path) -> None:
    made = sharp(tmp_path, 1)
    parity = check(made, made.write(tmp_path / "x.mlpackage"), lenient=True)
    assert parity.own is None
    assert "own" not in parity.proof().as_json()
    assert {item.mode: item.floor for item in parity.figures} == FLOORS


def test_a_wrong_graph_of_a_sharp_module_is_still_found(tmp_path: Path) -> None:
    made = sharp(tmp_path, 6)
    with pytest.MonkeyPatch.context() as patch:
        right = layers.group_norm
        patch.setattr(
            "sdcoreml.convert.programs.blocks.group_norm",
            lambda g, x, path, groups, eps: right(g, x, path, groups, 10 * eps),
        )
        package = made.write(tmp_path / "x.mlpackage")
    parity = check(made, package, lenient=True)
    assert not parity.passed
    assert parity.psnr(Mode.FP32) < 100


def test_where_half_precision_is_not_enough_that_is_said(tmp_path: Path) -> None:
    made = sharp(tmp_path, 12)  # at 14 float32 is not always enough either
    parity = check(made, made.write(tmp_path / "x.mlpackage"), lenient=True)
    assert [item.mode for item in parity.figures if not item.passed] == [Mode.FP16]
    assert parity.complaint().endswith("convert with --precision unet=fp32")
