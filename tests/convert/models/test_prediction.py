from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.prediction import (
    SPELLINGS,
    PredictionSource,
    find_prediction,
    has_zero_terminal_snr,
    read_parameterization,
    read_prediction,
    read_schedule,
)
from sdcoreml.convert.weights.source import Checkpoint
from sdcoreml.convert.weights.tensor import TensorInfo
from sdcoreml.ground.errors import BadInputError

VELOCITY = 'model:\n  params:\n    parameterization: "v"\n'
NOISE = "model:\n  params:\n    parameterization: eps\n"


def checkpoint(path: Path, *names: str, **fields: Any) -> Checkpoint:
    tensors = tuple(
        TensorInfo(name=name, dtype="F32", shape=(), path=path, start=0) for name in names
    )
    return Checkpoint(path=path, container="safetensors", tensors=tensors, files=(path,), **fields)


@pytest.mark.parametrize("family", [Family.SD1, Family.SD2_BASE, Family.SDXL, Family.SDXL_REFINER])
def test_where_all_models_of_a_family_agree_nothing_has_to_tell(
    tmp_path: Path, family: Family
) -> None:
    assert find_prediction(family, checkpoint(tmp_path / "m.ckpt"), None).kind == "epsilon"


@pytest.mark.parametrize(
    ("scalars", "expected"),
    [
        ({}, None),
        ({"global_step": 875_000}, "epsilon"),
        ({"global_step": 140_000}, "v_prediction"),
        ({"global_step": 0}, "v_prediction"),
        ({"epoch": 875_000}, None),
    ],
)
def test_sd2_is_told_by_its_steps(
    tmp_path: Path, scalars: dict[str, int], expected: str | None
) -> None:
    found = checkpoint(tmp_path / "m.ckpt", scalars=scalars)
    assert find_prediction(Family.SD2_V, found, None).kind == expected


@pytest.mark.parametrize(("option", "meant"), SPELLINGS.items())
def test_what_was_asked_for_overrules_everything(tmp_path: Path, option: str, meant: str) -> None:
    path = tmp_path / "m.ckpt"
    path.with_suffix(".yaml").write_text(VELOCITY)
    found = checkpoint(path, "v_pred", metadata={"modelspec.prediction_type": "epsilon"})
    told = PredictionSource(option=option, config=tmp_path / "not there")
    assert find_prediction(Family.SD2_V, found, told).kind == meant


def test_the_config_that_was_given_comes_before_the_one_beside(tmp_path: Path) -> None:
    path, given = tmp_path / "m.ckpt", tmp_path / "given.yaml"
    path.with_suffix(".yaml").write_text(VELOCITY)
    given.write_text(NOISE)
    found = checkpoint(path, "v_pred")
    assert find_prediction(Family.SD2_V, found, None).kind == "v_prediction"
    assert find_prediction(Family.SD2_V, found, PredictionSource(config=given)).kind == "epsilon"


def test_a_config_comes_before_what_the_file_itself_says(tmp_path: Path) -> None:
    path = tmp_path / "m.ckpt"
    path.with_suffix(".yaml").write_text(NOISE)
    assert find_prediction(Family.SDXL, checkpoint(path, "v_pred"), None).kind == "epsilon"


