from __future__ import annotations

from dataclasses import replace

import pytest

from sdcoreml.doctor.core.estimate import (
    estimate,
    estimate_checking,
    estimate_making,
    estimate_memory,
    estimate_time,
    estimate_wall_time,
)
from sdcoreml.doctor.core.facts import Absent, Unknown
from sdcoreml.doctor.gather.toolchain import list_certified, toolchain
from tests.doctor.healthy import HEALTHY, MODEL, SYSTEM, TOOLCHAIN, part

GOAL = HEALTHY.goal
BUILD = 0.01 * (860 + 84 + 123)
CHECK = 0.4 * 860 + 2.0 * 84


@pytest.mark.parametrize(
    ("height", "width", "area"),
    [(0, 0, 1.0), (512, 512, 1.0), (768, 512, 1.5), (0, 1024, 2.0), (256, 256, 0.25)],
)
def test_checking_takes_longer_for_larger_images(height: int, width: int, area: float) -> None:
    seconds = estimate_checking(MODEL, replace(GOAL, height=height, width=width), TOOLCHAIN)
    assert seconds == pytest.approx(0.1 * 123 + area * CHECK)


def test_a_model_s_own_size_is_the_default() -> None:
    _, *others = MODEL.components
    wide = part("unet", parameters=860_000_000, sample=96)
    seconds = estimate_checking(replace(MODEL, components=(wide, *others)), GOAL, TOOLCHAIN)
    assert seconds == pytest.approx(0.1 * 123 + 2.25 * CHECK)


def test_a_second_text_encoder_counts_as_one_and_what_is_not_needed_does_not() -> None:
    more = replace(
        MODEL,
        needed=("text_encoder", "text_encoder_2"),
        components=(*MODEL.components, part("text_encoder_2", parameters=700_000_000)),
    )
    assert estimate_checking(more, GOAL, TOOLCHAIN) == pytest.approx(0.1 * (123 + 700))
    assert estimate_making(more, GOAL, TOOLCHAIN) == pytest.approx(0.01 * (123 + 700))


def test_for_comfyui_only_the_unet_is_made_and_by_certificates_of_its_own() -> None:
    comfyui = replace(GOAL, is_for_comfyui=True, attention="ORIGINAL")
    assert estimate_making(MODEL, comfyui, TOOLCHAIN) == pytest.approx(0.01 * 860)
    assert estimate_checking(MODEL, comfyui, TOOLCHAIN) == pytest.approx(0.4 * 860)
    known = replace(TOOLCHAIN, certified=list_certified())
    unet = part("unet", parameters=859_520_964)
    others = (one for one in MODEL.components if one.name != "unet")
    model = replace(MODEL, components=(unet, *others))
    assert estimate_checking(model, comfyui, known) == 0
    wide = replace(comfyui, width=768)
    assert "unet: Stable Diffusion 1.x, ORIGINAL, 768x512" in known.certified
    assert estimate_checking(model, wide, known) == pytest.approx(0.4 * 859.5 * 0.1, rel=1e-3)


def test_no_time_is_said_where_nobody_measured() -> None:
    unmeasured = replace(TOOLCHAIN, rates={"unet": 0.4})
    assert estimate_time(MODEL, GOAL, unmeasured, 1) == 0.0
    part_of_it = replace(TOOLCHAIN, rates={"build": 0.01, "unet": 0.4})
    assert estimate_time(MODEL, GOAL, part_of_it, 1) == 0.0
    assert len(estimate(replace(HEALTHY, toolchain=unmeasured))) == 2
    assert len(estimate(replace(HEALTHY, system=Unknown(reason="?")))) == 2
    assert estimate(replace(HEALTHY, model=Absent(reason="none given"))) == ()


SD15 = replace(
    MODEL,
    components=(
        part("unet", parameters=859_520_964),
        part("vae", parameters=83_653_863),
        part("text_encoder", parameters=123_060_557),
    ),
)
CERTIFIED = replace(
    TOOLCHAIN,
    certified=(
        "text_encoder: Stable Diffusion 1.x",
        "unet: Stable Diffusion 1.x, SPLIT_EINSUM, 512x512",
        "vae_decoder: Stable Diffusion 1.x, 512x512",
        "vae_encoder: Stable Diffusion 1.x, 512x512",
    ),
    rates={**TOOLCHAIN.rates, "audit": 0.01},
)


def test_what_is_certified_is_built_and_audited_and_not_run() -> None:
    assert estimate_checking(SD15, GOAL, CERTIFIED) == 0
    assert estimate_time(SD15, GOAL, CERTIFIED, 8) == pytest.approx(0.02 * 1066.2, rel=1e-3)
    other = replace(GOAL, attention="ORIGINAL")
    assert estimate_checking(SD15, other, CERTIFIED) == pytest.approx(0.4 * 859.5, rel=1e-3)
    larger = replace(GOAL, height=768)
    assert estimate_checking(SD15, larger, CERTIFIED) == pytest.approx(
        0.1 * (0.4 * 859.5 + 2.0 * 83.65), rel=1e-3
    )
    pieces = ("unet: Stable Diffusion 1.x, SPLIT_EINSUM_V2, 512x512", *CERTIFIED.certified)
    v2 = replace(larger, attention="SPLIT_EINSUM_V2")
    assert estimate_checking(SD15, v2, replace(CERTIFIED, certified=pieces)) == pytest.approx(
        1.5 * 0.4 * 859.5 + 0.1 * 2.0 * 83.65, rel=1e-3
    )
    small = replace(SD15, components=(part("unet", parameters=9_000_000), *SD15.components[1:]))
    assert estimate_checking(small, GOAL, CERTIFIED) == pytest.approx(
        0.4 * 9 + 2.0 * 83.65 + 0.1 * 123.06, rel=1e-3
    )


