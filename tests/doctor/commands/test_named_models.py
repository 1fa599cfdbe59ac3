"""A model given by its hub name: messages use the name, and no weights are downloaded."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from sdcoreml.doctor.cli import main
from sdcoreml.doctor.commands.named_models import as_model, fetch_model
from sdcoreml.ground.events import silent
from tests.convert.hub.server import Fault, Repository, Server, serving
from tests.convert.models.folders import INDEX, save_safetensors, write_json, write_model
from tests.schemas import read_as


@pytest.fixture(scope="module")
def _running() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def hub(_running: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Publish a safetensors model on a test hub; the cache is empty."""
    folder = write_model(tmp_path / "source", index=INDEX)
    for part, stem in (("unet", "diffusion_pytorch_model"), ("text_encoder", "model")):
        for old in (folder / part).glob("*.bin*"):
            old.unlink()
        save_safetensors(folder / part / f"{stem}.safetensors")
    write_json(folder / "unet/config.json", {"_class_name": "UNet2DConditionModel"})
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    _running.repositories.clear()
    _running.repositories["acme/dream"] = Repository(files=files)
    _running.faults.clear()
    _running.requests.clear()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "SDCOREML_MODELS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", _running.address)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    return _running


def test_inspect_says_what_a_name_is(hub: Server, capsys: pytest.CaptureFixture[str]) -> None:
    main(["inspect", "acme/dream"])
    out, err = capsys.readouterr()
    assert out.startswith("acme/dream: a whole model of Stable Diffusion 1.x; diffusers folder")
    assert "sdcoreml-names" not in out
    assert err.startswith("  acme/dream at 01234567, diffusers folder, 10 files, all to download: ")
    main(["inspect", "acme/dream", "--json"])
    facts = read_as("inspect", capsys.readouterr().out)
    assert (facts["path"], facts["parameters"]) == ("acme/dream", 3 * 41)
    assert all("Range" in request.headers for request in hub.asked("/cdn/"))


def test_the_doctor_judges_a_name_as_it_would_the_model(
    hub: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["doctor", "acme/dream", "--goal", "convert", "--json"])
    out, _ = capsys.readouterr()
    assert code == 1
    assert "sdcoreml-names" not in out
    found = {row["id"]: row for row in read_as("doctor", out)["results"]}
    assert found["HUB004"]["status"] == "ok"
    assert "MOD010" in json.dumps(read_as("doctor", out))
    assert hub.asked("/cdn/")


def test_the_doctor_goes_on_where_a_name_cannot_be_looked_at(
    hub: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "acme/none", "--select", "HUB004"]) == 1
    out, err = capsys.readouterr()
    assert err.startswith("warning: acme/none: there is no such model on the hub (401)")
    assert "hf:acme/none is not on this machine, and could not be examined" in out
    assert hub.requests


@pytest.mark.parametrize("option", [[], ["--plan"]])
def test_convert_refuses_a_model_before_it_is_fetched(
    hub: Server, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    assert main(["convert", "acme/dream", *option]) == 3
    err = capsys.readouterr().err
    assert "\nerror: acme/dream" in err
    assert "sdcoreml-names" not in err
    assert all("Range" in request.headers for request in hub.asked("/cdn/"))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["acme/none"], 3, "there is no such model on the hub (401)"),
        (["acme/dream@v9"], 3, "the model has no revision v9"),
        (["hf:acme"], 2, "is not a name on the hub"),
        (["dream"], 3, "there is no file or folder with that name"),
        (["http://a.invalid/x.ckpt"], 2, "a download over http could be tampered with"),
    ],
)
def test_what_is_no_model_has_its_exit_code(
    hub: Server, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    try:
        found = main(["convert", *words])
    except SystemExit as error:
        found = int(str(error.code))
    assert (found, said in capsys.readouterr().err) == (code, True)
    assert len(hub.requests) <= 1


def test_a_gated_model_says_where_to_accept_and_what_to_set(
    hub: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    headers = {"X-Error-Code": "GatedRepo"}
    hub.faults = [Fault(path="/resolve/", times=99, status=403, headers=headers)]
    assert main(["convert", "acme/dream"]) == 1
    err = capsys.readouterr().err
    assert "at https://huggingface.co/acme/dream, then set HF_TOKEN" in err


def test_no_file_of_the_current_folder_says_where_models_come_from(
    hub: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HF_ENDPOINT")
    for name in ("config.toml", "sdcoreml.toml"):
        (tmp_path / name).write_text(f'[hub]\nurl = "{hub.address}"\n')
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["convert", "acme/dream"]) == 1
    assert "HF_HUB_OFFLINE forbids the network" in capsys.readouterr().err
    assert hub.requests == []


def test_the_user_s_own_file_says_where_models_come_from(
    hub: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_ENDPOINT")
    own = tmp_path / "settings/sdcoreml/config.toml"
    own.parent.mkdir(parents=True)
    own.write_text(f'[hub]\nurl = "{hub.address}"\n')
    assert main(["convert", "acme/none"]) == 3
    assert len(hub.requests) == 1


def test_a_mirror_of_the_package_index_is_named_for_the_whole_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("UV_DEFAULT_INDEX", "PIP_INDEX_URL"):
        monkeypatch.setenv(name, "https://usual.invalid")
    mirror = "https://me:secret@mirror.invalid/simple"
    assert main(["convert", "none.ckpt", "--index", mirror]) == 3
    assert os.environ["UV_DEFAULT_INDEX"] == os.environ["PIP_INDEX_URL"] == mirror
    assert main(["convert", "none.ckpt", "--index", "//me:secret@mirror"]) == 2
    assert "--index: //" in capsys.readouterr().err


def test_a_name_that_cannot_be_fetched_has_a_verdict_too(
    hub: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hub.address
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert main(["convert", "acme/dream", "--plan", "--json"]) == 1
    verdict = read_as("convert", capsys.readouterr().out)["verdict"]
    assert (verdict["can"], verdict["code"]) == ("no", None)
    assert "HF_ENDPOINT" in verdict["remedy"]


def test_the_safety_checker_is_fetched_where_it_is_asked_for(hub: Server) -> None:
    files = hub.repositories["acme/dream"].files
    checker = {
        "safety_checker/config.json": b"{}",
        "safety_checker/model.safetensors": files["unet/diffusion_pytorch_model.safetensors"],
    }
    hub.repositories["acme/dream"] = Repository(files={**files, **checker})
    given = as_model("acme/dream")
    for with_checker in (False, True):
        with fetch_model(given, silent, lambda _: None, with_checker=with_checker) as found:
            assert (found[0] / "safety_checker").is_dir() is with_checker
