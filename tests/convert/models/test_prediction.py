from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.prediction import (
    SPELLINGS,
    PredictionSource,
    find_prediction,
    read_parameterization,
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
    assert find_prediction(family, checkpoint(tmp_path / "m.ckpt"), None) == "epsilon"


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
    assert find_prediction(Family.SD2_V, found, None) == expected


@pytest.mark.parametrize(("option", "meant"), SPELLINGS.items())
def test_what_was_asked_for_overrules_everything(tmp_path: Path, option: str, meant: str) -> None:
    path = tmp_path / "m.ckpt"
    path.with_suffix(".yaml").write_text(VELOCITY)
    found = checkpoint(path, "v_pred", metadata={"modelspec.prediction_type": "epsilon"})
    told = PredictionSource(option=option, config=tmp_path / "not there")
    assert find_prediction(Family.SD2_V, found, told) == meant


def test_the_config_that_was_given_comes_before_the_one_beside(tmp_path: Path) -> None:
    path, given = tmp_path / "m.ckpt", tmp_path / "given.yaml"
    path.with_suffix(".yaml").write_text(VELOCITY)
    given.write_text(NOISE)
    found = checkpoint(path, "v_pred")
    assert find_prediction(Family.SD2_V, found, None) == "v_prediction"
    assert find_prediction(Family.SD2_V, found, PredictionSource(config=given)) == "epsilon"


def test_a_config_comes_before_what_the_file_itself_says(tmp_path: Path) -> None:
    path = tmp_path / "m.ckpt"
    path.with_suffix(".yaml").write_text(NOISE)
    assert find_prediction(Family.SDXL, checkpoint(path, "v_pred"), None) == "epsilon"


@pytest.mark.parametrize(
    ("names", "metadata", "expected"),
    [
        (["v_pred"], {}, "v_prediction"),
        (["v_pred"], {"modelspec.prediction_type": "epsilon"}, "v_prediction"),
        (["unet.v_pred"], {}, "epsilon"),
        ([], {"modelspec.prediction_type": "v_prediction"}, "v_prediction"),
        ([], {"modelspec.prediction_type": "v-prediction"}, "v_prediction"),
        ([], {"modelspec.prediction_type": "epsilon"}, "epsilon"),
        ([], {"modelspec.prediction_type": "sample"}, "epsilon"),
        ([], {"prediction_type": "v_prediction"}, "epsilon"),
    ],
)
def test_marks_of_the_file(
    tmp_path: Path, names: list[str], metadata: dict[str, str], expected: str
) -> None:
    found = checkpoint(tmp_path / "m.safetensors", *names, metadata=metadata)
    assert find_prediction(Family.SDXL, found, None) == expected


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
    with pytest.raises(BadInputError, match=r"not readable .*; give the model's YAML config"):
        read_parameterization(tmp_path / "none.yaml")
    (tmp_path / "odd.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInputError, match=r"odd\.yaml: not readable"):
        read_parameterization(tmp_path / "odd.yaml")
