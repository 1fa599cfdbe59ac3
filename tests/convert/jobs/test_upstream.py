from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sdcoreml.convert.bundle.families import ProgramSpec
from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.jobs.manifest import MadeBy, read_manifest
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.prove import StagedProgram
from sdcoreml.convert.jobs.steps import convert_models
from sdcoreml.convert.jobs.upstream import (
    UpstreamConverter,
    arguments,
    options_of,
    require_possible,
    write_model,
)
from sdcoreml.convert.jobs.workshop import Workshop
from sdcoreml.convert.models.family import Family
from sdcoreml.convert.programs.options import Precision, Prediction, ProgramOptions, Target
from sdcoreml.ground.errors import UnsupportedError, WorkerError
from sdcoreml.ground.events import Event, silent
from tests.convert.stand_ins import (
    MADE_IN,
    StandIn,
    add_component,
    job_of,
    write_controlnet,
    write_xl,
)
from tests.convert.stand_ins import (
    write_model as write_folder,
)

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)
CONVERTER = UpstreamConverter(
    checkout=Path("/store/upstream-c891"), repository="https://example.invalid/a", commit="c891"
)


def convert(folder: Path, runner: StandIn, **choices: Any) -> Path:
    job = job_of(open_model(folder), folder.with_name("out"), **choices)
    workshop = Workshop(runner=runner, toolchain=MADE_IN, upstream=CONVERTER)
    (made,) = convert_models([job], workshop)
    return made


def asked(runner: StandIn) -> dict[str, Mapping[str, Any]]:
    return {r["component"]: r for task, r in runner.requests if task == "upstream"}


def test_each_program_is_asked_of_the_upstream_converter_by_itself(tmp_path: Path) -> None:
    runner = StandIn(size=SIZE)
    out = convert(write_folder(tmp_path / "a cat"), runner)
    assert [task for task, _ in runner.requests] == ["upstream"] * 4 + ["check"]
    common = ["--latent-h", "16", "--latent-w", "16", "--attention-implementation", "SPLIT_EINSUM"]
    assert {name: r["arguments"] for name, r in asked(runner).items()} == {
        name: [flag, "--model-version=a cat", "-o", f"out-{name}", *common]
        for name, flag in {
            "text_encoder": "--convert-text-encoder",
            "unet": "--convert-unet",
            "vae_decoder": "--convert-vae-decoder",
            "vae_encoder": "--convert-vae-encoder",
        }.items()
    }
    assert all(r["checkout"] == "/store/upstream-c891" for r in asked(runner).values())
    assert {path.suffix for path in out.iterdir()} == {
        ".mlpackage",
        ".mlmodelc",
        ".json",
        ".html",
        ".txt",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a cat", "out"]


def test_the_manifest_says_who_wrote_the_programs_and_they_are_judged_as_theirs(
    tmp_path: Path,
) -> None:
    runner = StandIn(size=SIZE)
    out = convert(write_folder(tmp_path / "cat"), runner)
    programs = read_manifest(out).programs.values()
    assert {entry.made_by for entry in programs} == {
        MadeBy(repository="https://example.invalid/a", commit="c891")
    }
    _, checked = runner.requests[-1]
    assert all(one["foreign"] for one in checked["packages"])


def test_halves_a_controlled_unet_and_a_safety_checker(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "cat")
    add_component(folder, "safety_checker", {"projection_dim": 8}, "StableDiffusionSafetyChecker")
    runner = StandIn(size=SIZE)
    choices = {"chunk": True, "controlled": True, "safety_checker": True}
    out = convert(folder, runner, **choices)
    words = {name: r["arguments"] for name, r in asked(runner).items()}
    assert words["controlled_unet"][-2:] == ["--unet-support-controlnet", "--chunk-unet"]
    assert words["unet"][-1] == "--chunk-unet"
    assert "--chunk-unet" not in words["text_encoder"]
    assert words["safety_checker"][0] == "--convert-safety-checker"
    assert (out / "ControlledUnetChunk2.mlpackage").is_dir()


def test_bits_are_for_text_encoders_and_unets(tmp_path: Path) -> None:
    runner = StandIn(size=SIZE)
    convert(write_folder(tmp_path / "cat"), runner, recipe={"method": "kmeans", "bits": 6})
    compressed = {
        name
        for name, r in asked(runner).items()
        if r["arguments"][-2:] == ["--quantize-nbits", "6"]
    }
    assert compressed == {"text_encoder", "unet"}


@pytest.mark.parametrize(
    ("choices", "named"),
    [
        ({"batch": 1}, "--batch 1"),
        ({"tokens": 64}, "--tokens"),
        ({"clip_skip": 2}, "--clip-skip"),
        ({"target": Target.MACOS14}, "--target macOS14"),
        ({"precision": {"all": Precision.FP32}}, "--precision"),
        ({"prediction": Prediction.VELOCITY}, "--prediction-type"),
        ({"pad_id": 0}, "--pad-id"),
        ({"latent_scale": 1.0}, "--latent-scale"),
        ({"recipe": {"method": "linear", "bits": 8}}, "--recipe, --method and --group-size"),
        ({"recipe": {"method": "kmeans", "bits": 4}, "chunk": True}, "--bits with --chunk"),
    ],
)
def test_what_it_has_no_word_for_is_refused(
    tmp_path: Path, choices: Mapping[str, Any], named: str
) -> None:
    job = job_of(open_model(write_folder(tmp_path / "cat")), tmp_path / "out", **choices)
    with pytest.raises(UnsupportedError, match="the upstream converter does not support") as caught:
        require_possible(job)
    assert named in caught.value.what


def test_a_controlnet_is_refused(tmp_path: Path) -> None:
    job = job_of(open_model(write_controlnet(tmp_path / "net")), tmp_path / "out")
    with pytest.raises(UnsupportedError, match="does not support a ControlNet"):
        require_possible(job)


def test_a_plain_job_is_possible(tmp_path: Path) -> None:
    require_possible(job_of(open_model(write_folder(tmp_path / "cat")), tmp_path / "out"))


def test_what_a_model_wants_and_it_does_not_do_is_left_out(tmp_path: Path) -> None:
    job = job_of(open_model(write_xl(tmp_path / "xl")), tmp_path / "out")
    assert job.model.family is Family.SDXL
    text = ProgramSpec(
        program="text_encoder",
        source="text_encoder",
        options={"text_states": "penultimate", "pad_id": 0},
    )
    assert options_of(text, job).pad_id is None
    assert options_of(text, job).text_states.value == "penultimate"
    vae = ProgramSpec(program="vae_decoder", source="vae", options={"runtime_scale": 0.5})
    assert options_of(vae, job).runtime_scale is None
    assert options_of(vae, job).precision is Precision.FP32


def with_free_memory(monkeypatch: pytest.MonkeyPatch, nbytes: int) -> None:
    """Let psutil say that this machine has so much left."""
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=nbytes))


