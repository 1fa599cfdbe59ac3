from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from sdcoreml.convert.bundle.judgement import judge, raise_gravest
from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.prediction import PredictionSource
from sdcoreml.convert.models.unpack import UnpackOptions
from sdcoreml.convert.programs.options import Runtime
from sdcoreml.ground.errors import BadInputError, Fault, UnsupportedError
from tests.convert.models.folders import UNET, write_json, write_model
from tests.convert.models.originals import UNETS, original_vae
from tests.convert.models.test_single_file import UNIT, VAE, averages, original, save

INPAINTING = {"conv_in.weight": np.zeros((32, 9, 3, 3), "f2")}


@pytest.mark.parametrize(
    ("family", "needed"),
    [
        ("sd1", {"text_encoder", "unet", "vae"}),
        ("sdxl", {"text_encoder", "text_encoder_2", "unet", "vae"}),
        ("refiner", {"text_encoder_2", "unet", "vae"}),
    ],
)
def test_a_whole_file_that_nothing_stands_against(
    tmp_path: Path, family: str, needed: set[str]
) -> None:
    found = judge(save(tmp_path / "m.safetensors", original(family)))
    assert (found.reasons, set(found.needed)) == ((), needed)
    assert {answer.runs for answer in found.verdicts} == {"yes"}


def test_a_folder_is_refused_by_its_task_and_its_configs(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    found = judge(folder)
    assert found.refusal is None
    assert set(found.refusals) == {"unet", "vae", "text_encoder"}, "these configs say too little"
    assert [fault.code for fault in found.reasons] == ["MOD010"] * 3
    write_json(folder / "unet" / "config.json", UNET | {"in_channels": 9})
    refusal = judge(folder).refusal
    assert refusal
    assert (refusal.error, refusal.where) == (UnsupportedError, str(folder))
    assert "inpainting" in refusal.what


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (["lora_unet_x.lora_down.weight"], "this is a LoRA: not alone: merge it"),
        (["conv_in.weight", "time_embedding.linear_1.weight"], "this is a UNet alone: it needs a"),
        (["control_model.input_hint_block.0.weight"], "this is a ControlNet: it needs its "),
        (["noise"], "unknown kind of model: the names of its tensors are not known here"),
    ],
)
def test_what_is_no_model_is_called_what_it_is(tmp_path: Path, names: list[str], what: str) -> None:
    arrays = {name: np.zeros((2, 2, 2), "f4") for name in names}
    found = judge(save(tmp_path / "m.safetensors", arrays))
    assert found.needed == ()
    assert found.refusal
    assert found.refusal.what.startswith(what)


def test_the_command_for_an_add_on_names_its_path_as_it_was_given(tmp_path: Path) -> None:
    path = save(tmp_path / "my lora.safetensors", {"lora_unet_x.lora_down.weight": np.zeros(2)})
    refusal = judge(path).refusal
    assert refusal
    assert f"convert MODEL --lora '{path}'" in refusal.remedy


def test_a_damaged_model_runs_nowhere_and_is_not_refused_as_well(tmp_path: Path) -> None:
    path = save(tmp_path / "m.safetensors", original("sd1"))
    path.write_bytes(path.read_bytes()[:-1])
    found = judge(path)
    assert found.refusal is None
    assert [fault.what[:10] for fault in found.reasons] == ["truncated:"]
    arrays = original("sd1")
    del arrays["model.diffusion_model.out.2.bias"]
    lacking = judge(save(tmp_path / "n.safetensors", arrays | averages(arrays)))
    assert {answer.runs for answer in lacking.verdicts} == {"no"}
    assert {answer.reason for answer in lacking.verdicts} == {"not until its faults are mended"}


