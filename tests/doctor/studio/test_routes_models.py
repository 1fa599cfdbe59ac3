from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.convert.jobs.opening import open_model
from sdcoreml.doctor.proving.miniature import write_miniature
from sdcoreml.doctor.queue.entry import Kind, State
from sdcoreml.doctor.queue.order import New
from sdcoreml.doctor.studio.lineup import report_of
from sdcoreml.lockfiles.table import read_toml
from tests.convert.models.test_single_file import original, save
from tests.convert.stand_ins import StandIn, job_of, write_model
from tests.convert.stand_ins import finish as finish_job
from tests.doctor.commands.test_library import SIZE
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


def test_what_a_handle_names_is_examined_under_its_own_name_and_its_command_can_be_typed(
    studio: Opened, tmp_path: Path
) -> None:
    write_miniature(tmp_path / "model")
    reference = {"handle": studio.sign(tmp_path / "model")}
    found = studio.post("/api/examine", **reference).data
    assert (found["title"], found["handle"]) == ("model", reference["handle"])
    assert found["plan"]["command"] == f"sdcoreml convert {tmp_path / 'model'} --app=mochi"
    told = studio.post("/api/plan", model=reference, choices={"app": "apple", "bits": 6}).data
    assert told["command"] == f"sdcoreml convert {tmp_path / 'model'} --app=apple --bits=6"
    assert studio.post("/api/plan", model=reference).data["command"] == found["plan"]["command"]


@pytest.mark.parametrize(
    "reference",
    [None, {}, "x", {"name": ""}, {"name": "o/" + "n" * 499}, {"name": 5}, {"drop": "a", "b": 1}],
)
def test_a_reference_that_names_no_model_is_refused(studio: Opened, reference: object) -> None:
    answered = studio.post("/api/plan", model=reference, choices={})
    assert answered.status == 400
    assert answered.data["error"] == {
        "what": "names no model",
        "where": "the request",
        "remedy": "load the page again",
        "explanation": "",
        "code": None,
    }


def test_a_name_of_the_longest_length_is_one(studio: Opened) -> None:
    answered = studio.post("/api/plan", model={"name": "n" * 500}, choices={})
    assert answered.status == 400
    assert answered.refused != "names no model"


def test_all_that_the_queue_keeps_of_a_conversion(studio: Opened, tmp_path: Path) -> None:
    write_miniature(tmp_path / "model")
    reference = {"handle": studio.sign(tmp_path / "model")}
    answered = studio.post("/api/queue", model=reference, choices={"bits": 6, "app": "apple"})
    assert answered.data == {"id": "1"}
    (entry,) = studio.studio.store.read().entries
    model, table = str(tmp_path / "model"), {"app": "apple", "bits": 6}
    assert (entry.kind, entry.title, entry.words) == (
        Kind.CONVERT,
        "model",
        ("--toolchain=tested",),
    )
    assert entry.place == str(studio.studio.into)
    assert entry.about == {
        "model": model,
        "table": table,
        "command": f"sdcoreml convert {model} --app=apple --bits=6",
        "makes": ["model-split-einsum-6-bit_256x256"],
    }
    job = read_toml(studio.studio.store.path("1", "toml"))
    assert job == {"into": str(studio.studio.into), "models": [{"model": model, **table}]}
    assert studio.begun == 1


def test_a_dropped_model_has_the_name_that_it_was_dropped_with(
    studio: Opened, tmp_path: Path
) -> None:
    data = save(tmp_path / "dream.safetensors", original("sd1")).read_bytes()
    head = data[: 8 + int.from_bytes(data[:8], "little")]
    ends = struct.pack("<I", len(head)) + head + data[-50:]
    found = studio.send("POST", f"/api/drop?name=my%20dream.ckpt&size={len(data)}", ends).data
    assert found["title"] == "my dream.ckpt"
    assert studio.send("PUT", f"/api/drop/{found['drop']}?offset=0", data).status == 200
    reference = {"drop": found["drop"]}
    assert studio.post("/api/queue", model=reference, choices={}).status == 200
    (entry,) = studio.studio.store.read().entries
    assert (entry.title, entry.about["command"]) == ("my dream.ckpt", "")


def test_what_is_installed_is_told_as_what_it_is(studio: Opened, tmp_path: Path) -> None:
    number = made(studio, tmp_path, tmp_path, bits=6)
    answered = studio.post("/api/install", id=number)
    assert answered.data == {"id": "2"}
    again = studio.studio.store.read().find("2")
    assert (again.kind, again.title, again.words) == (Kind.CONVERT, "x", ("--install",))
    assert again.about == {"model": str(tmp_path), "table": {"bits": 6}, "of": number}
    assert studio.begun == 1
    with studio.studio.store.changing():
        done = replace(again, state=State.DONE)
        studio.studio.store.write(done)
    studio.post("/api/install", id="2")
    assert studio.studio.store.read().find("3").words == ("--install",), "and not twice"
    refused = studio.post("/api/install", id="3")
    assert (refused.status, refused.refused) == (409, "this entry has made no folder")


def test_the_library_is_what_apps_have_and_what_was_made(
    studio: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert studio.get("/api/library").data == {"folders": [], "models": []}
    results = studio.studio.into / "models"
    results.mkdir(parents=True)
    job = job_of(open_model(write_model(tmp_path / "cat")), results / "cat_128x128")
    folder = finish_job(job, StandIn(size=SIZE))
    (results / "other").mkdir()
    found = studio.get("/api/library").data
    assert found["folders"] == [f"~/{results.relative_to(tmp_path)}"]
    cat, other = found["models"]
    assert (cat["name"], cat["handle"]) == ("cat_128x128", studio.sign(folder))
    assert cat["draw"] == {
        "prompt": "a lighthouse on a cliff in the evening sun",
        "steps": 8,
        "most_steps": 50,
    }
    assert cat["report"] == report_of(studio.studio.signer, folder) is not None
    assert (other["draw"], other["report"]) == (None, None)
    assert not {"path", "can_draw"} & {*cat}
    mochi = tmp_path / "MochiDiffusion" / "models"
    mochi.mkdir(parents=True)
    assert studio.get("/api/library").data["folders"] == [
        "~/MochiDiffusion/models",
        *found["folders"],
    ]


def test_the_doctor_looks_at_this_machine(studio: Opened) -> None:
    found = studio.get("/api/doctor?select=SYS001").data
    assert [one["id"] for one in found["findings"]] == ["SYS001"]
    assert found["toolchain"] == "tested"
    assert studio.get("/api/doctor?select=NOT001").status == 400


def test_what_a_check_suggests_is_put_into_the_queue(
    studio: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    (found,) = studio.get("/api/doctor?select=ENV001").data["findings"]
    assert studio.post("/api/fix", key=found["fix"]["key"]).data == {"id": "1"}
    (entry,) = studio.studio.store.read().entries
    assert (entry.kind, entry.words, entry.about) == (Kind.FIX, ("env",), {"check": "ENV001"})
    assert entry.title == found["fix"]["title"]
    assert studio.begun == 1
    assert studio.post("/api/fix", key="ENV001.9.0123456789abcdef").status == 400
    assert studio.post("/api/fix").refused == "key is no text"