@pytest.mark.parametrize(
    ("names", "metadata", "expected"),
    [
        (["v_pred"], {}, "v_prediction"),
        (["v_pred"], {"modelspec.prediction_type": "epsilon"}, "v_prediction"),
        (["unet.v_pred"], {}, "epsilon"),
        ([], {"modelspec.prediction_type": "v_prediction"}, "v_prediction"),
        ([], {"modelspec.prediction_type": "v-prediction"}, "v_prediction"),
        ([], {"modelspec.prediction_type": "epsilon"}, "epsilon"),
        ([], {"modelspec.prediction_type": "sample"}, "sample"),
        ([], {"modelspec.prediction_type": "v"}, "v_prediction"),
        ([], {"modelspec.prediction_type": "Velocity"}, "v_prediction"),
        ([], {"modelspec.prediction_type": "vpred"}, "v_prediction"),
        ([], {"ss_v_parameterization": "True", "ss_v2": "False"}, "v_prediction"),
        ([], {"ss_v_parameterization": "False"}, "epsilon"),
        ([], {"modelspec.architecture": "stable-diffusion-v2-768-v/lora"}, "v_prediction"),
        ([], {"modelspec.architecture": "stable-diffusion-xl-v1-base"}, "epsilon"),
        (["edm_vpred.sigma_max"], {}, "v_prediction"),
        ([], {"modelspec.predict_key": "v"}, "v_prediction"),
        ([], {"modelspec.prediction_type": " "}, "epsilon"),
        ([], {"ss_base_model_version": "sd_v2_v"}, "v_prediction"),
        ([], {"ss_base_model_version": "sd_v2"}, "epsilon"),
        ([], {"ot_config": '{"force_v_prediction": true}'}, "v_prediction"),
        ([], {"ot_config": '{"force_v_prediction": false}'}, "epsilon"),
        ([], {"ot_config": "[]"}, "epsilon"),
        ([], {"ot_config": "{"}, "epsilon"),
        ([], {"prediction_type": "v_prediction"}, "epsilon"),
    ],
)
def test_marks_of_the_file(
    tmp_path: Path, names: list[str], metadata: dict[str, str], expected: str
) -> None:
    found = checkpoint(tmp_path / "m.safetensors", *names, metadata=metadata)
    assert find_prediction(Family.SDXL, found, None).kind == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('    parameterization: "v"', "v_prediction"),
        ("    parameterization: 'v'", "v_prediction"),
        ("parameterization: v", "v_prediction"),
        ('  parameterization:   "v"   ', "v_prediction"),
        ('  parameterization: "v"  # velocity', "v_prediction"),
        ("  parameterization: eps", "epsilon"),
        ("  parameterization: velocity", "epsilon"),
        ("  parameterization: \"v'", "epsilon"),
        ("  # parameterization: v", "epsilon"),
        ("  other_parameterization: v", "epsilon"),
        ("", "epsilon"),
    ],
)
def test_a_training_config_is_read_line_by_line(tmp_path: Path, line: str, expected: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(f"model:\n  target: ldm\n{line}\n    linear_start: 0.00085\n")
    assert read_parameterization(path) == expected


def test_a_config_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"no such file; give the model's YAML config"):
        read_parameterization(tmp_path / "none.yaml")
    (tmp_path / "odd.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInputError, match=r"odd\.yaml: not UTF-8"):
        read_parameterization(tmp_path / "odd.yaml")


ASSUMED = "the model does not say what it predicts: epsilon is assumed"
OVERRULES = "; --prediction-type v_prediction overrules that"


def test_what_nothing_says_is_assumed_and_said_to_be(tmp_path: Path) -> None:
    found = find_prediction(Family.SDXL, checkpoint(tmp_path / "photo.safetensors"), None)
    assert found.by == ""
    assert found.notes == (ASSUMED + OVERRULES,)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("noobaiXLNAIXL_vPred10", "vPred"),
        ("Illustrious-V-Pred", "V-Pred"),
        ("terminus-xl-gamma", "terminus"),
        ("my velocity tune", "velocity"),
    ],
)
def test_a_name_that_points_to_velocity_is_reported_and_not_believed(
    tmp_path: Path, name: str, word: str
) -> None:
    found = find_prediction(Family.SDXL, checkpoint(tmp_path / f"{name}.safetensors"), None)
    assert found.kind == "epsilon"
    points = f", though its name ({word}) points the other way"
    assert found.notes == (ASSUMED + points + OVERRULES,)


@pytest.mark.parametrize("name", ["determinus", "adversarial-preds", "vivid"])
def test_other_names_point_nowhere(tmp_path: Path, name: str) -> None:
    found = find_prediction(Family.SDXL, checkpoint(tmp_path / f"{name}.safetensors"), None)
    assert found.notes == (ASSUMED + OVERRULES,)


