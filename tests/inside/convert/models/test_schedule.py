"""Compares noise schedules with the betas of the pinned diffusers' own schedulers."""

from __future__ import annotations

from typing import Any

import diffusers
import pytest

from sdcoreml.convert.models.schedule import (
    DEFAULTS,
    describe_difference,
    kept_shares,
    make_betas,
)

CLASSES = (
    "DDIMScheduler",
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LCMScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
)


@pytest.mark.parametrize("growth", ["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"])
def test_every_growth_is_theirs(growth: str) -> None:
    config = {"beta_schedule": growth, "beta_start": 0.00085, "beta_end": 0.012}
    theirs = diffusers.DDPMScheduler.from_config(config).alphas_cumprod
    ours = kept_shares(make_betas(growth, 0.00085, 0.012))
    assert ours == pytest.approx(theirs.tolist(), abs=1e-5)


@pytest.mark.parametrize("name", CLASSES)
def test_every_default_is_theirs(name: str) -> None:
    scheduler: Any = getattr(diffusers, name)()
    first, last, growth = DEFAULTS.get(name, (0.0001, 0.02, "linear"))
    said = scheduler.config
    assert (said.beta_start, said.beta_end, said.beta_schedule) == (first, last, growth)


@pytest.mark.parametrize("name", CLASSES)
def test_the_schedule_of_published_models_is_the_apps(name: str) -> None:
    published = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    scheduler: Any = getattr(diffusers, name).from_config(published)
    assert describe_difference({"_class_name": name, **scheduler.config}) == ""
