from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.bundle.comfyui import interface
from sdcoreml.convert.bundle.ports import Dimensions, Interface
from sdcoreml.convert.deliver.contents import contents_of
from sdcoreml.convert.jobs.for_comfyui import inputs_of
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.convert.jobs.verify import verify
from sdcoreml.convert.programs.options import Precision, Runtime
from sdcoreml.ground.errors import BadInputError, SdcoremlError, UnsupportedError
from tests.convert.stand_ins import (
    UNET,
    StandIn,
    finish,
    job_of,
    model_of,
    write_controlnet,
    write_model,
    write_stand_in,
    write_xl,
)

SIZE = Dimensions(batch=1, height=16, width=16, features=8, tokens=77)
SHAPES = {
    "sample": (1, 4, 16, 16),
    "timestep": (1,),
    "encoder_hidden_states": (1, 77, 8),
}
UNET_OF_TWO_LEVELS = {
    **UNET,
    "attention_head_dim": 8,
    "block_out_channels": [32, 64],
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "layers_per_block": 1,
}
RESIDUALS = {
    f"additional_residual_{number}": shape
    for number, shape in enumerate(
        (
            (1, 32, 16, 16),
            (1, 32, 16, 16),
            (1, 32, 8, 8),
            (1, 64, 8, 8),
            (1, 64, 8, 8),
        )
    )
}
TOO_FEW = {name: RESIDUALS[name] for name in list(RESIDUALS)[:-1]}
TIMES = {"time_ids": (1, 7), "text_embeds": (1, 1280)}


class Comfy(StandIn):
    """A runner whose packages have the ports that ComfyUI's nodes need."""

    ports: Interface = interface(SHAPES)

    def _write(self, program: Any) -> None:
        write_stand_in(Path(program["package"]), model_of(self.ports))


def asked(model: Path, output: Path | None = None, **choices: Any) -> Job:
    return job_of(open_model(model), output, **{"runtime": Runtime.COMFYUI, "batch": 1, **choices})


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "dream shaper.v8", UNET_OF_TWO_LEVELS)


def test_one_unet_is_made_under_the_name_of_the_converters_node(model: Path) -> None:
    job = asked(model)
    assert [(part.program, part.stem) for part in job.parts] == [
        ("unet", "dream_shaper_1x128x128_se_unet")
    ]
    assert job.output == Path("models/dream_shaper.v8_1x128x128_se")


def test_models_that_differ_after_a_dot_have_folders_of_their_own(tmp_path: Path) -> None:
    jobs = [asked(write_model(tmp_path / name)) for name in ("sd-v1.4", "sd-v1.5")]
    assert [job.output for job in jobs] == [
        Path("models/sd-v1.4_1x128x128_se"),
        Path("models/sd-v1.5_1x128x128_se"),
    ]
    assert {part.stem for job in jobs for part in job.parts} == {"sd-v1_1x128x128_se_unet"}


@pytest.mark.parametrize(
    ("choices", "program", "stem"),
    [
        ({"controlled": True}, "controlled_unet", "dream_shaper_1x128x128_cn_se_unet"),
        ({"batch": 64, "width": 33}, "unet", "dream_shaper_64x264x128_se_unet"),
        ({"recipe": {"bits": 6}}, "unet", "dream_shaper_1x128x128_se_q6_unet"),
        ({"recipe": {"bits": 3}}, "unet", "dream_shaper_1x128x128_se_kmeans3_unet"),
        (
            {"recipe": {"method": "uniform", "bits": 8}},
            "unet",
            "dream_shaper_1x128x128_se_uniform8_unet",
        ),
        ({"recipe": {"bits": 16, "layers": {}}}, "unet", "dream_shaper_1x128x128_se_mixed_unet"),
    ],
    ids=str,
)
def test_the_name_follows_from_the_options(
    choices: dict[str, Any], program: str, stem: str, model: Path
) -> None:
    if choices.get("recipe", {}).get("layers") is not None:
        choices = {"recipe": {"bits": 16, "layers": {"conv_in_weight": 8}}}
    options = replace(asked(model).options, **choices)
    (part,) = replace(asked(model), options=options).parts
    assert (part.program, part.stem) == (program, stem)


def test_a_velocity_is_turned_into_noise_for_comfyui_too(model: Path) -> None:
    scheduler = model / "scheduler"
    scheduler.mkdir()
    (scheduler / "scheduler_config.json").write_text('{"prediction_type": "v_prediction"}')
    job = asked(model)
    (part,) = job.parts
    made = job.options.for_program(part)
    assert made.prediction.value == "v_prediction"
    assert made.runtime is Runtime.COMFYUI


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"chunk": True}, "no halves"),
        ({"clip_skip": 2}, "encodes prompts itself"),
        ({"latent_scale": 0.5}, "scales latents"),
        ({"pad_id": 0}, "encodes prompts itself"),
        ({"refiner": True}, "a UNet of its own"),
        ({"safety_checker": True}, "no safety checker"),
        ({"states_own_size": True}, "states each picture's size"),
        ({"tokens": 154}, "77 tokens"),
        ({"precision": {"vae": Precision.FP32}}, "no vae; leave --precision vae="),
        ({"precision": {"unet": Precision.FP32, "vae_decoder": Precision.FP32}}, "no vae_decoder"),
        ({"batch": 65}, "batches of 1 to 64"),
        ({"redo": frozenset({"unet"})}, "nothing of it can be kept"),
    ],
    ids=str,
)
def test_what_the_nodes_have_no_use_for_is_refused(
    choices: dict[str, Any], said: str, model: Path, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedError, match=said):
        asked(model, tmp_path / "out", **choices)


