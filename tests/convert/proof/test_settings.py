"""Constants that are not weights must equal values of the config or of the pinned module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sdcoreml.convert.parity.drawn import Drawing, draw_without_weights
from sdcoreml.convert.programs.options import ProgramOptions, parse_options
from sdcoreml.convert.proof.settings import settings_faults
from tests.inside.convert.golden import CASES
from tests.inside.convert.programs.configs import CONFIGS, TEXT, UNET, VAE

SMALL = ProgramOptions(height=16, width=16)


def faults(
    drawing: Drawing, component: str, config: Mapping[str, Any], options: ProgramOptions = SMALL
) -> tuple[str, ...]:
    program = drawing.program
    return settings_faults(program.function, program.storage, component, config, options)


@pytest.mark.parametrize("case", CASES)
def test_what_the_builders_draw_has_the_modules_numbers(case: str) -> None:
    made = CASES[case]
    config = {**CONFIGS.get(made.component, TEXT), **made.config}
    options = parse_options(made.options)
    drawing = draw_without_weights(made.component, config, options)
    assert faults(drawing, made.component, config, options) == ()


@pytest.mark.parametrize(
    ("component", "config", "other", "fault"),
    [
        ("unet", UNET, {"norm_eps": 1e-6}, "conv_norm_out has epsilon 1.00136e-05"),
        ("text_encoder", TEXT, {"layer_norm_eps": 1e-6}, "text_model_final_layer_norm has epsilon"),
        ("text_encoder", TEXT, {"hidden_act": "gelu"}, "mul_4 has y 1.70215"),
        (
            "safety_checker",
            CONFIGS["safety_checker"],
            {"vision_config": {"layer_norm_eps": 1e-4}},
            "vision_model_vision_model_pre_layrnorm has epsilon",
        ),
    ],
)
def test_a_program_of_another_config_is_told_by_its_numbers(
    component: str, config: Mapping[str, Any], other: Mapping[str, Any], fault: str
) -> None:
    drawing = draw_without_weights(component, config, SMALL)
    found = faults(drawing, component, {**config, **other})
    assert any(item.startswith(fault) for item in found), found


def test_the_norm_before_a_transformer_has_an_epsilon_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sdcoreml.convert.programs.blocks.GROUPS_EPS", 1e-5)
    found = faults(draw_without_weights("unet", UNET, SMALL), "unet", UNET)
    assert len(found) == 7
    assert all("_attentions_0_norm has" in item or "_attentions_1_norm" in item for item in found)


@pytest.mark.parametrize("component", ["vae_decoder", "vae_encoder"])
def test_an_autoencoders_epsilon_is_not_its_configs(
    component: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {**VAE, "norm_eps": 1e-5}
    monkeypatch.setattr("sdcoreml.convert.programs.vae.EPS", 1e-5)
    found = faults(draw_without_weights(component, VAE, SMALL), component, config)
    assert any("conv_norm_out has epsilon 1.00136e-05" in item for item in found)


def test_a_scale_of_the_latents_is_the_apps_over_the_models() -> None:
    options = ProgramOptions(height=16, width=16, runtime_scale=0.13025)
    drawing = draw_without_weights("vae_decoder", VAE, options)
    assert faults(drawing, "vae_decoder", VAE, options) == ()
    (found,) = faults(drawing, "vae_decoder", {**VAE, "scaling_factor": 0.2}, options)
    assert "has y 0.71507" in found


def test_heads_of_another_width_are_scaled_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sdcoreml.convert.programs.attention.scales", lambda width, _: (width**-0.5 * 1.001, 1.0)
    )
    found = faults(draw_without_weights("unet", UNET, SMALL), "unet", UNET)
    assert found
    assert all(" scales attention scores by " in item for item in found)
