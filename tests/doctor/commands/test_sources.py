"""`sdcoreml sources` stores folders of other programs, and refuses folders that are not theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.doctor.cli import main
from tests.schemas import read_as


@pytest.fixture
def comfy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.delenv("SDCOREML_MODELS", raising=False)
    folder = tmp_path / "ComfyUI"
    (folder / "models/checkpoints").mkdir(parents=True)
    (folder / "models/checkpoints/dream.safetensors").touch()
    return folder


def test_a_folder_is_added_listed_and_removed(
    comfy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = comfy.parent / "settings/sdcoreml/config.toml"
    assert main(["sources", "add", "comfy", str(comfy)]) == 0
    assert capsys.readouterr().out == f"{comfy}: 1 model; remembered in {own}\n"
    assert main(["sources", "add", "comfy", str(comfy)]) == 0
    assert own.read_text() == f'[sources]\ncomfy = ["{comfy}"]\n'
    capsys.readouterr()
    assert main(["sources", "list", "--json"]) == 0
    assert read_as("sources-list", capsys.readouterr().out)["folders"] == {
        f"{comfy}/models/checkpoints": 1,
        f"{comfy}/models/diffusers": 0,
        f"{comfy}/models/unet": 0,
        f"{comfy}/models/diffusion_models": 0,
    }
    for words in (("--json",), ("--json", "list")):
        assert main(["sources", *words]) == 0
        assert read_as("sources-list", capsys.readouterr().out)["folders"]
    capsys.readouterr()
    assert main(["sources", "remove", "comfy", str(comfy)]) == 0
    assert own.read_text() == ""
    assert capsys.readouterr().out == f"forgotten; written {own}\n"
    assert main(["sources"]) == 0
    assert capsys.readouterr().out.startswith("no folders of models; name one with")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (
            ["add", "a1111", "."],
            3,
            "has no folder models/Stable-diffusion; give the folder in which",
        ),
        (["add", "folder", "nowhere"], 3, "no such folder; give a folder that exists"),
        (["remove", "comfy", "nowhere"], 2, "is not remembered as comfy; there are none"),
        (["add", "invoke", "."], 2, "invalid choice"),
    ],
)
def test_what_is_no_such_folder_is_refused(
    comfy: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(comfy)
    try:
        found = main(["sources", *words])
    except SystemExit as error:
        found = int(str(error.code))
    assert found == code
    assert said in capsys.readouterr().err