def test_a_velocity_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_free_memory(monkeypatch, 10**12)
    folder = write_folder(tmp_path / "cat")
    (folder / "scheduler").mkdir()
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    settings = {"prediction_type": "v_prediction", "_class_name": "DDIMScheduler", **betas}
    (folder / "scheduler/scheduler_config.json").write_text(json.dumps(settings))
    told: list[Event] = []
    job = job_of(open_model(folder), tmp_path / "out")
    workshop = Workshop(runner=StandIn(size=SIZE), toolchain=MADE_IN, upstream=CONVERTER)
    convert_models([job], workshop, told.append)
    warned = [event.text for event in told if event.kind == "warning"]
    assert warned == ["upstream: the UNet predicts velocity, but apps interpret it as noise"]


@pytest.mark.slow
def test_each_program_is_announced_with_its_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_free_memory(monkeypatch, 10**9)
    job = job_of(open_model(write_folder(tmp_path / "cat")), tmp_path / "out")
    told: list[Event] = []
    workshop = Workshop(runner=StandIn(size=SIZE), toolchain=MADE_IN, upstream=CONVERTER)
    convert_models([job], workshop, told.append)
    said = [f"{event.kind}: {event.text}" for event in told if " memory" in event.text]
    names = ("TextEncoder", "Unet", "VAEDecoder", "VAEEncoder")
    assert said == [
        line
        for name in names
        for line in (
            f"step: upstream writes {name}, using up to 2.0 GB of memory",
            "warning: only 1.0 GB of memory is free",
            "note: written in 10 bytes of memory",
        )
    ] + ["note: checked in 1 bytes of memory"]


def test_it_gets_one_safetensors_file_a_component_and_no_checker(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "cat")
    add_component(folder, "safety_checker", {}, "StableDiffusionSafetyChecker")
    write_model(open_model(folder), tmp_path / "given", {"unet", "vae"}, silent)
    found = {
        path.relative_to(tmp_path / "given").as_posix()
        for path in (tmp_path / "given").rglob("*.safetensors")
    }
    stem = "diffusion_pytorch_model.safetensors"
    assert found == {"text_encoder/model.safetensors", f"unet/{stem}", f"vae/{stem}"}
    index = json.loads((tmp_path / "given/model_index.json").read_text())
    assert index["safety_checker"] == [None, None]
    write_model(open_model(folder), tmp_path / "all", {"safety_checker"}, silent)
    assert (tmp_path / "all/safety_checker/model.safetensors").is_file()


def test_a_converter_that_writes_nothing_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    class Silent(StandIn):
        def _write(self, program: Mapping[str, Any]) -> None:
            """Write nothing."""

    with pytest.raises(WorkerError, match="wrote no Stable_Diffusion_version_cat_text_encoder"):
        convert(write_folder(tmp_path / "cat"), Silent(size=SIZE))
    assert [path.name for path in tmp_path.iterdir()] == ["cat"]


def test_what_the_converter_is_asked(tmp_path: Path) -> None:
    job = job_of(open_model(write_xl(tmp_path / "xl")), tmp_path / "out")
    unet = StagedProgram(
        part=ProgramSpec(program="unet", source="unet"),
        package=tmp_path / "Unet.mlpackage",
        config=tmp_path / "config.json",
        settings={},
        weights=tmp_path / "unet.safetensors",
        options=ProgramOptions(),
        halves=True,
    )
    assert arguments(unet, job, "cat", "out") == [
        *("--convert-unet", "--model-version=cat", "-o", "out"),
        *("--latent-h", "16", "--latent-w", "16"),
        *("--attention-implementation", "SPLIT_EINSUM", "--xl-version", "--chunk-unet"),
    ]
