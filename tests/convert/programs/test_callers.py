"""What a UNet takes from each runtime: names, shapes and types, as drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sdcoreml.convert.programs import draw
from sdcoreml.convert.programs.callers import CALLERS
from sdcoreml.convert.programs.options import Precision, ProgramOptions, Runtime
from sdcoreml.ground.errors import UnsupportedError

CROSS, PLAIN = "CrossAttnDownBlock2D", "DownBlock2D"
UNET: Mapping[str, Any] = {
    "sample_size": 8,
    "block_out_channels": [32, 64],
    "layers_per_block": 1,
    "down_block_types": [CROSS, PLAIN],
    "cross_attention_dim": 24,
    "attention_head_dim": 4,
}
LCM: Mapping[str, Any] = {**UNET, "time_cond_proj_dim": 256}

Ports = dict[str, tuple[tuple[int, ...], str]]


def ports(component: str, config: Mapping[str, Any], **chosen: Any) -> Ports:
    features = draw(component, config, ProgramOptions(**chosen)).graph.features
    return {one.name: (one.shape, one.dtype.name if one.dtype else "") for one in features}


def test_every_runtime_has_a_caller() -> None:
    assert set(CALLERS) == set(Runtime)


def test_swift_sends_states_with_the_tokens_last() -> None:
    assert ports("unet", UNET) == {
        "sample": ((2, 4, 8, 8), "FLOAT16"),
        "timestep": ((2,), "FLOAT16"),
        "encoder_hidden_states": ((2, 24, 1, 77), "FLOAT16"),
    }


@pytest.mark.parametrize("precision", Precision)
def test_comfyui_sends_states_with_the_tokens_in_the_middle(precision: Precision) -> None:
    made = ports("unet", UNET, runtime=Runtime.COMFYUI, batch=1, precision=precision)
    assert made == {
        "sample": ((1, 4, 8, 8), "FLOAT16"),
        "timestep": ((1,), "FLOAT16"),
        "encoder_hidden_states": ((1, 77, 24), "FLOAT16"),
    }


def test_a_guidance_comes_before_the_residuals_of_rounded_up_maps() -> None:
    chosen: dict[str, Any] = {"runtime": Runtime.COMFYUI, "batch": 3, "height": 7, "width": 5}
    made = ports("controlled_unet", LCM, precision=Precision.FP32, **chosen)
    assert list(made.items())[3:] == [
        ("timestep_cond", ((3, 256), "FLOAT16")),
        ("additional_residual_0", ((3, 32, 7, 5), "FLOAT16")),
        ("additional_residual_1", ((3, 32, 7, 5), "FLOAT16")),
        ("additional_residual_2", ((3, 32, 4, 3), "FLOAT16")),
        ("additional_residual_3", ((3, 64, 4, 3), "FLOAT16")),
        ("additional_residual_4", ((3, 64, 4, 3), "FLOAT16")),
    ]


def test_the_guidance_is_projected_without_a_bias() -> None:
    drawn = draw("unet", LCM, ProgramOptions(runtime=Runtime.COMFYUI)).graph.declared
    assert drawn["time_embedding.cond_proj.weight"] == (32, 256, 1, 1)
    assert "time_embedding.cond_proj.bias" not in drawn


def test_swift_sends_no_guidance_and_has_no_sizes_that_cannot_be_halved() -> None:
    with pytest.raises(UnsupportedError, match="only ComfyUI's nodes feed one, of 256"):
        draw("unet", LCM, ProgramOptions())
    with pytest.raises(UnsupportedError, match="cannot be halved 1 times"):
        draw("unet", UNET, ProgramOptions(height=7))
