"""Compares each program with its pinned module, on fixed inputs and several timesteps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from sdcoreml.convert.mil.kinds import Mode
from sdcoreml.convert.programs.options import (
    Attention,
    Precision,
    ProgramOptions,
    Target,
)
from sdcoreml.convert.spec.model import DataType
from tests.inside.convert.programs.configs import CROSS, CROSS_UP, XL
from tests.inside.convert.programs.models import Checkpoint, checkpoint, save


@pytest.mark.parametrize("attention", Attention)
def test_unet(attention: Attention, tmp_path: Path) -> None:
    options = ProgramOptions(attention=attention)
    parity = checkpoint("unet", tmp_path).check(tmp_path / "Unet.mlpackage", options)
    assert parity.passed, parity.faults()
    assert parity.psnr(Mode.FP32) > 120


@pytest.mark.parametrize("component", ["vae_decoder", "vae_encoder", "text_encoder"])
def test_the_other_components(component: str, tmp_path: Path) -> None:
    parity = checkpoint(component, tmp_path).check(tmp_path / "x.mlpackage")
    assert parity.passed, parity.faults()


@pytest.mark.parametrize(
    "component", ["safety_checker", "controlled_unet", "controlnet", "unet_refiner"]
)
def test_what_a_folder_may_hold_beside_them(component: str, tmp_path: Path) -> None:
    options = ProgramOptions(height=16, width=16)
    parity = checkpoint(component, tmp_path).check(tmp_path / "x.mlpackage", options)
    assert parity.passed, parity.faults()
    assert len(parity.audit.placed) == len(parity.audit.sources)
    assert parity.key


@pytest.mark.parametrize("component", ["unet", "unet_refiner"])
def test_sdxl_of_its_own_size_is_judged_by_that_size(component: str, tmp_path: Path) -> None:
    changes = XL if component == "unet" else {}
    options = ProgramOptions(height=16, width=24, states_own_size=True)
    made = checkpoint(component, tmp_path, changes)
    parity = made.check(tmp_path / "x.mlpackage", options, states_own_size=True)
    assert parity.passed, parity.faults()
    unsaid = made.check(tmp_path / "x.mlpackage", options)
    assert not unsaid.passed
    assert unsaid.psnr(Mode.FP32) < 60


@pytest.mark.parametrize(
    "changes",
    [
        {"attention_head_dim": [2, 4, 8], "use_linear_projection": True, "upcast_attention": True},
        {"down_block_types": [CROSS] * 3, "up_block_types": [CROSS_UP] * 3},
        {"transformer_layers_per_block": [1, 2, 3]},
        {"flip_sin_to_cos": False, "freq_shift": 1},
        {"layers_per_block": [1, 2, 2]},
        {"block_out_channels": [64, 32, 96], "norm_num_groups": 16},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_unets_of_other_shapes(changes: Mapping[str, Any], tmp_path: Path) -> None:
    parity = checkpoint("unet", tmp_path, changes).check(tmp_path / "Unet.mlpackage")
    assert parity.passed, parity.faults()


@pytest.mark.parametrize("size", [(16, 24), (12, 4)])
@pytest.mark.parametrize("batch", [1, 2])
def test_any_size_and_batch(size: tuple[int, int], batch: int, tmp_path: Path) -> None:
    options = ProgramOptions(height=size[0], width=size[1], batch=batch, tokens=9)
    unet = checkpoint("unet", tmp_path)
    built = unet.build(options)
    shapes = {feature.name: feature.shape for feature in built.model.description.inputs}
    assert shapes == {
        "sample": (batch, 4, *size),
        "timestep": (batch,),
        "encoder_hidden_states": (batch, 24, 1, 9),
    }
    parity = unet.check(tmp_path / "Unet.mlpackage", options)
    assert parity.passed, parity.faults()


def test_split_einsum_v2_keeps_the_remainder_of_its_pieces(tmp_path: Path) -> None:
    # 24 * 28 = 672 queries = 512 + 160; the upstream converter computes only the first 512.
    options = ProgramOptions(height=24, width=28, attention=Attention.SPLIT_EINSUM_V2)
    unet = checkpoint("unet", tmp_path)
    parity = unet.check(tmp_path / "Unet.mlpackage", options)
    assert parity.passed, parity.faults()
    shapes = {
        result.type.shape  # type: ignore[union-attr]
        for operation in unet.build(options).model.program.functions["main"].block.operations
        if operation.type == "softmax"
        for result in operation.outputs
    }
    assert {(2, 672, 1, 512), (2, 672, 1, 160)} <= shapes


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_act": "gelu"},
        {"eos_token_id": 119, "bos_token_id": 118},
        {"max_position_embeddings": 16},
    ],
    ids=["gelu", "end token", "positions"],
)
def test_text_encoders_of_other_shapes(changes: Mapping[str, Any], tmp_path: Path) -> None:
    parity = checkpoint("text_encoder", tmp_path, changes).check(tmp_path / "x.mlpackage")
    assert parity.passed, parity.faults()


def test_a_shorter_prompt_than_the_model_could_read(tmp_path: Path) -> None:
    options = ProgramOptions(tokens=20)
    parity = checkpoint("text_encoder", tmp_path).check(tmp_path / "x.mlpackage", options)
    assert {figure.output for figure in parity.figures} == {"last_hidden_state", "pooled_outputs"}
    assert all(figure.passed for figure in parity.figures)


FLOAT32 = ["unet", "controlled_unet", "controlnet", "vae_decoder", "vae_encoder", "text_encoder"]


@pytest.mark.parametrize("component", FLOAT32)
def test_float32_programs(component: str, tmp_path: Path) -> None:
    options = ProgramOptions(precision=Precision.FP32, height=16, width=16)
    made = checkpoint(component, tmp_path)
    ports = made.build(options).model.description
    assert {port.dtype for port in (*ports.inputs, *ports.outputs)} == {DataType.FLOAT32}
    parity = made.check(tmp_path / "x.mlpackage", options)
    assert parity.passed, parity.faults()
    assert parity.psnr(Mode.FP32) > 120


@pytest.mark.parametrize("target", tuple(Target)[1:])
@pytest.mark.parametrize("component", ["unet", "vae_decoder", "text_encoder"])
def test_newer_targets(component: str, target: Target, tmp_path: Path) -> None:
    options = ProgramOptions(target=target)
    made = checkpoint(component, tmp_path)
    assert made.build(options).model.specification_version == target.specification
    parity = made.check(tmp_path / "x.mlpackage", options)
    assert parity.passed, parity.faults()


@pytest.mark.parametrize("component", ["vae_decoder", "vae_encoder"])
def test_tensors_named_as_before_diffusers_0_17(component: str, tmp_path: Path) -> None:
    made = checkpoint(component, tmp_path)
    older = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = {}
    for name, tensor in load_file(made.weights).items():
        old = name
        for new, word in older.items():
            old = old.replace(f"attentions.0.{new}.", f"attentions.0.{word}.")
        state[old] = tensor
    assert "decoder.mid_block.attentions.0.query.weight" in state
    renamed = Checkpoint(
        component=component, config=made.config, weights=save(state, tmp_path / "old.safetensors")
    )
    assert renamed.build().model == made.build().model
    parity = renamed.check(tmp_path / "x.mlpackage")
    assert parity.passed, parity.faults()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_checkpoints_of_other_types_are_cast(dtype: torch.dtype, tmp_path: Path) -> None:
    made = checkpoint("vae_decoder", tmp_path)
    other = Checkpoint(
        component="vae_decoder",
        config=made.config,
        weights=save(load_file(made.weights), tmp_path / "other.safetensors", dtype),
    )
    parity = other.check(tmp_path / "x.mlpackage")
    assert parity.passed, parity.faults()
