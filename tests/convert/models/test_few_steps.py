from __future__ import annotations

import pytest

from sdcoreml.convert.models.few_steps import find_settings


@pytest.mark.parametrize(
    ("name", "kind", "steps", "guidance"),
    [
        ("sdxl-turbo", "turbo", "1 to 4 (merges: 4 to 8)", "1 (merges: up to 2)"),
        ("DreamShaperXL_Lightning", "lightning", "4 to 8", "1"),
        ("juggernaut lightning 4 step", "lightning", "4", "1"),
        ("sdxl_lightning_8steps_lora", "lightning", "8", "1"),
        ("Hyper-SD15-1step", "hyper", "1", "1"),
        ("hyper_sdxl", "hyper", "1 to 8", "1"),
        ("dreamshaperLCM", "lcm", "4 to 8", "1 to 2"),
        ("my_lcm_merge", "lcm", "4 to 8", "1 to 2"),
        ("sdxl-dmd2", "dmd", "4 to 8", "1"),
        ("pcm_sd15_4step", "pcm", "4", "1 to 3"),
        ("flash-sdxl", "flash", "4", "1"),
        ("sdxs-512-dreamshaper", "sdxs", "1", "1"),
        ("instaflow_0_9b", "perflow", "1 to 8", "1 to 5"),
    ],
)
def test_a_name_tells_what_to_set(name: str, kind: str, steps: str, guidance: str) -> None:
    found = find_settings(name)
    assert found
    assert (found.kind, found.by) == (kind, "its name says")
    assert (found.steps, found.guidance) == (steps, guidance)


@pytest.mark.parametrize(
    "name", ["flashlight", "hyperrealism", "hyper-realistic", "calcmodel", "photo-20steps"]
)
def test_other_names_tell_nothing(name: str) -> None:
    assert find_settings(name) is None


def test_metadata_and_scheduler_tell_it_too() -> None:
    said = find_settings("m", {"modelspec.title": "Juggernaut XL Lightning 4 step"})
    assert said
    assert (said.kind, said.by, said.steps) == ("lightning", "its metadata say", "4")
    for scheduler, kind in (("LCMScheduler", "lcm"), ("TCDScheduler", "tcd")):
        found = find_settings("m", {}, {"_class_name": scheduler})
        assert found
        assert (found.kind, found.by) == (kind, "its scheduler says")
    spaced = find_settings("m", {}, {"timestep_spacing": "trailing"})
    assert spaced
    assert spaced.kind == "turbo or lightning"
    assert find_settings("m", {"ss_comment": "lightning"}, {"timestep_spacing": "leading"}) is None


@pytest.mark.parametrize(
    "key",
    [
        *("modelspec.title", "modelspec.description", "modelspec.merged_from", "sd_merge_models"),
        *("sd_merge_recipe", "ss_output_name", "ss_base_model_name", "ss_sd_model_name"),
    ],
)
def test_these_metadata_name_files(key: str) -> None:
    found = find_settings("m", {key: "sdxl-lightning.safetensors"})
    assert found
    assert (found.kind, found.by) == ("lightning", "its metadata say")


@pytest.mark.parametrize(
    "pipeline", ["LatentConsistencyModelPipeline", "LatentConsistencyModelImg2ImgPipeline"]
)
def test_the_pipeline_tells_it_too(pipeline: str) -> None:
    found = find_settings("m", pipeline=pipeline)
    assert found
    assert found.kind == "lcm"


def test_the_advice_is_one_line_that_says_all_that_there_is_to_set() -> None:
    found = find_settings("sd-lightning")
    assert found
    assert found.advice == (
        "its name says lightning: made for few steps and little guidance; in the app set"
        " DPM-Solver++, 4 to 8 steps, guidance 1"
    )
