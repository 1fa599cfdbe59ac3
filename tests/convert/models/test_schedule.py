from __future__ import annotations

from typing import Any

import pytest

from sdcoreml.convert.models.schedule import describe_difference, kept_shares, make_betas

USUAL = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
APPS = "the apps' is scaled_linear from 0.00085 to 0.012"


@pytest.mark.parametrize(
    "scheduler",
    [
        {},
        {"prediction_type": "epsilon"},
        USUAL,
        {**USUAL, "_class_name": "DPMSolverMultistepScheduler", "use_karras_sigmas": True},
        {**USUAL, "beta_end": 1.2e-2, "trained_betas": None, "num_train_timesteps": 1000},
        {**USUAL, "rescale_betas_zero_snr": False, "steps_offset": 0},
        {"_class_name": "LCMScheduler", "beta_start": 0.00085},
    ],
)
def test_the_usual_schedule_is_the_apps_whatever_sampler_is_named(
    scheduler: dict[str, Any],
) -> None:
    assert describe_difference(scheduler) == ""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"beta_schedule": "linear"},
            f"its noise schedule is linear from 0.00085 to 0.012, {APPS}",
        ),
        (
            {"beta_schedule": "squaredcos_cap_v2"},
            f"its noise schedule is squaredcos_cap_v2 from 0.00085 to 0.012, {APPS}",
        ),
        ({"beta_end": 0.02}, f"its noise schedule is scaled_linear from 0.00085 to 0.02, {APPS}"),
        ({"trained_betas": [0.001] * 1000}, f"its noise schedule is betas of its own, {APPS}"),
        (
            {"beta_schedule": "laplace"},
            "its noise schedule is laplace from 0.00085 to 0.012, which is unknown here",
        ),
        (
            {"beta_start": "small"},
            "its noise schedule is scaled_linear from small to 0.012, which is unknown here",
        ),
        (
            {"num_train_timesteps": 500},
            "it was trained with 500 steps of noise, the apps count 1000",
        ),
        (
            {"trained_betas": [0.001] * 20},
            "it was trained with 20 steps of noise, the apps count 1000",
        ),
        (
            {"rescale_betas_zero_snr": True},
            "its noise schedule ends in pure noise (zero terminal SNR), the apps' does not",
        ),
        (
            {"_class_name": "FlowMatchEulerDiscreteScheduler"},
            "it was trained on straight flows (flow matching)",
        ),
        ({"use_flow_sigmas": True}, "it was trained on straight flows (flow matching)"),
        (
            {"_class_name": "EDMEulerScheduler"},
            "it was trained on EDM's continuous noise levels",
        ),
    ],
)
def test_every_other_schedule_is_named(changes: dict[str, Any], expected: str) -> None:
    assert describe_difference({**USUAL, **changes}) == expected


def test_a_config_that_leaves_its_growth_out_means_the_default_of_its_class() -> None:
    said = {"_class_name": "DDIMScheduler", "beta_start": 0.00085, "beta_end": 0.012}
    assert "linear from 0.00085 to 0.012" in describe_difference(said)


def test_the_apps_schedule_is_the_one_that_their_swift_computes() -> None:
    # alphas_cumprod of Apple's own Swift at steps 0, 100 and 999 (golden/swift-runs).
    shares = kept_shares(make_betas("scaled_linear", 0.00085, 0.012))
    assert shares[0] == pytest.approx(0.99915, abs=1e-6)
    assert shares[100] == pytest.approx(0.8942232, abs=1e-6)
    assert shares[999] == pytest.approx(0.0046600, abs=1e-6)


def test_betas_grow_as_published() -> None:
    assert make_betas("linear", 0.0, 1.0, 3) == [0.0, 0.5, 1.0]
    assert make_betas("scaled_linear", 0.0, 1.0, 3) == [0.0, 0.25, 1.0]
    assert make_betas("sigmoid", 0.0, 1.0, 3) == pytest.approx(
        [0.00247262, 0.5, 0.99752738], abs=1e-7
    )
    # 1 - f(t + 1) / f(t) for f(t) = cos((t + 0.008) / 1.008 * pi / 2) ** 2, and 0.999 at most.
    assert make_betas("squaredcos_cap_v2", 0.0, 1.0, 2) == pytest.approx(
        [0.50615641, 0.999], abs=1e-7
    )
