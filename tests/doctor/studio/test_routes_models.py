from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.doctor.proving.miniature import write_miniature
from sdcoreml.doctor.queue.entry import Kind, State
from sdcoreml.doctor.queue.order import New
from tests.doctor.studio.open_studio import Opened, finish, tensors


def test_a_model_is_examined_by_its_handle_and_a_path_is_not(
    studio: Opened, tmp_path: Path
) -> None:
    tensors(tmp_path / "style.safetensors")
    handle = studio.sign(tmp_path / "style.safetensors")
    found = studio.post("/api/examine", handle=handle).data
    assert (found["title"], found["handle"]) == ("style.safetensors", handle)
    assert found["verdict"]["can"] == "no"
    for reference in (
        {"handle": str(tmp_path)},
        {"name": str(tmp_path / "style.safetensors")},
        {"name": "../style.safetensors"},
        {"path": str(tmp_path)},
        {"handle": handle, "name": "x/y"},
        {"drop": "../../x"},
        {},
    ):
        answered = studio.post("/api/examine", **reference)
        assert answered.status in {400, 403, 404}, reference


def test_a_file_to_merge_that_is_not_sent_yet_is_refused(studio: Opened, tmp_path: Path) -> None:
    write_miniature(tmp_path / "model")
    data = tensors(tmp_path / "x")
    ends = struct.pack("<I", 700) + data[:700] + data[-50:]
    found = studio.send("POST", f"/api/drop?name=style.safetensors&size={len(data)}", ends).data
    early = studio.post(
        "/api/queue",
        model={"handle": studio.sign(tmp_path / "model")},
        choices={"lora": [{"handle": found["handle"]}]},
    )
    assert (early.status, early.refused) == (409, "this file is not sent yet")
    assert early.data["error"]["where"] == "style.safetensors"
    assert studio.studio.store.read().entries == ()


def test_a_job_file_is_installed_by_the_same_command_and_one_that_is_lost_by_none(
    studio: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "MochiDiffusion" / "models").mkdir(parents=True)
    store = studio.studio.store
    words = ("jobs", "/mine/nightly.toml", "--workers=2")
    named = store.add(New(kind=Kind.CONVERT, title="nightly", words=words, place="/mine"))
    own = store.add(
        New(kind=Kind.CONVERT, title="own", words=("--toolchain=x",), job={"into": "/"})
    )
    lost = store.add(New(kind=Kind.CONVERT, title="lost", words=("--toolchain=x",)))
    for number in (named, own, lost):
        finish(studio, number)
    shown = studio.get("/api/queue").data["entries"]
    assert [one["can_install"] for one in shown] == [True, True, False]
    first, second = (studio.post("/api/install", id=one).data["id"] for one in (named, own))
    assert studio.post("/api/install", id=lost).status == 409
    again = store.read().find(first)
    assert (again.words, again.place) == ((*words, "--install"), "/mine")
    assert not store.path(first, "toml").exists()
    assert store.read().find(second).words == ("--toolchain=x", "--install")
    assert store.path(second, "toml").read_text() == store.path(own, "toml").read_text()


def made(studio: Opened, folder: Path, model: Path, **table: object) -> str:
    """Put a conversion of a model, which has made a folder, into the queue."""
    store, about = studio.studio.store, {"model": str(model), "table": table}
    number = store.add(New(kind=Kind.CONVERT, title="x", words=(), job={}, about=about))
    with store.changing():
        entry = store.read().find(number)
        store.write(replace(entry, state=State.DONE, folders=(str(folder),)))
    return number


def test_what_was_merged_into_an_installed_folder_is_known(studio: Opened, tmp_path: Path) -> None:
    """Its pictures are not compared with those of the model without that."""
    write_miniature(tmp_path / "model")
    against = {}
    for table in ({}, {"lora": ["/x.safetensors:0.8"]}):
        number = made(studio, tmp_path, tmp_path / "model", **table)
        again = studio.post("/api/install", id=number).data["id"]
        store = studio.studio.store
        with store.changing():
            entry = store.read().find(again)
            store.write(replace(entry, state=State.DONE, folders=(str(tmp_path),)))
        drawn = studio.post("/api/pictures", id=again, prompt="x", steps=3).data["id"]
        words = store.read().find(drawn).words
        against[bool(table)] = f"--against={tmp_path / 'model'}" in words
    assert against == {False: True, True: False}


def test_a_form_for_a_picture_is_shown_where_one_can_be_drawn(
    studio: Opened, tmp_path: Path
) -> None:
    for table in ({}, {"app": "comfyui"}):
        made(studio, tmp_path, tmp_path, **table)
    mochi, comfy = studio.get("/api/queue").data["entries"]
    answers = [
        studio.post("/api/pictures", id=one["id"], prompt="x", steps=3).status
        for one in (mochi, comfy)
    ]
    assert (["prompt" in one for one in (mochi, comfy)], answers) == ([True, False], [200, 409])
