"""What `sdcoreml library` says of folders of models: ours, others', damaged and strange ones."""

from __future__ import annotations

import argparse
import json
import os
import plistlib
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.bundle.comfyui import interface
from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.deliver.mochi import PREFERENCES
from sdcoreml.convert.jobs.manifest import read_manifest, write_manifest
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.models.family import Family
from sdcoreml.doctor import cli
from sdcoreml.doctor.commands.library import configure, run
from sdcoreml.doctor.commands.library_text import as_text
from sdcoreml.doctor.core.library import (
    Entry,
    Judged,
    Kind,
    Twins,
    WeightFile,
    judge_entry,
    pair,
)
from sdcoreml.doctor.core.subjects import Bundle, ProgramState
from sdcoreml.ground.errors import BadInputError
from tests.convert.stand_ins import (
    StandIn,
    finish,
    job_of,
    model_of,
    write_controlnet,
    write_model,
    write_stand_in,
)
from tests.schemas import read_as

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished folder; tests work on copies."""
    folder = tmp_path_factory.mktemp("made")
    return finish(
        job_of(open_model(write_model(folder / "cat")), folder / "cat_128x128"), StandIn(size=SIZE)
    )


def library(*words: str | Path) -> int:
    parser = argparse.ArgumentParser()
    configure(parser)
    return run(parser.parse_args([str(word) for word in words]))


def listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[Mapping[str, Any]]:
    """Return the entries of a folder, as JSON has them."""
    library(folder, "--json")
    (shelf,) = read_as("library", capsys.readouterr().out)["folders"]
    entries: list[Mapping[str, Any]] = shelf["entries"]
    return entries


def only(folder: Path, capsys: pytest.CaptureFixture[str]) -> Mapping[str, Any]:
    (entry,) = listed(folder, capsys)
    return entry


def describe(program: Path, **fields: Any) -> None:
    """Set values in a program's metadata.json."""
    path = program / "metadata.json"
    (content,) = json.loads(path.read_text())
    path.write_text(json.dumps([{**content, **fields}]))


def by_others(made: Path, folder: Path) -> Path:
    """Copy a folder as others would have made it: without packages and manifest."""
    shutil.copytree(
        made, folder, ignore=shutil.ignore_patterns("*.mlpackage", "manifest.json", "*.html")
    )
    return folder


