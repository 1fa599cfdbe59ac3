from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.convert.bundle.apps import App
from sdcoreml.convert.bundle.ports import Dimensions
from sdcoreml.convert.jobs.manifest import read_manifest
from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.convert.jobs.plan import Job
from sdcoreml.doctor.commands.convert_deliver import (
    app_of,
    deliver,
    require_deliverable,
)
from sdcoreml.doctor.commands.convert_options import declare
from sdcoreml.doctor.commands.convert_summary import next_steps, summary
from sdcoreml.ground.arguments import Parser
from sdcoreml.ground.errors import BadInputError, UnsupportedError, UsageError
from sdcoreml.ground.events import silent
from tests.convert.stand_ins import (
    StandIn,
    add_component,
    finish,
    job_of,
    write_controlnet,
    write_model,
)

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
    done = tuple(deliver(asked("model", "--install"), [model, net], silent))
    assert (home / "MochiDiffusion/models/cat_128x128/Unet.mlmodelc").is_dir()
    (program,) = net.glob("*.mlmodelc")
    assert (home / "MochiDiffusion/controlnet" / program.name / "model.mil").is_file()
    assert [one.path for _, one in done] == [
        home / "MochiDiffusion/models/cat_128x128",
        home / "MochiDiffusion/controlnet" / program.name,
    ]
    assert [*deliver(asked("model"), [model], silent)] == []


@pytest.mark.usefixtures("home")
def test_what_was_installed_is_said(tmp_path: Path) -> None:
    model = finish(job(tmp_path), StandIn(size=SIZE))
    ((_, done),) = deliver(asked("model", "--install"), [model], silent)
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
    ((_, done),) = deliver(asked("net", "--app", "apple", "--for", str(model)), [net], silent)
    assert done.path.parent == model / "controlnet"
    assert (done.path / "model.mil").is_file()
