from __future__ import annotations

import argparse
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.bundle.apps import App
from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.jobs.manifest import read_manifest
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.doctor.commands.convert import install, tell
from sdcoreml.doctor.commands.convert_deliver import (
    app_of,
    deliver,
    require_deliverable,
)
from sdcoreml.doctor.commands.convert_options import declare
from sdcoreml.doctor.commands.convert_summary import Converted, next_steps, summary
from sdcoreml.doctor.commands.verify_coreml import load_finished
from sdcoreml.ground.arguments import Parser
from sdcoreml.ground.digest import describe, named_below
from sdcoreml.ground.errors import (
    BadInputError,
    SdcoremlError,
    UnsupportedError,
    UsageError,
    WorkerError,
)
from sdcoreml.ground.events import silent
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.convert.jobs.test_for_comfyui import SIZE as COMFY_SIZE
from tests.convert.jobs.test_for_comfyui import UNET_OF_TWO_LEVELS, Comfy
from tests.convert.jobs.test_for_comfyui import asked as comfy_job
from tests.convert.loading.stand_ins import MAC, CoreML
from tests.convert.stand_ins import (
    StandIn,
    add_component,
    finish,
    job_of,
    write_controlnet,
    write_model,
)
from tests.schemas import read_as

SIZE = Dimensions(batch=2, height=16, width=16, features=8, tokens=77)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home folder with Mochi Diffusion's folders."""
    for name in ("models", "controlnet"):
        (tmp_path / "home/MochiDiffusion" / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def asked(*words: str) -> argparse.Namespace:
    parser = Parser()
    declare(parser)
    return parser.parse_args(words)


def job(parent: Path, **options: object) -> Job:
    model = write_model(parent / "cat")
    add_component(model, "safety_checker", {}, "StableDiffusionSafetyChecker")
    return job_of(open_model(model), parent / "cat_128x128", **options)  # type: ignore[arg-type]


def test_installing_is_for_mochi() -> None:
    assert app_of(asked("model", "--install")) is App.MOCHI
    assert app_of(asked("model", "--app", "apple")) is App.APPLE
    assert app_of(asked("model")) is None
    with pytest.raises(UsageError, match="no folder of models to install to"):
        require_deliverable(asked("model", "--app", "apple", "--install"), ())


def test_what_an_app_does_not_use_is_refused_for_that_app(tmp_path: Path) -> None:
    checked = job(tmp_path, safety_checker=True)
    require_deliverable(asked("model"), [checked])
    require_deliverable(asked("model", "--app", "apple"), [checked])
    with pytest.raises(UnsupportedError, match="leave --safety-checker out"):
        require_deliverable(asked("model", "--app", "mochi"), [checked])
    halved = job(tmp_path / "halved", chunk=True, controlled=True)
    with pytest.raises(UnsupportedError, match="leave --chunk out"):
        require_deliverable(asked("model", "--app", "mochi"), [halved])


def test_a_place_that_is_not_free_is_refused_before_the_work(home: Path, tmp_path: Path) -> None:
    require_deliverable(asked("model", "--install"), [job(tmp_path)])
    (home / "MochiDiffusion/models/cat_128x128/Unet.mlmodelc").mkdir(parents=True)
    with pytest.raises(BadInputError, match="sdcoreml did not make"):
        require_deliverable(asked("model", "--install"), [job(tmp_path / "again")])


def test_a_machine_without_mochi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("platform.system", lambda: "Linux")
    with pytest.raises(BadInputError, match="not on this machine"):
        require_deliverable(asked("model", "--install"), [job(tmp_path)])
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    require_deliverable(asked("model", "--install"), [job(tmp_path / "again")])


def test_a_model_and_a_controlnet_go_to_folders_of_their_own(home: Path, tmp_path: Path) -> None:
    model = finish(job(tmp_path), StandIn(size=SIZE))
    net = finish(
        job_of(open_model(write_controlnet(tmp_path / "canny")), tmp_path / "Canny"),
        StandIn(size=SIZE),
    )
    done = deliver(asked("model", "--install"), [model, net], silent).installed
    assert (home / "MochiDiffusion/models/cat_128x128/Unet.mlmodelc").is_dir()
    (program,) = net.glob("*.mlmodelc")
    assert (home / "MochiDiffusion/controlnet" / program.name / "model.mil").is_file()
    assert [one.path for one in done.values()] == [
        home / "MochiDiffusion/models/cat_128x128",
        home / "MochiDiffusion/controlnet" / program.name,
    ]
    assert deliver(asked("model"), [model], silent).installed == {}


@pytest.mark.usefixtures("home")
def test_what_was_installed_is_said(tmp_path: Path) -> None:
    model = finish(job(tmp_path), StandIn(size=SIZE))
    done = deliver(asked("model", "--install"), [model], silent).installed[model]
    said = summary(model, read_manifest(model), App.MOCHI, replace(done, way=None)).splitlines()
    assert said[-2:] == [
        f"  installed: {done.path} (it was there already)",
        "  next: choose it in Mochi Diffusion; compute unit Auto or CPU & Neural Engine",
    ]


def test_next_steps_are_those_of_the_app(tmp_path: Path) -> None:
    model = finish(job(tmp_path), StandIn(size=SIZE))
    manifest = read_manifest(model)
    (mochi,) = next_steps(model, manifest, App.MOCHI)
    (apple,) = next_steps(model, manifest, App.APPLE)
    assert mochi.startswith("  next: for Mochi Diffusion: put the folder into ~/MochiDiffusion")
    assert apple.startswith(f"  next: for Apple's package: --resource-path {model} ")
    assert len(next_steps(model, manifest)) == 2


def test_for_apples_package_a_controlnet_goes_into_the_models_folder(tmp_path: Path) -> None:
    model = finish(job(tmp_path), StandIn(size=SIZE))
    net = finish(
        job_of(open_model(write_controlnet(tmp_path / "canny")), tmp_path / "Canny"),
        StandIn(size=SIZE),
    )
    done = deliver(asked("net", "--app", "apple", "--for", str(model)), [net], silent).installed[
        net
    ]
    assert done.path.parent == model / "controlnet"
    assert (done.path / "model.mil").is_file()


def test_a_controlnets_place_is_checked_before_the_work(home: Path, tmp_path: Path) -> None:
    net = job_of(open_model(write_controlnet(tmp_path / "canny")), tmp_path / "Canny")
    stranger = home / "MochiDiffusion/controlnet" / f"{net.parts[0].stem}.mlmodelc"
    stranger.mkdir()
    (stranger / "model.mil").touch()
    with pytest.raises(BadInputError, match="another ControlNet has this name"):
        require_deliverable(asked("net", "--install"), [net])
    shutil.rmtree(stranger)
    made = finish(net, StandIn(size=SIZE))
    model = tmp_path / "model"
    for words, place in (
        (("--install",), home / "MochiDiffusion/controlnet"),
        (("--app", "apple", "--for", str(model)), model / "controlnet"),
    ):
        args = asked("net", *words)
        require_deliverable(args, [net])
        deliver(args, [made], silent)
        require_deliverable(args, [net])  # what is there is what was made
        (program,) = place.iterdir()
        (program / "model.mil").write_text("of somebody else")
        with pytest.raises(BadInputError, match="another ControlNet has this name"):
            require_deliverable(args, [net])


@pytest.mark.usefixtures("home")
def test_a_folder_that_cannot_be_installed_stops_no_other(tmp_path: Path) -> None:
    models = [finish(job(tmp_path / letter), StandIn(size=SIZE)) for letter in "ab"]
    other = models[1].rename(models[1].parent / "cat_other")
    (tmp_path / "home/MochiDiffusion/models/cat_128x128").write_text("mine")
    done = deliver(asked("model", "--install"), [models[0], other], silent)
    assert [*done.installed] == [other]
    assert "sdcoreml did not make" in done.withheld[models[0]].what


def made_on_a_mac(tmp_path: Path, fault: SdcoremlError | None) -> Converted:
    folder = finish(job(tmp_path), StandIn(size=SIZE))
    runner = CoreML(faults={"Unet.mlmodelc": fault} if fault else {})
    tested = load_toolchain("tested")
    return Converted(
        manifests={folder: read_manifest(folder)},
        loaded=load_finished([folder], tested, runner, silent, lambda: MAC),
        app=App.MOCHI,
    )


def test_what_core_ml_finds_faulty_is_not_installed_and_the_summary_says_why(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = made_on_a_mac(tmp_path, WorkerError("load: died"))
    made = install(asked("model", "--install"), made, silent)
    assert [*(home / "MochiDiffusion/models").iterdir()] == []
    assert tell(made, as_json=False) == 7
    said = capsys.readouterr().out
    (folder,) = made.manifests
    assert f"  not installed: {folder}: 1 of 4 programs fails on macOS 15.2, M2; see `" in said
    assert "next:" not in said


def test_what_was_installed_is_told_with_its_place(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = made_on_a_mac(tmp_path, None)
    (folder,) = before.manifests
    made = install(asked("model", "--install"), before, silent)
    place = home / "MochiDiffusion/models/cat_128x128"
    assert {one: found.path for one, found in made.installed.items()} == {folder: place}
    assert (made.withheld, made.app, made.loaded) == ({}, App.MOCHI, before.loaded)
    assert tell(made, as_json=True) == 0
    (told,) = read_as("convert", capsys.readouterr().out)["results"]
    assert (told["folder"], told["installed"]) == (str(folder), str(place))
    assert tell(made, as_json=False) == 0
    assert f"  installed: {place} (" in capsys.readouterr().out


def test_what_was_made_is_told_before_the_error_of_its_installation(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "MochiDiffusion/models/cat_128x128").write_text("mine")
    made = install(asked("model", "--install"), made_on_a_mac(tmp_path, None), silent)
    with pytest.raises(BadInputError, match="sdcoreml did not make"):
        tell(made, as_json=True)
    told = read_as("convert", capsys.readouterr().out)
    assert told["verdict"]["can"] == "yes"
    assert [one["folder"] for one in told["results"]] == [str(tmp_path / "cat_128x128")]


@pytest.fixture
def comfy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a ComfyUI that `sdcoreml sources` knows."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    own = tmp_path / "settings/sdcoreml/config.toml"
    own.parent.mkdir(parents=True)
    own.write_text(f'[sources]\ncomfy = ["{tmp_path}/ComfyUI"]\n')
    (tmp_path / "ComfyUI/models").mkdir(parents=True)
    return tmp_path / "ComfyUI"


INSTALL = asked("model", "--app", "comfyui", "--install")


def for_comfyui(parent: Path, **choices: Any) -> Job:
    return comfy_job(write_model(parent / "cat", UNET_OF_TWO_LEVELS), parent / "made", **choices)


def test_a_package_goes_into_comfyuis_folder_and_replaces_nothing(
    comfy: Path, tmp_path: Path
) -> None:
    planned = for_comfyui(tmp_path)
    require_deliverable(INSTALL, [planned])
    made = finish(planned, Comfy(size=COMFY_SIZE))
    target = comfy / "models/unet/cat_1x128x128_se_unet.mlpackage"
    for way in (True, False):
        (done,) = deliver(INSTALL, [made], silent).installed.values()
        assert (done.path, done.way is not None) == (target, way)
    (source,) = made.glob("*.mlpackage")
    assert describe(named_below(target)) == describe(named_below(source))
    assert [one.name for one in target.parent.iterdir() if one.name[0] != "."] == [target.name]
    text = summary(made, read_manifest(made), App.COMFYUI, done)
    assert text.splitlines()[-2:] == [
        f"  installed: {target} (it was there already)",
        "  next: choose it in the node Load Core ML UNet (ComfyUI-CoreMLSuite 2), with CPU_AND_NE",
    ]
    (target / "Manifest.json").write_text("another's")
    with pytest.raises(BadInputError, match="another package has this name"):
        require_deliverable(INSTALL, [planned])
    (error,) = deliver(INSTALL, [made], silent).withheld.values()
    assert "another package has this name" in error.what
    assert (target / "Manifest.json").read_text() == "another's"


def test_where_comfyui_is_must_be_known(comfy: Path, tmp_path: Path) -> None:
    own, planned = tmp_path / "settings/sdcoreml/config.toml", [for_comfyui(tmp_path)]
    (comfy / "models").rmdir()
    with pytest.raises(BadInputError, match=r"\bComfyUI is not there"):
        require_deliverable(INSTALL, planned)
    own.write_text('[sources]\ncomfy = ["/A", "/B"]\n')
    with pytest.raises(UsageError, match="known in 2 places"):
        require_deliverable(INSTALL, planned)
    own.write_text("")
    with pytest.raises(UsageError, match=r"is not known.*sources add comfy FOLDER"):
        require_deliverable(INSTALL, planned)
    require_deliverable(asked("model", "--app", "comfyui"), planned)


def test_a_folder_of_comfyui_that_takes_no_package_is_refused_before_the_work(
    comfy: Path, tmp_path: Path
) -> None:
    unets, planned = comfy / "models/unet", [for_comfyui(tmp_path)]
    unets.symlink_to(tmp_path / "disk/unet")
    with pytest.raises(BadInputError, match=r"is a link to .*/disk/unet, which leads nowhere"):
        require_deliverable(INSTALL, planned)
    (tmp_path / "disk/unet").mkdir(parents=True)
    require_deliverable(INSTALL, planned)
    unets.unlink()
    unets.touch()
    with pytest.raises(
        BadInputError, match=r"\bis a file, and ComfyUI reads a folder; .*--install"
    ):
        require_deliverable(INSTALL, planned)
    unets.unlink()
    require_deliverable(INSTALL, planned)


@pytest.mark.parametrize("name", ["models", "models/unet"])
def test_a_folder_of_comfyui_that_may_not_be_written_to_is_refused(
    comfy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (comfy / name).mkdir(exist_ok=True)
    asked: list[tuple[Path, int]] = []
    monkeypatch.setattr("os.access", lambda path, mode: asked.append((path, mode)))
    with pytest.raises(BadInputError) as caught:
        require_deliverable(INSTALL, [for_comfyui(tmp_path)])
    assert str(caught.value) == (
        f"{comfy / name}: may not be written to; see who owns it, or leave --install out, and copy"
        " the package to where ComfyUI reads it"
    )
    assert asked == [(comfy / name, os.W_OK | os.X_OK)]
