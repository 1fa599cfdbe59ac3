from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from sdcoreml.convert.bundle.finished import is_finished


@pytest.mark.parametrize(
    "place",
    ["Unet.mlmodelc", "Unet.mlpackage", "split_einsum/compiled/Unet.mlmodelc"],
)
def test_programs_at_most_three_levels_below_are_core_ml(tmp_path: Path, place: str) -> None:
    (tmp_path / place).mkdir(parents=True)
    assert is_finished(tmp_path)


def test_a_model_with_programs_below_it_is_none(tmp_path: Path) -> None:
    (tmp_path / "coreml" / "Unet.mlmodelc").mkdir(parents=True)
    (tmp_path / "model_index.json").write_text("{}")
    assert not is_finished(tmp_path)


def test_a_zip_file_of_programs_is_core_ml_and_another_is_not(tmp_path: Path) -> None:
    for name, member in (("a.zip", "x/Unet.mlmodelc/model.mil"), ("b.zip", "x/unet/config.json")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(member, "")
    assert is_finished(tmp_path / "a.zip")
    assert not is_finished(tmp_path / "b.zip")


def test_an_older_core_ml_file_is_core_ml(tmp_path: Path) -> None:
    (tmp_path / "Unet.mlmodel").write_bytes(bytes(9))
    assert is_finished(tmp_path / "Unet.mlmodel")


def test_a_folder_is_looked_into_whatever_its_name_ends_with(tmp_path: Path) -> None:
    for name, place in (("a.zip", "Unet.mlmodelc"), ("b.zip", "unet"), ("c.mlmodel", "unet")):
        (tmp_path / name / place).mkdir(parents=True)
    found = [path.name for path in sorted(tmp_path.iterdir()) if is_finished(path)]
    assert found == ["a.zip"]
