from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sdcoreml.convert.drawing.choices import Method, Spacing
from sdcoreml.convert.drawing.schedules import Singles
from sdcoreml.convert.drawing.solvers import Scheduler, add_noise, open_scheduler, remaining
from tests.convert.drawing.swift import RUNS

PLACES = np.arange(24)
LATENT = np.float32(1.3 * np.sin(1.7 * PLACES))
PICTURE = np.float32(0.8 * np.cos(0.9 * PLACES))


def predict(latent: Singles, timestep: int) -> Singles:
    """Return what the invented model of the recorded runs predicts."""
    exact = 0.6 * np.tanh(np.float64(latent)) + 0.3 * np.cos(0.01 * timestep + PLACES)
    found: Singles = exact.astype(np.float32)
    return found


def scheduler(case: dict[str, Any]) -> Scheduler:
    if case["kind"] == "pndm":
        return open_scheduler(Method.PNDM, Spacing.LINSPACE, case["steps"])
    return open_scheduler(Method.DPM, Spacing(case["kind"]), case["steps"])


def near(values: list[float]) -> Any:
    """Return what equals these values, up to a hundred-thousandth of the largest."""
    return pytest.approx(values, rel=0, abs=1e-5 * max(map(abs, values)))


def name(case: dict[str, Any]) -> str:
    return "-".join(str(case[key]) for key in ("kind", "steps", "strength") if key in case)


@pytest.mark.parametrize("case", RUNS["runs"], ids=name)
def test_latents_are_those_of_swift(case: dict[str, Any]) -> None:
    solver, latent, latents = scheduler(case), LATENT, []
    for timestep in solver.levels.timesteps:
        latent = solver.step(predict(latent, timestep), timestep, latent)
        latents.append(latent)
    assert latents[0][:8] == near(case["first"])
    assert latents[-1][:8] == near(case["last"])
    assert solver.clean[:8] == near(case["clean"])
    assert {one.dtype for one in latents} == {np.dtype(np.float32)}


@pytest.mark.parametrize("case", RUNS["img2img"], ids=name)
def test_a_picture_is_changed_as_by_swift(case: dict[str, Any]) -> None:
    solver = scheduler(case)
    steps = remaining(solver.levels, case["steps"], case["strength"])
    latent = add_noise(steps[0], PICTURE, LATENT)
    assert latent[:8] == near(case["noisy"])
    for timestep in steps:
        latent = solver.step(predict(latent, timestep), timestep, latent)
    assert latent[:8] == near(case["last"])
    assert solver.clean[:8] == near(case["clean"])


def test_the_last_step_of_karras_changes_nothing() -> None:
    solver, latent = open_scheduler(Method.DPM, Spacing.KARRAS, 20), LATENT
    for timestep in solver.levels.timesteps[:-1]:
        latent = solver.step(predict(latent, timestep), timestep, latent)
    assert np.array_equal(solver.step(predict(latent, 0), 0, latent), latent)
