from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.convert.bundle.apps import App
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.programs.options import Runtime
from sdcoreml.doctor.commands.convert import read_jobs
from sdcoreml.doctor.commands.convert_deliver import app_of
from sdcoreml.doctor.commands.convert_ingredients import judge_ingredients
from sdcoreml.doctor.commands.convert_jobs import jobs_of
from sdcoreml.doctor.commands.convert_options import declare
from sdcoreml.doctor.commands.convert_summary import summary
from sdcoreml.ground.arguments import Parser
from sdcoreml.ground.errors import UsageError
from tests.convert.stand_ins import UNET, write_model
from tests.doctor.commands.test_convert_summary import entry, manifest


def asked(model: Path, *words: str) -> argparse.Namespace:
    parser = Parser()
    declare(parser)
    return parser.parse_args([str(model), *words])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "cat")


def test_each_size_and_attention_is_a_folder_of_its_own(model: Path) -> None:
    words = ("--size", "512x768", "--size", "520x512", "--attention", "original")
    jobs = jobs_of(asked(model, "--app", "comfyui", *words), open_model(model))
    assert [job.output for job in jobs] == [
        Path("models/cat_1x512x768_orig"),
        Path("models/cat_1x520x512_orig"),
    ]
    assert {job.options.runtime for job in jobs} == {Runtime.COMFYUI}


def test_a_batch_of_one_is_usual_and_any_can_be_asked_for(model: Path) -> None:
    (job,) = jobs_of(asked(model, "--app", "comfyui", "--batch", "8"), open_model(model))
    assert job.options.batch == 8
    (job,) = jobs_of(asked(model, "--app", "comfyui"), open_model(model))
    assert job.options.batch == 1
    with pytest.raises(UsageError, match="--batch is 1 or 2 for these apps"):
        jobs_of(asked(model, "--batch", "3"), open_model(model))
    (job,) = jobs_of(asked(model), open_model(model))
    assert (job.options.batch, job.options.runtime) == (2, Runtime.SWIFT)


def test_the_name_says_which_loras_are_merged(model: Path) -> None:
    words = ("--lora", "z.v1.safetensors:0.5", "--lora", "folder/a.safetensors")
    (job,) = jobs_of(asked(model, "--app", "comfyui", *words), open_model(model))
    assert [part.stem for part in job.parts] == ["cat_a_z_1x128x128_se_unet"]
    assert job.output == Path("models/cat_a_z_1x128x128_se")
    (job,) = jobs_of(asked(model, *words), open_model(model))
    assert job.output == Path("models/cat-split-einsum_128x128")
    (job,) = jobs_of(asked(model, "--app", "comfyui", "--name", "dog", *words), open_model(model))
    assert [part.stem for part in job.parts] == ["dog_a_z_1x128x128_se_unet"]


def test_a_unets_folder_is_named_after_the_model_unless_a_name_is_given(tmp_path: Path) -> None:
    whole = open_model(write_model(tmp_path / "dream.v8"))
    folder, unet = tmp_path / "dream.v8/unet", whole.components["unet"]
    found = replace(whole, path=folder, components={"unet": unet})

    def named(*words: str) -> tuple[Path, list[str]]:
        (job,) = jobs_of(asked(folder, "--app", "comfyui", *words), found)
        # The model that is opened for the work may lie elsewhere.
        job = replace(job, model=replace(found, path=tmp_path / "scratch/unet"))
        return job.output, [part.stem for part in job.parts]

    assert named() == (Path("models/dream.v8_1x128x128_se"), ["dream_1x128x128_se_unet"])
    assert named("--name", "cat")[1] == ["cat_1x128x128_se_unet"]


def test_the_package_can_be_named_in_a_folder_of_any_name(model: Path) -> None:
    words = ("--name", "dog", "--output", "here")
    (job,) = jobs_of(asked(model, "--app", "comfyui", *words), open_model(model))
    assert (job.output, [part.stem for part in job.parts]) == (
        Path("here"),
        ["dog_1x128x128_se_unet"],
    )
    with pytest.raises(UsageError, match="leave --name out"):
        jobs_of(asked(model, *words), open_model(model))


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (("--vae", "there"), "--vae"),
        (("--embedding", "there.pt"), "--embedding"),
        (("--tokenizer", "there"), "--tokenizer"),
        (("--converter", "upstream"), "--converter"),
        (("--compare-upstream",), "--converter"),
    ],
)
def test_what_comfyui_does_itself_is_refused(
    words: tuple[str, ...], where: str, model: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        read_jobs(asked(model, "--app", "comfyui", *words), open_model(model))
    assert caught.value.where == where


def test_a_consistency_model_can_be_converted_for_comfyui_only(tmp_path: Path) -> None:
    model = write_model(tmp_path / "lcm", {**UNET, "time_cond_proj_dim": 256})

    def refusals(*words: str) -> str:
        found = judge_ingredients(asked(model, *words)).refusals
        return f"{found['unet']}" if "unet" in found else ""

    assert "only ComfyUI's nodes feed one, of 256 numbers: --app comfyui" in refusals()
    assert "time_cond_proj_dim" not in refusals("--app", "comfyui")


def test_the_summary_says_where_the_package_goes(model: Path) -> None:
    assert app_of(asked(model, "--app", "comfyui")) is App.COMFYUI
    made = manifest({"cat_1x512x512_se_unet": entry(component="unet")})
    options = replace(made.options, runtime=Runtime.COMFYUI, batch=1)
    text = summary(Path("models/cat"), replace(made, options=options), App.COMFYUI)
    where, which = text.splitlines()[-2:]
    assert where == (
        "  next: put models/cat/cat_1x512x512_se_unet.mlpackage into ComfyUI's models/unet"
    )
    assert which == (
        "        and choose it in the node Load Core ML UNet (ComfyUI-CoreMLSuite 2), with"
        " CPU_AND_GPU"
    )
    assert "batch 1" not in text
