from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdcoreml.convert.bundle.judgement import ONE_OF
from sdcoreml.doctor.studio.bench import Bench
from sdcoreml.doctor.studio.remedies import in_window
from tests.convert.models.test_single_file import original, save
from tests.doctor.studio.models import MODELS, examined


@pytest.mark.parametrize(
    ("remedy", "key", "group"),
    [
        ("give one with --vae", "remedy.choose", "choice.vae"),
        ("choose another --batch", "remedy.choose", "choice.batch"),
        (
            "give --prediction_type epsilon (the 512 base) or v_prediction (the 768 model)",
            "remedy.which",
            "choice.prediction-type",
        ),
        (
            "if it predicts something else, say what with --prediction-type",
            "remedy.predicts",
            "choice.prediction-type",
        ),
        ("`sdcoreml convert MODEL --vae '/a b/vae'`", "remedy.belongs", "choice.vae"),
        ("`sdcoreml convert MODEL --lora=/a.safetensors`", "remedy.belongs", "choice.lora"),
        (
            f"{ONE_OF}; for ComfyUI: `convert /x --app comfyui`",
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
        "before": "Close other programs, then ",
        "button": {"say": "retry"},
        "after": "",
    }
    assert in_window("`sdcoreml queue remove 3`") == {
        **said,
        "before": "",
        "button": {"say": "remove"},
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
        "give --vae and --vae",
        "choose --bits 6 or --bits 8",
        "add --bits 8",
        "leave --refiner out",
        "leave --batch 1 out",
        "leave it out, or --app apple",
        "leave --size out, or convert its model with --size 64x64",
        "draw with it in ComfyUI, or convert the model without --app comfyui",
        "convert the model with --target macOS13, or try again on a newer macOS",
        "give a folder that `sdcoreml convert NET --for FOLDER` made",
        "give --accept-schedule",
        "`sdcoreml env build --fresh`",
        "`sdcoreml queue add x`",
        "`sdcoreml convert MODEL --output /x`",
    ],
)
def test_all_else_stays_as_it_is(remedy: str) -> None:
    assert in_window(remedy, lambda text: f"<{text}>") == f"<{remedy}>"


ROOT = Path(__file__).parents[3]


def remedies(node: ast.expr) -> Iterator[str]:
    """Yield the texts that an expression may be; X stands for what is put into one."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(
                one.value if isinstance(one, ast.Constant) and isinstance(one.value, str) else "X"
                for one in parts
            )
        case ast.IfExp(body=first, orelse=second):
            yield from (*remedies(first), *remedies(second))
        case ast.BoolOp(values=parts):
            yield from (text for one in parts for text in remedies(one))


def written() -> Iterator[str]:
    """Yield the remedies that stand in the tool's own modules."""
    for path in (
        one for top in ("doctor", "convert", "ground") for one in (ROOT / top).rglob("*.py")
    ):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.keyword(arg="remedy", value=value):
                    yield from remedies(value)
                case ast.Assign(targets=[ast.Name(id="remedy" | "SAY_WHAT")], value=value):
                    yield from remedies(value)


def test_no_remedy_of_the_tool_loses_what_it_says() -> None:
    """Whoever writes a remedy that the window words otherwise reads here what becomes of it."""
    told = {text: said for text in written() if isinstance(said := in_window(text), dict)}
    assert {text: said["say"] for text, said in told.items()} == {
        "until `sdcoreml queue resume`, the queue is paused, and ordered by number": (
            "remedy.button"
        ),
        "close other programs, then `sdcoreml queue retry X`": "remedy.button",
        "end it first: `sdcoreml queue cancel X`": "remedy.button",
        "remove it: `sdcoreml queue remove X`": "remedy.button",
        "choose one with --size": "remedy.choose",
        "choose another --batch": "remedy.choose",
        "give one with --vae": "remedy.choose",
        "add --refiner FOLDER": "remedy.choose",
        "if it predicts something else, say what with --prediction-type": "remedy.predicts",
        "give --prediction_type epsilon (the 512 base) or v_prediction (the 768 model)": (
            "remedy.which"
        ),
    }


def test_no_model_s_findings_ask_a_person_to_type_an_option(tmp_path: Path, bench: Bench) -> None:
    arrays = {name: one for name, one in original("sd1").items() if "first_stage" not in name}
    unet = MODELS["sd1 folder"](tmp_path) / "unet"
    for path in (save(tmp_path / "a.safetensors", arrays), unet, unet.parent / "vae"):
        found = examined(bench, path)
        told = [found["verdict"]["sentence"], *(one["remedy"] for one in found["findings"])]
        assert told[1:]
        assert "--" not in json.dumps(told)
