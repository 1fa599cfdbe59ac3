from __future__ import annotations

import plistlib
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.deliver.mochi import PREFERENCES, MochiFolders, find_mochi, is_there


def prefer(home: Path, content: bytes) -> None:
    path = home / PREFERENCES
    path.parent.mkdir(parents=True)
    path.write_bytes(content)


def usual(home: Path) -> MochiFolders:
    return MochiFolders(
        models=home / "MochiDiffusion/models", nets=home / "MochiDiffusion/controlnet"
    )


@pytest.mark.parametrize("form", [plistlib.FMT_BINARY, plistlib.FMT_XML])
def test_folders_that_the_user_chose_in_the_app(tmp_path: Path, form: Any) -> None:
    said = {"ModelDir": "/Volumes/Big/models", "ControlNetDir": "/Volumes/Big/nets", "Steps": 12.0}
    prefer(tmp_path, plistlib.dumps(said, fmt=form))
    assert find_mochi(tmp_path) == MochiFolders(
        models=Path("/Volumes/Big/models"),
        nets=Path("/Volumes/Big/nets"),
        models_chosen=True,
        nets_chosen=True,
    )


def test_without_preferences_they_are_below_the_home_folder(tmp_path: Path) -> None:
    assert find_mochi(tmp_path) == usual(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"bplist00", b"bplist00" + bytes(40), b"<plist><dict><key>ModelDir</key>"),
        *(b"no plist", plistlib.dumps(["ModelDir"]), plistlib.dumps({"ModelDir": 3})),
        plistlib.dumps({"ModelDir": "", "ControlNetDir": ""}),
    ],
)
def test_preferences_that_say_nothing(tmp_path: Path, content: bytes) -> None:
    prefer(tmp_path, content)
    assert find_mochi(tmp_path) == usual(tmp_path)


def test_one_folder_may_be_chosen_alone(tmp_path: Path) -> None:
    prefer(tmp_path, plistlib.dumps({"ControlNetDir": "/nets"}))
    found = find_mochi(tmp_path)
    models = tmp_path / "MochiDiffusion/models"
    assert found == MochiFolders(models=models, nets=Path("/nets"), nets_chosen=True)


def test_a_folder_that_cannot_be_is_not_there(tmp_path: Path) -> None:
    assert is_there(tmp_path)
    assert not is_there(tmp_path / ("x" * 5000))
    assert not is_there(tmp_path / "absent")
