"""What could ruin the pictures is told in the open, and the choice that settles it is in sight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sdcoreml.doctor.studio.bench import Bench
from tests.convert.models.originals import original_unet
from tests.convert.models.test_single_file import UNIT, original, save
from tests.doctor.studio.models import MODELS, examined
from tests.doctor.studio.said import find_text, keys_in


def group_of(found: dict[str, Any], key: str) -> dict[str, Any]:
    (group,) = (one for one in found["offer"]["groups"] if one["key"] == key)
    return dict(group)


def test_a_prediction_that_is_assumed_is_a_note_in_the_open(tmp_path: Path, bench: Bench) -> None:
    found = examined(bench, MODELS["sd1 file"](tmp_path))
    (finding,) = found["findings"]
    assert (finding["status"], finding["where"], finding["code"]) == ("info", "", None)
    assert finding["what"] == {"say": "doubt.epsilon.assumed"}
    assert finding["remedy"] == {
        "say": "doubt.epsilon.remedy",
        "group": {"say": "choice.prediction-type"},
        "choice": {"say": "prediction-type.v_prediction"},
    }
    assert group_of(found, "prediction-type")["is_folded"]
    assert "fact.note" not in [key for name, _ in found["facts"] for key in keys_in(name)]


def test_where_something_speaks_against_it_the_choice_is_in_sight(
    tmp_path: Path, bench: Bench
) -> None:
    found = examined(bench, save(tmp_path / "dream-vpred.safetensors", original("sd1")))
    (finding,) = found["findings"]
    assert finding["status"] == "warn"
    assert find_text(finding["what"], "doubt.against")["signs"] == ["its name (vpred)"]
    assert finding["remedy"]["say"] == "doubt.epsilon.remedy"
    assert not group_of(found, "prediction-type")["is_folded"]


def test_what_says_it_itself_is_in_no_doubt(tmp_path: Path, bench: Bench) -> None:
    metadata = {"modelspec.prediction_type": "epsilon"}
    file = save(tmp_path / "m.safetensors", original("sd1"), metadata)
    assert examined(bench, file)["findings"] == []
    folder = MODELS["sd1 folder"](tmp_path)
    assert examined(bench, folder)["findings"] == []


def test_a_folder_without_a_scheduler_is_in_doubt(tmp_path: Path, bench: Bench) -> None:
    folder = MODELS["sd1 folder"](tmp_path)
    (folder / "scheduler" / "scheduler_config.json").unlink()
    (folder / "scheduler").rmdir()
    (finding,) = examined(bench, folder)["findings"]
    assert (finding["status"], finding["what"]["say"]) == ("info", "doubt.epsilon.assumed")


def test_sd2_with_the_names_of_sd1_is_asked_what_it_predicts(tmp_path: Path, bench: Bench) -> None:
    arrays = original("sd1") | original_unet(UNIT["sd2"])
    found = examined(bench, save(tmp_path / "m.safetensors", arrays))
    assert found["family"].startswith("Stable Diffusion 2")
    assert [one["key"] for one in found["offer"]["groups"]] == ["prediction-type"]


def test_the_size_of_a_family_is_not_called_the_models_own(tmp_path: Path, bench: Bench) -> None:
    file, folder = MODELS["sd1 file"](tmp_path), MODELS["sd1 folder"](tmp_path)
    said = {
        path: group_of(examined(bench, path), "size")["options"][0]["sentence"]
        for path in (file, folder)
    }
    assert said[file] == {"say": "shape.usual"}
    assert said[folder] == {"say": "shape.trained"}
