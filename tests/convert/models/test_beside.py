"""A UNet alone is judged alike as a file and as the folder that the file lies in."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.convert.models.beside import Beside, config_beside, scheduler_beside
from sdcoreml.convert.models.family import Family
from sdcoreml.convert.models.identify import Identity, identify_path
from sdcoreml.convert.models.prediction import PredictionSource
from sdcoreml.convert.models.unpack import UnpackOptions
from tests.convert.models.folders import write_json
from tests.convert.models.originals import UNETS
from tests.convert.models.test_single_file import UNIT, save

WEIGHTS = "diffusion_pytorch_model.safetensors"
VELOCITY = {"prediction_type": "v_prediction", "num_train_timesteps": 500}


def write_unet(folder: Path, name: str, metadata: dict[str, str] | None = None) -> Path:
    write_json(folder / "config.json", {"_class_name": "UNet2DConditionModel", **UNETS[name]})
    save(folder / WEIGHTS, UNIT[name], metadata)
    return folder


def judge_both(folder: Path, said: str | None = None) -> Identity:
    """Identify the folder of a UNet and its file, compare what must be alike, and return one."""
    options = UnpackOptions(only_unet=True, told=PredictionSource(option=said))
    file, found = identify_path(folder / WEIGHTS, options), identify_path(folder, options)
    assert file.contents == found.contents
    assert (file.prediction, file.schedule) == (found.prediction, found.schedule)
    assert (file.faults, file.notes) == (found.faults, found.notes)
    return found


UNTOLD = "does not state its prediction type; give it with --prediction_type"
ASSUMED = (
    "the model does not say what it predicts: epsilon is assumed; --prediction-type v_prediction"
    " overrules that"
)


@pytest.mark.parametrize(
    ("name", "said", "family", "prediction", "notes"),
    [
        ("sd1", None, Family.SD1, "epsilon", (ASSUMED,)),
        ("sd1", "v_prediction", Family.SD1, "v_prediction", ()),
        ("sd2", None, Family.SD2_V, None, (UNTOLD,)),
        ("sd2", "epsilon", Family.SD2_BASE, "epsilon", ()),
        ("sd2", "v_prediction", Family.SD2_V, "v_prediction", ()),
        ("sdxl", "epsilon", Family.SDXL, "epsilon", ()),
        ("refiner", "epsilon", Family.SDXL_REFINER, "epsilon", ()),
    ],
)
def test_nothing_is_beside_it(
    tmp_path: Path,
    name: str,
    said: str | None,
    family: Family,
    prediction: str | None,
    notes: tuple[str, ...],
) -> None:
    found = judge_both(write_unet(tmp_path / "unet", name), said)
    assert (found.contents.family, found.prediction, found.notes) == (family, prediction, notes)
    assert found.faults == ()


def test_its_models_scheduler_says_what_it_predicts_and_on_which_schedule(tmp_path: Path) -> None:
    write_json(tmp_path / "scheduler/scheduler_config.json", VELOCITY)
    found = judge_both(write_unet(tmp_path / "unet", "sd1"))
    assert (found.prediction, found.notes, found.faults) == ("v_prediction", (), ())
    assert found.schedule.startswith("it was trained with 500 steps")
    assert found.model
    assert found.model.scheduler == VELOCITY


def test_a_damaged_scheduler_is_a_note_and_no_fault(tmp_path: Path) -> None:
    write_json(tmp_path / "scheduler/scheduler_config.json", {})
    (tmp_path / "scheduler/scheduler_config.json").write_text("{")
    found = judge_both(write_unet(tmp_path / "unet", "sd1"))
    assert found.faults == ()
    note, assumed = found.notes
    assert note.startswith("scheduler_config.json beside it is not used: not valid JSON")
    assert assumed == ASSUMED


@pytest.mark.parametrize(
    ("name", "index", "prediction"),
    [
        ("unet", None, "v_prediction"),
        ("dream", "model_index.json", "v_prediction"),
        ("dream", None, "epsilon"),
    ],
)
def test_a_scheduler_counts_only_in_a_models_folder(
    tmp_path: Path, name: str, index: str | None, prediction: str
) -> None:
    write_json(tmp_path / "scheduler/scheduler_config.json", VELOCITY)
    if index:
        write_json(tmp_path / index, {})
    folder = write_unet(tmp_path / name, "sd1")
    assert judge_both(folder).prediction == prediction
    config = scheduler_beside(folder / WEIGHTS).config
    assert config == (VELOCITY if prediction == "v_prediction" else {})


def test_its_own_metadata_count_in_a_folder_as_in_a_file(tmp_path: Path) -> None:
    metadata = {"modelspec.prediction_type": "v", "ss_zero_terminal_snr": "True"}
    found = judge_both(write_unet(tmp_path / "unet", "sd2", metadata))
    assert (found.prediction, found.contents.family) == ("v_prediction", Family.SD2_V)
    assert "zero terminal SNR" in found.schedule


def test_the_name_of_its_folder_is_no_evidence_but_told(tmp_path: Path) -> None:
    found = judge_both(write_unet(tmp_path / "dream-vpred", "sd1"))
    assert found.prediction == "epsilon"
    assert "though its name (vpred) points the other way" in found.notes[0]


def test_a_config_counts_if_it_describes_exactly_these_weights(tmp_path: Path) -> None:
    folder = write_unet(tmp_path, "sd1")
    shapes = {name: one.shape for name, one in UNIT["sd1"].items()}
    assert config_beside(folder / WEIGHTS, shapes).config["cross_attention_dim"] == 64
    other = Beside(notes=("config.json beside it describes another UNet: not used",))
    assert config_beside(folder / WEIGHTS, {**shapes, "conv_in.bias": (7,)}) == other
    assert config_beside(folder / WEIGHTS, {**shapes, "more": (7,)}) == other
    del shapes["conv_in.bias"]
    assert config_beside(folder / WEIGHTS, shapes) == other


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("{", "config.json beside it is not used: not valid JSON"),
        ("[]", "config.json beside it is not used: JSON, but not an object"),
        ('{"_class_name": "AutoencoderKL"}', ""),
        ('{"_class_name": "UNet2DConditionModel"}', ""),
        (None, ""),
    ],
)
def test_a_config_that_says_nothing_is_as_none(tmp_path: Path, text: str | None, note: str) -> None:
    if text:
        (tmp_path / "config.json").write_text(text)
    found = config_beside(tmp_path / "m.safetensors", {})
    assert found.config == {}
    assert "".join(found.notes).startswith(note)
    assert len(found.notes) == bool(note)
