from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdcoreml.doctor.studio.bench import Bench
from sdcoreml.doctor.studio.remedies import in_window
from tests.convert.models.test_single_file import original, save
from tests.doctor.studio.models import MODELS, examined


@pytest.mark.parametrize(
    ("remedy", "key", "group"),
    [
        ("give one with --vae", "remedy.choose", "choice.vae"),
        (
            "give --prediction_type epsilon (the 512 base) or v_prediction (the 768 model)",
            "remedy.choose",
            "choice.prediction-type",
        ),
        ("choose --bits 6 or --bits 8", "remedy.choose", "choice.bits"),
        ("`sdcoreml convert MODEL --vae '/a b/vae'`", "remedy.belongs", "choice.vae"),
        ("`sdcoreml convert MODEL --lora=/a.safetensors`", "remedy.belongs", "choice.lora"),
        (
            "give a whole model; for ComfyUI: `sdcoreml convert /drops/x --app comfyui`",
            "remedy.comfyui",
            "choice.app",
        ),
    ],
)
def test_an_option_that_the_window_has_is_named_as_it_is_there(
    remedy: str, key: str, group: str
) -> None:
    said = in_window(remedy)
    assert isinstance(said, dict)
    assert (said["say"], said["group"]) == (key, {"say": group})


def test_a_command_of_the_queue_is_a_button() -> None:
    said = in_window("close other programs, then `sdcoreml queue retry 3`")
    assert said == {
        "say": "remedy.button",
        "before": "close other programs, then ",
        "button": {"say": "retry"},
        "after": "",
    }
    resumed = in_window("until `sdcoreml queue resume`, the queue is paused")
    assert isinstance(resumed, dict)
    assert (resumed["button"], resumed["after"]) == ({"say": "resume"}, ", the queue is paused")


@pytest.mark.parametrize(
    "remedy",
    [
        "",
        "download the file again",
        "give --vae or --size",
        "give --accept-schedule",
        "`sdcoreml env build --fresh`",
        "`sdcoreml queue add x`",
        "`sdcoreml convert MODEL --output /x`",
    ],
)
def test_all_else_stays_as_it_is(remedy: str) -> None:
    assert in_window(remedy, lambda text: f"<{text}>") == f"<{remedy}>"


def test_no_model_s_findings_ask_a_person_to_type_an_option(tmp_path: Path, bench: Bench) -> None:
    arrays = {name: one for name, one in original("sd1").items() if "first_stage" not in name}
    unet = MODELS["sd1 folder"](tmp_path) / "unet"
    for path in (save(tmp_path / "a.safetensors", arrays), unet, unet.parent / "vae"):
        found = examined(bench, path)
        told = [found["verdict"]["sentence"], *(one["remedy"] for one in found["findings"])]
        assert told[1:]
        assert "--" not in json.dumps(told)