def test_the_folder_of_a_controlnet_is_judged_by_its_builder(tmp_path: Path) -> None:
    config = {"_class_name": "ControlNetModel", "class_embed_type": "timestep"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = judge(tmp_path)
    assert found.needed == ("controlnet",)
    assert set(found.refusals) == {"controlnet"}
    assert "no weights in this folder" in {fault.what for fault in found.reasons}


def test_a_file_without_a_vae_lacks_it(tmp_path: Path) -> None:
    arrays = {k: a for k, a in original("sd1").items() if not k.startswith("first_stage")}
    found = judge(save(tmp_path / "m.safetensors", arrays))
    assert found.lacking == ("vae",)
    assert [fault.what for fault in found.reasons] == ["it has no vae"]


def test_for_comfyui_a_unet_is_enough(tmp_path: Path) -> None:
    only = UnpackOptions(only_unet=True)
    for name, arrays in {
        "alone": UNIT["sd1"],
        "without a VAE": {k: a for k, a in original("sd1").items() if "first_stage" not in k},
    }.items():
        path = save(tmp_path / f"{name}.safetensors", arrays)
        found = judge(path, only, runtime=Runtime.COMFYUI)
        assert (found.reasons, found.needed, found.lacking) == ((), ("unet",), ())
    path = save(tmp_path / "painting.safetensors", UNIT["sd1"] | INPAINTING)
    assert "inpainting" in judge(path, only, runtime=Runtime.COMFYUI).reasons[0].what
    path = save(tmp_path / "vae.safetensors", original_vae(VAE))
    assert judge(path, only).reasons[0].what.startswith("this is a VAE: ")


def test_for_comfyui_so_is_a_unets_own_folder(tmp_path: Path) -> None:
    folder = tmp_path / "unet"
    folder.mkdir()
    write_json(folder / "config.json", {"_class_name": "UNet2DConditionModel", **UNETS["sd1"]})
    save(folder / "diffusion_pytorch_model.safetensors", UNIT["sd1"])
    found = judge(folder, UnpackOptions(only_unet=True), runtime=Runtime.COMFYUI)
    assert (found.reasons, found.needed) == ((), ("unet",))
    assert found.identity.model is not None
    assert found.identity.model.family is Family.SD1
    assert "it needs a text encoder" in judge(folder).reasons[0].what


@pytest.mark.parametrize("form", ["file", "folder"])
def test_what_a_unet_of_sd_2_predicts_must_be_told_be_it_a_file_or_a_folder(
    tmp_path: Path, form: str
) -> None:
    path = tmp_path / "unet"
    path.mkdir()
    write_json(path / "config.json", {"_class_name": "UNet2DConditionModel", **UNETS["sd2"]})
    file = save(path / "diffusion_pytorch_model.safetensors", UNIT["sd2"])
    path = file if form == "file" else path

    def reasons(said: str | None) -> list[str]:
        only = UnpackOptions(only_unet=True, told=PredictionSource(option=said))
        return [
            f"{one.code} {one.what}" for one in judge(path, only, runtime=Runtime.COMFYUI).reasons
        ]

    what = "MOD018 a Stable Diffusion 2.x model that does not say what it predicts"
    assert [reasons(said) for said in (None, "epsilon", "v_prediction")] == [[what], [], []]


SCHEDULER = {"_class_name": "DDIMScheduler", "prediction_type": "v_prediction"}


@pytest.mark.parametrize("form", ["file", "folder"])
def test_what_a_unet_in_a_models_folder_predicts_is_what_that_models_scheduler_says(
    tmp_path: Path, form: str
) -> None:
    path = tmp_path / "model" / "unet"
    path.mkdir(parents=True)
    write_json(path / "config.json", {"_class_name": "UNet2DConditionModel", **UNETS["sd2"]})
    file = save(path / "diffusion_pytorch_model.safetensors", UNIT["sd2"])
    only = UnpackOptions(only_unet=True)

    def found(scheduler: Mapping[str, object]) -> tuple[str | None, Family, list[str]]:
        write_json(tmp_path / "model/scheduler/scheduler_config.json", scheduler)
        judged = judge(file if form == "file" else path, only, runtime=Runtime.COMFYUI)
        identity = judged.identity
        return identity.prediction, identity.contents.family, [one.what for one in judged.reasons]

    apps = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
    assert found(SCHEDULER | apps) == ("v_prediction", Family.SD2_V, [])
    noise = SCHEDULER | apps | {"prediction_type": "epsilon"}
    assert found(noise) == ("epsilon", Family.SD2_BASE, [])
    (other,) = found(SCHEDULER)[2]
    assert "its noise schedule is linear from 0.0001 to 0.02" in other
    assert "'sample'" in found(SCHEDULER | apps | {"prediction_type": "sample"})[2][0]


@pytest.mark.parametrize("form", ["file", "folder"])
def test_a_narrow_unet_alone_is_to_comfyui_what_it_is_to_the_converter(
    tmp_path: Path, form: str
) -> None:
    path = tmp_path / "unet"
    write_json(path / "config.json", {"_class_name": "UNet2DConditionModel", **UNETS["sdxl"]})
    file = save(path / "diffusion_pytorch_model.safetensors", UNIT["sdxl"])
    given = file if form == "file" else path
    swift, mochi, comfyui = judge(given).verdicts
    assert (swift.runs, mochi.runs, comfyui.runs) == ("no", "no", "yes")
    assert comfyui.reason.startswith("text and image to image, ControlNet; on the GPU")
    save(file, {name: one for name, one in UNIT["sdxl"].items() if name != "conv_out.bias"})
    assert judge(given).verdicts[-1].reason == "not until its faults are mended"


def test_the_remedy_for_a_unet_alone_is_the_app_that_has_the_rest(tmp_path: Path) -> None:
    path = save(tmp_path / "alone.safetensors", UNIT["sd1"])
    assert f"`sdcoreml convert {path} --app comfyui`" in judge(path).reasons[0].remedy


def test_a_name_that_no_file_can_have_is_told(tmp_path: Path) -> None:
    assert [fault.what for fault in judge(tmp_path / ("n" * 300)).reasons] == [
        "the name is too long for a path"
    ]


def test_a_link_to_itself_is_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("link")
    assert judge(tmp_path / "link").reasons[0].where == str(tmp_path / "link")


def test_a_config_that_cannot_be_read_makes_no_other_family(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    path = folder / "unet" / "config.json"
    path.unlink()
    assert [fault.what for fault in judge(folder).reasons] == ["config.json is missing"]
    path.symlink_to(path.name)
    (fault,) = judge(folder).reasons
    assert (fault.where, fault.what) == (str(path), "links that lead in a circle")
    path.unlink()
    path.symlink_to("/dev/zero")
    (fault,) = judge(folder).reasons
    assert (fault.where, fault.what) == (str(path), "a device, not a file")


def test_nothing_there(tmp_path: Path) -> None:
    found = judge(tmp_path / "nothing")
    assert found.reasons[0].what == "no such file or folder"


@pytest.mark.parametrize(
    ("scheduler", "what"),
    [
        ({"rescale_betas_zero_snr": True}, "its noise schedule ends in pure noise"),
        ({"prediction_type": "sample"}, "its UNet predicts 'sample', from which this converter"),
    ],
)
def test_a_folder_that_no_app_can_drive_is_refused(
    tmp_path: Path, scheduler: dict[str, object], what: str
) -> None:
    folder = write_model(tmp_path / "model")
    write_json(folder / "scheduler" / "scheduler_config.json", scheduler)
    (refusal,) = judge(folder).discords
    assert refusal.error is UnsupportedError
    assert refusal.what.startswith(what)


def test_a_file_that_no_app_can_drive_is_refused(tmp_path: Path) -> None:
    file = save(tmp_path / "m.safetensors", original("sdxl") | {"ztsnr": np.zeros(0, "f4")})
    (refusal,) = judge(file).reasons
    assert judge(file, accepts_schedule=True).reasons == ()
    assert "--accept-schedule" in refusal.remedy


def test_where_there_are_more_faults_the_command_that_lists_them_can_be_pasted(
    tmp_path: Path,
) -> None:
    one, two = (
        Fault(where=tmp_path / name, what="damaged", remedy="", error=BadInputError)
        for name in ("one", "two")
    )
    with pytest.raises(BadInputError) as caught:
        raise_gravest((one, two), tmp_path / "my model")
    said = f"1 more: `sdcoreml inspect '{tmp_path}/my model'` lists them"
    assert caught.value.explanation == said
    caught.value.move(tmp_path / "my model", "owner/name")
    assert caught.value.explanation == "1 more: `sdcoreml inspect 'owner/name'` lists them"
