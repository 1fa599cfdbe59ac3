from __future__ import annotations

from dataclasses import replace

import pytest

from doctor.estimate import estimate, processor_time
from doctor.facts import Absent, Unknown
from doctor.gather.toolchain import toolchain
from tests.doctor.healthy import HEALTHY, MODEL, SYSTEM, TOOLCHAIN, part

JOB = HEALTHY.job
BUILD = 0.01 * (860 + 84 + 123)
CHECK = 0.4 * 860 + 2.0 * 84


@pytest.mark.parametrize(
    ("height", "width", "area"),
    [(0, 0, 1.0), (512, 512, 1.0), (768, 512, 1.5), (0, 1024, 2.0), (256, 256, 0.25)],
)
def test_checking_takes_longer_for_larger_images(height: int, width: int, area: float) -> None:
    seconds = processor_time(MODEL, replace(JOB, height=height, width=width), TOOLCHAIN)
    assert seconds == pytest.approx(BUILD + 0.1 * 123 + area * CHECK)


def test_a_model_s_own_size_is_the_default() -> None:
    _, *others = MODEL.components
    wide = part("unet", parameters=860_000_000, sample=96)
    seconds = processor_time(replace(MODEL, components=(wide, *others)), JOB, TOOLCHAIN)
    assert seconds == pytest.approx(BUILD + 0.1 * 123 + 2.25 * CHECK)


def test_a_second_text_encoder_counts_as_one_and_what_is_not_needed_does_not() -> None:
    more = replace(
        MODEL,
        needed=("text_encoder", "text_encoder_2"),
        components=(*MODEL.components, part("text_encoder_2", parameters=700_000_000)),
    )
    assert processor_time(more, JOB, TOOLCHAIN) == pytest.approx(0.11 * (123 + 700))


def test_no_time_is_said_where_nobody_measured() -> None:
    unmeasured = replace(TOOLCHAIN, rates={"unet": 0.4})
    assert processor_time(MODEL, JOB, unmeasured) == 0.0
    assert len(estimate(replace(HEALTHY, toolchain=unmeasured))) == 2
    assert len(estimate(replace(HEALTHY, system=Unknown(unknown="?")))) == 2
    assert estimate(replace(HEALTHY, model=Absent(absent="none given"))) == ()


@pytest.mark.parametrize(
    ("cores", "words"),
    [(1, "about 9 minutes on 1 core"), (2, "about 4 minutes on 2 cores")],
)
def test_the_cores_share_the_work(cores: int, words: str) -> None:
    system = replace(SYSTEM, cores=cores)
    assert estimate(replace(HEALTHY, system=system))[-1] == words


def test_the_tested_toolchain_knows_every_part_of_sd15() -> None:
    assert processor_time(MODEL, JOB, toolchain("tested")) > 0
