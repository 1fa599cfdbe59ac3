"""Conversions that prove a toolchain, with a stand-in for `sdcoreml convert`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.doctor.proving.trials import (
    Conversion,
    Same,
    Sample,
    TrialResult,
    address_of,
)
from sdcoreml.envs.kept.store import Environment
from sdcoreml.ground.errors import EnvError
from sdcoreml.ground.events import Event, silent
from sdcoreml.lockfiles.toolchain import Toolchain, load_toolchain
from tests.convert.jobs.test_manifest import CHECKED, CONTENT, FIGURE, PROGRAM
from tests.envs.kept.test_store import finished
from tests.envs.wheels import toolchain

CONVERT = """
import json, os, pathlib, sys
place = pathlib.Path({place!r})
names = ("SDCOREML_ENVS", "TOOLCHAIN", "SDCOREML_PROVING", "SDCOREML_CACHE")
said = {{"words": sys.argv[1:], "at": os.getcwd()}}
said |= {{name: os.environ.get(name) for name in names}}
calls = place / "calls.json"
made = json.loads(calls.read_text()) if calls.exists() else []
calls.write_text(json.dumps([*made, said]))
output = pathlib.Path(sys.argv[sys.argv.index("--output") + 1])
for name, text in json.loads((place / "files.json").read_text())[len(made)].items():
    (output / name).parent.mkdir(parents=True, exist_ok=True)
    (output / name).write_text(text)
print("warning: slow", file=sys.stderr)
sys.stdout.write((place / "printed").read_text())
if (place / "fails").exists():
    print("error: " + (place / "fails").read_text(), file=sys.stderr)
    sys.exit(3)
"""

HALF = {**FIGURE, "mode": "fp16", "psnr": 71.5}
OTHER = {**CHECKED, "outputs": [{**FIGURE, "psnr": 120.0}, HALF]}
FIRST = {**PROGRAM, "files": {}}
MANIFEST = {**CONTENT, "programs": {"A": FIRST, "B": {**FIRST, "checked": OTHER}}}


class StandIn:
    """What `python -m sdcoreml` is: it records its calls and writes these files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "sdcoreml").mkdir(parents=True)
        (folder / "sdcoreml/__init__.py").touch()
        (folder / "sdcoreml/__main__.py").write_text(CONVERT.format(place=str(folder)))
        (folder / "printed").write_text(json.dumps({"results": [{"manifest": MANIFEST}]}))
        self.writes({}, {})

    def writes(self, *files: Mapping[str, str]) -> None:
        (self.folder / "files.json").write_text(json.dumps(files))

    @property
    def calls(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((self.folder / "calls.json").read_text())
        return found


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "stand-in"))
    monkeypatch.delenv("SDCOREML_CACHE")
    return StandIn(tmp_path / "stand-in")


@pytest.fixture
def made(tmp_path: Path) -> Environment:
    return finished(tmp_path / "envs" / ("a" * 16))


@pytest.fixture
def mine(tmp_path: Path) -> Toolchain:
    return load_toolchain(toolchain(tmp_path / "mine", {"one==1.0": "0" * 64}, name="mine"))


def test_the_sample_is_converted_anew_and_each_program_run(
    stand_in: StandIn, made: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SDCOREML_CACHE", str(tmp_path / "mine-for-ever"))
    events: list[Event] = []
    result = Sample(toolchain=load_toolchain("tested")).run(made, events.append)
    assert result == TrialResult(
        ran="sdcoreml convert --sample --full",
        result="2 programs checked",
        psnr={"fp32": 120.0, "fp16": 71.5},
    )
    assert events == [
        Event(kind="step", text="convert the sample in it, each program run in full"),
        Event(kind="note", text="warning: slow"),
    ]
    (call,) = stand_in.calls
    place = call["at"]
    assert call == {
        "words": [
            *("convert", "--sample", "--full", "--json", "--output", f"{place}/tested"),
            *("--toolchain", "tested"),
        ],
        "at": place,
        "SDCOREML_ENVS": str(tmp_path / "envs"),
        "TOOLCHAIN": "tested",
        "SDCOREML_PROVING": "1",
        "SDCOREML_CACHE": f"{place}/tested.cache",
    }
    assert not Path(place).exists()


def test_a_model_is_converted_into_a_folder_of_its_name(
    stand_in: StandIn, made: Environment, mine: Toolchain, tmp_path: Path
) -> None:
    convert = Conversion(made, tmp_path, silent)
    manifest = convert(mine, "/models/cat", "--full")
    assert sorted(manifest.programs) == ["A", "B"]
    (call,) = stand_in.calls
    address = f"{mine.folder}/"
    assert address_of(mine) == address
    assert call["words"] == [
        *("convert", "/models/cat", "--full", "--json", "--output", str(tmp_path / "cat")),
        *("--toolchain", address),
    ]
    assert (call["TOOLCHAIN"], call["SDCOREML_CACHE"]) == (address, str(tmp_path / "mine.cache"))


FILES = {"Unet.mlpackage/a": "1", "Unet.mlmodelc/b": "2", "manifest.json": "3"}


def test_what_two_toolchains_write_is_compared_file_by_file(
    stand_in: StandIn, made: Environment, mine: Toolchain
) -> None:
    base = load_toolchain("tested")
    same = Same(toolchain=mine, base=base)
    events: list[Event] = []
    stand_in.writes(FILES, {**FILES, "manifest.json": "4"})
    assert same.run(made, events.append) == TrialResult(
        ran="sdcoreml convert in mine and in tested",
        result="2 files identical to those of tested",
        psnr={"fp32": 120.0, "fp16": 71.5},
    )
    assert events[0] == Event(kind="step", text="convert the sample in it and in tested")
    first, second = stand_in.calls
    assert first["words"][:3] == ["convert", "--sample", "--full"]
    assert second["words"][:3] == ["convert", "build/sample", "--json"]
    assert (first["TOOLCHAIN"], second["TOOLCHAIN"]) == ("tested", f"{mine.folder}/")


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"Unet.mlmodelc/b": "3"}, "Unet.mlmodelc/b"),
        ({"Unet.mlpackage/c": "1"}, "Unet.mlpackage/c"),
        ({"Unet.mlpackage/a": "9", "Unet.mlmodelc/b": "9"}, "Unet.mlmodelc/b"),
    ],
)
def test_the_first_file_that_differs_is_named(
    stand_in: StandIn, made: Environment, mine: Toolchain, changed: dict[str, str], where: str
) -> None:
    stand_in.writes(FILES, {**FILES, **changed})
    with pytest.raises(EnvError, match=f"^{where}: mine and tested write it differently$"):
        Same(toolchain=mine, base=load_toolchain("tested")).run(made, silent)


def test_a_conversion_that_fails_says_why_and_nothing_is_recorded(
    stand_in: StandIn, made: Environment, mine: Toolchain, tmp_path: Path
) -> None:
    (stand_in.folder / "fails").write_text("no torch")
    with pytest.raises(EnvError) as caught:
        Conversion(made, tmp_path, silent)(mine, "--sample")
    name = Path(sys.executable).name
    assert str(caught.value) == f"{name}: ended with exit code 3 (no torch); nothing was recorded"


def test_the_environment_s_own_folder_is_used_whatever_its_name(
    stand_in: StandIn, made: Environment, mine: Toolchain, tmp_path: Path
) -> None:
    moved = replace(made, path=Path("/elsewhere/envs/abc"))
    Conversion(moved, tmp_path, silent)(mine, "--sample")
    assert stand_in.calls[0]["SDCOREML_ENVS"] == "/elsewhere/envs"