def test_a_controlnet_is_loaded_as_it_is(tmp_path: Path) -> None:
    net = write_controlnet(tmp_path / "net", {"cross_attention_dim": 768})
    with pytest.raises(UnsupportedError, match="as they are"):
        asked(net)


def test_sdxl_takes_any_batch_and_controlnets(tmp_path: Path) -> None:
    (part,) = asked(write_xl(tmp_path / "xl"), controlled=True).parts
    assert part.stem == "xl_1x128x128_cn_se_unet"


def test_other_apps_call_with_two_rows_or_one(model: Path) -> None:
    with pytest.raises(UnsupportedError, match="batch of 2 or 1, not 3"):
        job_of(open_model(model), None, batch=3)


def test_the_folder_holds_a_package_and_nothing_that_other_apps_read(
    model: Path, tmp_path: Path
) -> None:
    folder = finish(asked(model, tmp_path / "out"), Comfy(size=SIZE))
    assert sorted(path.name for path in folder.iterdir()) == [
        "dream_shaper_1x128x128_se_unet.mlpackage",
        "manifest.json",
        "report.html",
    ]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["options"]["runtime"] == "comfyui"
    (entry,) = manifest["programs"].values()
    assert entry["options"]["runtime"] == "comfyui"
    assert entry["compiled"]["verdict"] == "not compiled: ComfyUI's nodes load packages"
    assert "Load Core ML UNet" in (folder / "report.html").read_text()
    found = verify(folder, Comfy(size=SIZE))
    assert found.faults == ()
    assert found.notes == ()


def test_folders_for_other_apps_do_not_name_a_runtime(model: Path, tmp_path: Path) -> None:
    size = replace(SIZE, batch=2)
    folder = finish(job_of(open_model(model), tmp_path / "out"), StandIn(size=size))
    assert "runtime" not in (folder / "manifest.json").read_text()


@pytest.mark.parametrize(
    ("controlled", "shapes", "said"),
    [
        (False, {**SHAPES, "encoder_hidden_states": (1, 8, 1, 77)}, "not those of a UNet for"),
        (False, {**SHAPES, "encoder_hidden_states": (1, 76, 8)}, r"\[1, 77, 8\] float16 expected"),
        (False, {**SHAPES, **RESIDUALS}, "residual inputs if it is controlled, and only then"),
        (True, SHAPES, "residual inputs if it is controlled, and only then"),
        (
            True,
            {**SHAPES, **TOO_FEW},
            r"input additional_residual_4 \[1, 64, 8, 8\] float16",
        ),
        (False, {**SHAPES, "encoder_hidden_states": (1, 77, 9)}, r"\[1, 77, 8\] float16 expected"),
        (False, {**SHAPES, "sample": (1, 4, 16)}, r"\[1, 4, 16, 16\] float16 expected"),
        (False, {**SHAPES, **TIMES}, "unexpected input time_ids"),
    ],
)
def test_a_program_with_other_ports_does_not_pass(
    *, controlled: bool, shapes: Any, said: str, model: Path, tmp_path: Path
) -> None:
    runner = Comfy(size=SIZE)
    usual = interface(SHAPES)
    named = {port.name: port for port in interface({**SHAPES, **TIMES, **RESIDUALS}).inputs}
    inputs = tuple(replace(named[name], shape=shape) for name, shape in shapes.items())
    runner.ports = replace(usual, inputs=inputs)
    with pytest.raises(SdcoremlError, match=said):
        finish(asked(model, tmp_path / "out", controlled=controlled), runner)


def test_a_controlled_unet_takes_what_its_config_says(model: Path, tmp_path: Path) -> None:
    runner = Comfy(size=SIZE)
    runner.ports = interface({**SHAPES, **RESIDUALS})
    folder = finish(asked(model, tmp_path / "out", controlled=True), runner)
    assert verify(folder, runner).faults == ()


def test_the_inputs_of_sdxl_follow_from_its_config(model: Path) -> None:
    config = {
        **UNET_OF_TWO_LEVELS,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 6 * 8 + 16,
        "time_cond_proj_dim": 256,
    }
    job = asked(model)
    unet = replace(job.model.components["unet"], config=config)
    assert inputs_of(replace(job.model, components={"unet": unet}), job.options) == {
        **SHAPES,
        "timestep_cond": (1, 256),
        "time_ids": (1, 6),
        "text_embeds": (1, 16),
    }


def test_a_float32_input_is_not_what_the_nodes_send(model: Path, tmp_path: Path) -> None:
    runner = Comfy(size=SIZE)
    usual = interface(SHAPES)
    first = replace(usual.inputs[0], dtypes=usual.outputs[0].dtypes)
    runner.ports = replace(usual, inputs=(first, *usual.inputs[1:]))
    with pytest.raises(SdcoremlError, match=r"float16 expected, found .* float32"):
        finish(asked(model, tmp_path / "out"), runner)


def test_there_is_nothing_to_install_or_pack_for_other_apps(model: Path, tmp_path: Path) -> None:
    folder = finish(asked(model, tmp_path / "out"), Comfy(size=SIZE))
    with pytest.raises(BadInputError, match="the package as it is"):
        contents_of(folder)