def test_what_is_certified_takes_the_memory_of_its_making() -> None:
    peaks = {**PEAKS, "certified_base": 250e6, "certified_parameter": 0.05}
    measured = replace(CERTIFIED, peaks=peaks)
    assert estimate_memory(SD15, GOAL, measured) == pytest.approx(293e6, rel=1e-2)
    other = replace(GOAL, attention="ORIGINAL")
    assert estimate_memory(SD15, other, measured) == pytest.approx(
        400e6 + 2 * 859.5e6 + 500e6, rel=1e-3
    )


def test_sd15_is_told_as_it_was_measured() -> None:
    """Regression: a job that took 20 s and 0.3 GB was estimated at 5 minutes and 3.2 GB."""
    tested = toolchain("tested", list_certified())
    assert 15 < estimate_time(SD15, GOAL, tested, 2) < 30
    assert estimate_memory(SD15, GOAL, tested) < 4 * 10**8


@pytest.mark.parametrize(
    ("cores", "words"),
    [(1, "about 9 minutes on 1 core"), (2, "about 5 minutes on 2 cores")],
)
def test_the_cores_share_the_work(cores: int, words: str) -> None:
    system = replace(SYSTEM, cores=cores)
    assert estimate(replace(HEALTHY, system=system))[-1] == words


def test_it_is_said_on_what_was_measured() -> None:
    toolchain = replace(TOOLCHAIN, measured_on="AMD EPYC, 2 cores", parallel=0.5)
    assert estimate(replace(HEALTHY, toolchain=toolchain))[-1] == (
        "about 5 minutes on 8 cores (measured on AMD EPYC, 2 cores)"
    )


@pytest.mark.parametrize(
    ("cores", "parallel", "seconds"),
    [(1, 0.9, 100), (2, 0.9, 55), (8, 0.9, 21.25), (8, 1.0, 12.5), (8, 0.0, 100)],
)
def test_only_what_runs_on_all_cores_gets_shorter(
    cores: int, parallel: float, seconds: float
) -> None:
    assert estimate_wall_time(100, cores, parallel) == pytest.approx(seconds)
    assert estimate_wall_time(100, 200, parallel) == estimate_wall_time(100, 16, parallel), (
        "then memory is the limit"
    )


def test_a_toolchain_without_torch_only_builds() -> None:
    light = replace(TOOLCHAIN, pins={"coremltools": "7.2"}, rates={"build": 0.01})
    assert estimate_time(MODEL, GOAL, light, 8) == pytest.approx(BUILD)


PEAKS = {"base": 400e6, "parameter": 2.0, "vae": 1000e6, "unet": 500e6}


@pytest.mark.parametrize(
    ("side", "expected"),
    [(512, 400e6 + 2 * 860e6 + 500e6), (1024, 400e6 + 2 * 84e6 + 4000e6)],
)
def test_memory_is_that_of_the_part_which_takes_the_most(side: int, expected: float) -> None:
    measured = replace(TOOLCHAIN, peaks=PEAKS)
    goal = replace(GOAL, height=side, width=side)
    assert estimate_memory(MODEL, goal, measured) == int(expected)


def test_without_measured_peaks_memory_is_a_factor_of_the_size() -> None:
    assert estimate_memory(MODEL, GOAL, TOOLCHAIN) == 2 * 10**9
    assert estimate_memory(replace(MODEL, components=()), GOAL, TOOLCHAIN) == 0
    nothing = replace(MODEL, components=())
    assert estimate_memory(nothing, GOAL, replace(TOOLCHAIN, peaks=PEAKS)) == 0


@pytest.mark.parametrize("name", ["tested", "light"])
def test_every_toolchain_knows_every_part_of_sd15(name: str) -> None:
    facts = toolchain(name)
    assert estimate_time(MODEL, GOAL, facts, 2) > 0
    assert 10**8 < estimate_memory(MODEL, GOAL, facts) < 10**10
    assert "cores" in facts.measured_on


def test_the_parts_of_a_single_file_are_told_as_those_of_a_folder() -> None:
    file = replace(MODEL, kind="single-file", components=(part("checkpoint"), *MODEL.components))
    measured = replace(TOOLCHAIN, peaks=PEAKS)
    assert estimate_memory(file, GOAL, measured) == estimate_memory(MODEL, GOAL, measured)
    assert estimate_time(file, GOAL, measured, 2) == estimate_time(MODEL, GOAL, measured, 2)


def test_a_single_file_of_unknown_parts_is_told_by_its_size() -> None:
    file = replace(MODEL, kind="single-file", needed=(), components=(part("checkpoint"),))
    assert estimate_memory(file, GOAL, replace(TOOLCHAIN, peaks=PEAKS)) == 2 * 10**9
    assert estimate_time(file, GOAL, TOOLCHAIN, 2) == 0.0