def test_a_library_of_many_kinds(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf = tmp_path / "models"
    shutil.copytree(made, shelf / "cat_128x128")
    old = by_others(made, shelf / "old")
    describe(
        old / "TextEncoder.mlmodelc",
        userDefinedMetadata={
            "com.github.apple.coremltools.version": "7.2",
            "com.github.apple.coremltools.source": "torch==2.2.0",
        },
    )
    odd = by_others(made, shelf / "odd")
    describe(odd / "VAEEncoder.mlmodelc", inputSchema=[{"name": "x", "shape": "1x3x128x128"}])
    broken = by_others(made, shelf / "broken")
    shutil.rmtree(broken / "TextEncoder.mlmodelc")
    by_others(made, shelf / "deep/split_einsum/compiled")
    (shelf / "empty").mkdir()
    (shelf / "loop").symlink_to("loop")
    (shelf / "again").symlink_to("old")
    (shelf / "notes.txt").touch()
    (shelf / ".hidden").mkdir()
    (shelf / "packed.zip").touch()
    assert library(shelf) == 1
    said = capsys.readouterr().out.replace(str(shelf), "SHELF")
    assert said == TEXT


TEXT = """\
SHELF: 5 models: 1 runs in both apps, 3 run with limits, 1 does not run; the next Mochi Diffusion will hide 1; macOS 27.2 crashes on 2 with CPU & GPU; 4 of other kinds
  limited  again        a model of unknown family, 128x128, original attention, 9 kB, macOS 13 or newer, made by others, a link to old
           BUN012 TextEncoder was traced with torch 2.2.0 by coremltools 7.2
  fails    broken       a model of unknown family, 128x128, original attention, 7 kB, macOS 13 or newer, made by others
           BUN001 missing: TextEncoder
  runs     cat_128x128  Stable Diffusion 1.x, 128x128, original attention, 45 kB, macOS 13 or newer
  -        deep         its programs are deeper, in split_einsum/compiled, where no app looks
           move that folder here, and rename it to deep
  -        empty        empty
  -        loop         links that lead in a circle, a link to loop
  limited  odd          a model of unknown family, 128x128, original attention, 9 kB, macOS 13 or newer, made by others
           BUN020 the next Mochi Diffusion will hide this: VAEEncoder: the shape '1x3x128x128' is not four positive numbers in brackets
  limited  old          a model of unknown family, 128x128, original attention, 9 kB, macOS 13 or newer, made by others
           BUN012 TextEncoder was traced with torch 2.2.0 by coremltools 7.2
  -        packed.zip   packed, which no app looks into
           unpack it
  judged by descriptions; `sdcoreml doctor SHELF/again` reads one whole, and says what to do
"""  # noqa: E501  as it is printed


def test_json_says_the_same(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(made, tmp_path / "m/cat")
    assert library(tmp_path / "m", "--json") == 0
    content = read_as("library", capsys.readouterr().out)
    assert content["schema"] == 1
    (entry,) = content["folders"][0]["entries"]
    assert {name: entry[name] for name in entry if name not in ("path", "bytes")} == {
        "name": "cat",
        "link": None,
        "kind": "model",
        "family": "sd1",
        "width": 128,
        "height": 128,
        "attention": "original",
        "storage": None,
        "made_by": "sdcoreml",
        "macos": "13",
        "apps": [
            {"name": "Apple's Swift package", "runs": "yes", "reason": ""},
            {"name": "Mochi Diffusion", "runs": "yes", "reason": ""},
        ],
        "fits": None,
        "hidden_by_next_mochi": False,
        "crashes_macos_27_2": False,
        "reason": None,
        "next": None,
        "findings": [],
    }


def test_a_folder_that_is_itself_finished_is_its_only_entry(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert only(made, capsys)["name"] == made.name


def test_what_is_damaged_runs_nowhere(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = by_others(made, tmp_path / "m/cat")
    describe(folder / "Unet.mlmodelc", mlProgramOperationTypeHistogram=None)
    apps = only(tmp_path / "m", capsys)["apps"]
    assert [one["runs"] for one in apps] == ["yes", "no"], "Apple's package reads no metadata.json"
    assert "no histogram" in apps[1]["reason"]
    (folder / "vocab.json").unlink()
    assert [one["runs"] for one in only(tmp_path / "m", capsys)["apps"]] == ["no", "no"]


@pytest.mark.parametrize("content", ["", "{}", "[" * 200, '{"schema": 9}', "\0"])
def test_a_damaged_manifest_is_a_fault_and_no_crash(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    folder = by_others(made, tmp_path / "m/cat")
    (folder / "manifest.json").write_text(content)
    entry = only(tmp_path / "m", capsys)
    assert entry["made_by"] == "others"
    assert [one["id"] for one in entry["findings"]] == ["BUN019"]
    assert entry["findings"][0]["what"].startswith("manifest.json: ")


def test_packages_that_are_not_compiled(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(made, tmp_path / "m/cat", ignore=shutil.ignore_patterns("*.mlmodelc"))
    apps = only(tmp_path / "m", capsys)["apps"]
    assert {one["reason"] for one in apps} == {"it is not compiled yet"}


def test_a_unet_for_comfyui_runs_in_no_other_app(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shapes = {"sample": (1, 4, 16, 16), "timestep": (1,), "encoder_hidden_states": (1, 77, 8)}
    write_stand_in(tmp_path / "m/cat/cat_se_unet.mlpackage", model_of(interface(shapes)))
    apps = only(tmp_path / "m", capsys)["apps"]
    assert {one["reason"] for one in apps} == {
        "it is a UNet for ComfyUI, whose nodes load packages"
    }


def test_a_controlnet_and_the_models_that_it_fits(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nets = tmp_path / "controlnet"
    source = write_controlnet(tmp_path / "canny")
    job = job_of(open_model(source), nets / "Canny")
    finish(job, StandIn(size=SIZE))
    folder = by_others(made, tmp_path / "models/cat")
    assert library(tmp_path / "models", nets) == 0
    said = capsys.readouterr().out
    assert "Mochi Diffusion offers it for no model here\n" in said
    shutil.copytree(folder / "Unet.mlmodelc", folder / "ControlledUnet.mlmodelc")
    library(tmp_path / "models", nets)
    assert "Mochi Diffusion offers it for cat\n" in capsys.readouterr().out
    (entry,) = listed(nets, capsys)
    assert (entry["kind"], entry["fits"]) == ("controlnet", [])


def judged(name: str, kind: Kind, family: Family) -> Judged:
    unet = ProgramState(name="ControlledUnet", container=".mlmodelc")
    bundle = Bundle(path=name, programs=(unet,))
    return judge_entry(Entry(name=name, path=name, kind=kind, family=family, bundle=bundle), [])


def test_controlnets_of_sdxl_run_in_no_app_and_others_beside_their_family() -> None:
    models = [judged(family.name, Kind.MODEL, family) for family in Family]
    fits = {
        family: pair([*models, judged("net", Kind.NET, family)])[-1].fits
        for family in (Family.SD1, Family.SD2_BASE, Family.SDXL)
    }
    assert fits == {
        Family.SD1: ("SD1", "UNKNOWN"),
        Family.SD2_BASE: ("SD2_BASE", "SD2_V", "UNKNOWN"),
        Family.SDXL: (),
    }
    verdicts = judged("net", Kind.NET, Family.SDXL).apps
    assert {(one.runs, one.reason) for one in verdicts} == {
        ("no", "no app runs ControlNets of Stable Diffusion XL base")
    }


def test_a_stray_program_and_a_folder_of_its_name_hide_no_models(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf = tmp_path / "models"
    by_others(made, shelf / "cat")
    by_others(made, shelf / "Unet")
    assert [one["name"] for one in listed(shelf, capsys)] == ["cat", "Unet"]
    shutil.copytree(made / "Unet.mlmodelc", shelf / "Unet.mlmodelc")
    assert [one["name"] for one in listed(shelf, capsys)] == ["models", "cat", "Unet"]


def test_a_link_cannot_forge_a_line(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_others(made, tmp_path / "m/cat")
    (tmp_path / "m/evil").symlink_to("cat\n  runs     forged")
    library(tmp_path / "m")
    said = capsys.readouterr().out
    assert "a link to cat\\n  runs     forged" in said
    assert len(said.splitlines()) == said.count("\n") == 3


def test_a_shape_of_thousands_of_digits_is_no_shape(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = by_others(made, tmp_path / "m/cat")
    inputs = [{"name": "sample", "shape": f"[2, 4, 8, {'9' * 5000}]"}]
    describe(folder / "Unet.mlmodelc", inputSchema=inputs)
    assert only(tmp_path / "m", capsys)["kind"] == "model"


def test_equal_weights_are_found_by_samples_and_links_are_not_counted(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf = tmp_path / "m"
    for name, letter in (("a", b"x"), ("b", b"x"), ("c", b"y")):
        weights = by_others(made, shelf / name) / "Unet.mlmodelc/weights/weight.bin"
        weights.write_bytes(letter * (3 << 20))
    linked = by_others(made, shelf / "d") / "Unet.mlmodelc/weights/weight.bin"
    linked.unlink()
    linked.hardlink_to(shelf / "a/Unet.mlmodelc/weights/weight.bin")
    library(shelf)
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "  sharing weights that look equal (by size and samples) would save 3 MB:",
        "    3 MB: a/Unet, b/Unet",
    ]


def test_beyond_the_first_groups_of_equal_weights_the_rest_is_counted(tmp_path: Path) -> None:
    def twins(number: int) -> Twins:
        names = (f"{name}{number}" for name in "abcde")
        files = (
            WeightFile(entry=name, program="Unet", path="w", size=9, inode=(1, 1)) for name in names
        )
        return Twins(files=tuple(files), saves=1_000_000)

    lines = list(as_text(tmp_path, (), [twins(number) for number in range(7)]))
    assert lines[-7:-4] == [
        "  sharing weights that look equal (by size and samples) would save 7 MB:",
        "    1 MB: a0/Unet, b0/Unet, c0/Unet, 2 more",
        "    1 MB: a1/Unet, b1/Unet, c1/Unet, 2 more",
    ]
    assert lines[-1] == "    2 MB: 2 other groups"


def test_a_model_that_is_not_converted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = write_model(tmp_path / "m/cat")
    entry = only(tmp_path / "m", capsys)
    assert entry["kind"] == "unconverted"
    assert entry["apps"] == []
    assert str(model.name) in entry["path"]


def test_names_cannot_write_on_the_terminal(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_others(made, tmp_path / "m/evil\n\x1b[31m")
    library(tmp_path / "m")
    assert "evil\\n\\x1b[31m  " in capsys.readouterr().out


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m/secret").mkdir(parents=True, mode=0)
    assert only(tmp_path / "m", capsys)["kind"] == "unreadable"


@pytest.mark.parametrize("name", ["absent", "file"])
def test_no_folder_at_all(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInputError, match=r"no such folder.*give a folder of models"):
        library(tmp_path / name)


def test_mochis_own_folders_are_the_default(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(BadInputError, match="folder of models is not there"):
        library()
    models = tmp_path / "MochiDiffusion/models"
    models.mkdir(parents=True)
    assert library() == 0
    assert capsys.readouterr().out == f"{models}: empty\n"
    chosen = tmp_path / "chosen"
    by_others(made, chosen / "cat")
    (tmp_path / PREFERENCES).parent.mkdir(parents=True)
    (tmp_path / PREFERENCES).write_bytes(plistlib.dumps({"ModelDir": str(chosen)}))
    assert library() == 0
    assert capsys.readouterr().out.startswith(f"{chosen}: 1 model: 1 runs in both apps\n")


def test_how_compressed_weights_are_stored_is_told(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(made, tmp_path / "m/cat")
    manifest = read_manifest(folder)
    options = replace(manifest.options, recipe={"bits": 6})
    write_manifest(replace(manifest, options=options), folder)
    entry = only(tmp_path / "m", capsys)
    assert (entry["storage"], entry["next"], entry["reason"]) == ("6-bit", None, None)
    assert library(tmp_path / "m") == 0
    assert ", original attention, 6-bit, " in capsys.readouterr().out


def test_it_is_an_everyday_verb() -> None:
    assert [verb.name for verb in cli.VERBS if verb.is_everyday].index("library") > 0
