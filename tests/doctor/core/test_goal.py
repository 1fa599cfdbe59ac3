from __future__ import annotations

from dataclasses import replace

import pytest

from sdcoreml.doctor.checks import CHECKS
from sdcoreml.doctor.core.check import CheckFamily
from sdcoreml.doctor.core.engine import GoalVerdict, examine
from sdcoreml.doctor.core.facts import (
    Absent,
    Facts,
    Unknown,
)
from sdcoreml.doctor.core.goal import conclude, relevant
from tests.doctor.healthy import BUNDLE, HEALTHY, TOOLCHAIN, features, program
from tests.doctor.specimens import NOT_BUILT, SICK


def judged(goal: str, facts: Facts) -> GoalVerdict:
    (verdict,) = conclude(examine(facts, CHECKS), facts, CHECKS, goals=(goal,)).verdicts
    return verdict


def test_a_healthy_machine_can_convert_and_what_it_takes() -> None:
    verdict = judged("convert", HEALTHY)
    assert verdict.answer == "yes"
    assert verdict.sentence == "this machine can convert sd15"
    assert verdict.needs == (
        "about 6.0 GB of disk",
        "about 2.0 GB of memory",
        "about 1 minute on 8 cores",
    )


def test_an_error_says_no_and_which() -> None:
    verdict = judged("convert", SICK["PIN001"])
    assert (verdict.answer, verdict.because) == ("no", ("PIN001", "PIN002", "PIN005"))
    assert verdict.sentence == "this machine cannot convert sd15"
    assert verdict.needs == ()


def test_an_error_elsewhere_does_not_stand_in_the_way() -> None:
    assert judged("env", SICK["PIN001"]).answer == "yes"
    assert judged("env", SICK["SYS001"]).answer == "no"
    assert judged("env", SICK["PY002"]).answer == "yes", "a new one is built beside it"
    assert judged("env", SICK["PY003"]).answer == "yes", "it is obtained on the way"


def test_the_upstream_converter_s_checkout_does_not_stand_in_the_way() -> None:
    assert judged("convert", SICK["GIT003"]).answer == "yes"
    silent = replace(HEALTHY, git=Unknown(reason="git did not answer within 5 s"))
    assert judged("convert", silent).answer == "yes"


def test_a_warning_does_not_stand_in_the_way() -> None:
    assert judged("convert", SICK["MOD002"]).answer == "yes", "shards are merged on the way"
    assert judged("convert", SICK["ENV001"]).answer == "yes", "the environment is built on the way"


def test_what_could_not_be_looked_at_is_not_a_yes() -> None:
    facts = replace(HEALTHY, environment=Unknown(reason="slow disk"))
    verdict = judged("convert", facts)
    assert verdict.answer == "unknown"
    assert "PIN001" in verdict.because


def test_without_a_model_nothing_is_estimated() -> None:
    facts = replace(
        HEALTHY, model=Absent(reason="no model given"), goal=replace(HEALTHY.goal, model="")
    )
    verdict = judged("convert", facts)
    assert verdict.sentence == "this machine can convert a Stable Diffusion folder"
    assert verdict.needs == ()


@pytest.mark.parametrize("goal", ["env", "convert", "bundle"])
def test_preflight_runs_what_matters_for_the_goal(goal: str) -> None:
    families = {check.family for check in relevant(goal, CHECKS)}
    assert (CheckFamily.MODEL in families) is (goal == "convert")


def test_environments_of_another_size_are_judged_by_the_toolchain() -> None:
    huge = replace(TOOLCHAIN, installed_bytes=10**15)
    facts = replace(HEALTHY, toolchain=huge, environment=NOT_BUILT)
    assert judged("env", facts).because == ("DSK002",)


@pytest.mark.parametrize(
    ("goal", "facts", "sentence"),
    [
        ("env", HEALTHY, "this machine can build the tested environment"),
        (
            "env",
            replace(HEALTHY, toolchain=replace(TOOLCHAIN, name="current")),
            "this machine can build the environment current",
        ),
        (
            "bundle",
            HEALTHY,
            "this folder can be opened by MochiDiffusion and Apple's Swift package",
        ),
        (
            "bundle",
            SICK["BUN001"],
            "this folder cannot be opened by MochiDiffusion and Apple's Swift package",
        ),
        (
            "convert",
            replace(HEALTHY, environment=Unknown(reason="slow")),
            "whether this machine can convert sd15 could not be established",
        ),
    ],
)
def test_verdicts_are_sentences(goal: str, facts: Facts, sentence: str) -> None:
    assert judged(goal, facts).sentence == sentence


def test_packages_can_be_opened_once_they_are_compiled() -> None:
    packages = tuple(replace(one, container=".mlpackage") for one in BUNDLE.programs)
    verdict = judged("bundle", replace(HEALTHY, bundle=replace(BUNDLE, programs=packages)))
    assert verdict.sentence.endswith("Apple's Swift package, once it is compiled")


def test_what_it_takes_is_said_of_a_conversion_that_can_be_done() -> None:
    for goal in ("env", "bundle"):
        assert judged(goal, HEALTHY).needs == ()


def test_a_unet_for_comfyui_is_opened_there_as_it_is() -> None:
    shapes = {"sample": (1, 4, 64, 64), "timestep": (1,), "encoder_hidden_states": (1, 77, 768)}
    unet = program("m_1x512x512_se_unet", inputs=features(shapes), container=".mlpackage")
    verdict = judged("bundle", replace(HEALTHY, bundle=replace(BUNDLE, programs=(unet,))))
    assert verdict.sentence == (
        "this folder can be opened by ComfyUI, with the nodes ComfyUI-CoreMLSuite"
    )