def test_the_base_model_that_a_trainer_names_is_evidence(tmp_path: Path) -> None:
    said = {"modelspec.prediction_type": "epsilon", "ss_base_model_version": "sd_v2_v"}
    found = find_prediction(
        Family.SDXL, checkpoint(tmp_path / "m.safetensors", metadata=said), None
    )
    assert "its metadata (ss_base_model_version) points the other way" in found.notes[0]


def test_metadata_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    said = {"modelspec.prediction_type": "epsilon", "ss_v_parameterization": "True"}
    found = find_prediction(
        Family.SDXL, checkpoint(tmp_path / "m.safetensors", metadata=said), None
    )
    assert found.kind == "epsilon"
    assert found.notes == (
        "its metadata (modelspec.prediction_type) says that it predicts epsilon, though its"
        " metadata (ss_v_parameterization) points the other way" + OVERRULES,
    )


def test_nothing_is_noted_where_it_is_said_or_nothing_may_be_assumed(tmp_path: Path) -> None:
    said = checkpoint(tmp_path / "m.safetensors", metadata={"modelspec.prediction_type": "v"})
    assert find_prediction(Family.SDXL, said, None).notes == ()
    silent = find_prediction(Family.SD2_V, checkpoint(tmp_path / "m.safetensors"), None)
    assert (silent.kind, silent.notes) == (None, ())
    told = find_prediction(Family.SDXL, said, PredictionSource(option="epsilon"))
    assert (told.kind, told.by) == ("epsilon", "the option")


@pytest.mark.parametrize(
    ("names", "metadata", "expected"),
    [
        (["ztsnr"], {}, "yes"),
        ([], {"ss_zero_terminal_snr": "True"}, "yes"),
        ([], {"ss_zero_terminal_snr": "False"}, "no"),
        ([], {"ot_config": '{"rescale_noise_scheduler_to_zero_terminal_snr": true}'}, "yes"),
        (["v_pred"], {}, "no"),
    ],
)
def test_a_schedule_up_to_pure_noise_is_marked(
    tmp_path: Path, names: list[str], metadata: dict[str, str], expected: str
) -> None:
    found = checkpoint(tmp_path / "m.safetensors", *names, metadata=metadata)
    assert has_zero_terminal_snr(found) is (expected == "yes")


@pytest.mark.parametrize(
    ("scheduler", "name", "kind", "notes"),
    [
        ({"prediction_type": "v_prediction"}, "m", "v_prediction", ()),
        ({"prediction_type": "epsilon"}, "m", "epsilon", ()),
        ({"prediction_type": "sample"}, "m", "sample", ()),
        ({}, "m", "epsilon", (ASSUMED + OVERRULES,)),
        (
            {"prediction_type": "epsilon"},
            "m-vpred",
            "epsilon",
            (
                "its scheduler says that it predicts epsilon, though its name (vpred) points the"
                " other way" + OVERRULES,
            ),
        ),
    ],
)
def test_a_folder_is_told_by_its_scheduler(
    scheduler: dict[str, str], name: str, kind: str, notes: tuple[str, ...]
) -> None:
    found = read_prediction(scheduler, Path(name))
    assert (found.kind, found.notes) == (kind, notes)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            ["linear_start: 0.00085", "linear_end: 0.0120", "timesteps: 1000"],
            {
                "beta_start": 0.00085,
                "beta_end": 0.012,
                "beta_schedule": "scaled_linear",
                "num_train_timesteps": 1000,
            },
        ),
        (
            ["linear_end: 2e-2  # more noise"],
            {"beta_start": 0.00085, "beta_end": 0.02, "beta_schedule": "scaled_linear"},
        ),
        (
            ["linear_start: 1e-4"],
            {"beta_start": 0.0001, "beta_end": 0.012, "beta_schedule": "scaled_linear"},
        ),
        (["timesteps: 500"], {"num_train_timesteps": 500}),
        (["# timesteps: 500", "log_every_timesteps: 7", "timesteps: 1-2"], {}),
    ],
)
def test_a_training_config_tells_its_noise(
    tmp_path: Path, lines: list[str], expected: dict[str, object]
) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("\n".join(f"    {line}" for line in lines))
    assert read_schedule(path) == expected
