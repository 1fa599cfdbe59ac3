from __future__ import annotations

import asyncio
import json
import os
import shutil
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.jobs.manifest import MARKER, REPORT
from sdcoreml.doctor.proving.miniature import write_miniature
from sdcoreml.doctor.queue.entry import Kind, State
from sdcoreml.doctor.queue.order import New
from sdcoreml.doctor.studio.drop import HOUR
from sdcoreml.doctor.studio.handles import Signer
from sdcoreml.doctor.studio.refusals import AbsentError
from sdcoreml.doctor.studio.routes import WAYS
from tests.convert.models.test_single_file import original, save
from tests.doctor.studio.asgi import HOST, send
from tests.doctor.studio.open_studio import Opened, open_studio
from tests.doctor.studio.test_places import LORA

PAGE = Path(__file__).parents[3] / "doctor" / "studio" / "page"


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Opened]:
    with open_studio(tmp_path) as opened:
        yield opened


def add(studio: Opened, title: str = "a title", **about: object) -> str:
    words = ("draw", "x")
    return studio.studio.store.add(New(kind=Kind.DRAW, title=title, words=words, about=about))


def test_the_page_is_sent_without_a_token_and_everything_else_with_one(studio: Opened) -> None:
    index = studio.get("/", (HOST,))
    assert (index.status, index.body) == (200, (PAGE / "index.html").read_bytes())
    assert index.headers["content-type"] == "text/html; charset=utf-8"
    for path in PAGE.iterdir():
        sent = studio.get(f"/page/{path.name}", (HOST,))
        assert (sent.status, sent.body) == (200, path.read_bytes())
    assert (
        studio.get("/page/main.js", (HOST,)).headers["content-type"].startswith("text/javascript")
    )
    for way in WAYS:
        if way.path.startswith("/api/"):
            assert studio.get(way.path, (HOST,)).status == 401


@pytest.mark.parametrize(
    "target",
    [
        "/page/",
        "/page/nothing.js",
        "/page/../app.py",
        "/page/..%2fapp.py",
        "/page/%2e%2e/app.py",
        "/page/..\\app.py",
        "/page//etc/passwd",
        "/page/%2fetc%2fpasswd",
        "/page/index.html%00.js",
        "/page/INDEX.HTML",
        "/index.html",
        "//",
        "/api",
        "/api/",
        "/api/state/",
        "/api/../api/state",
        "/report/",
        "/report/x",
        "/report/..%2f..%2fetc%2fpasswd",
    ],
)
def test_no_path_leads_out(studio: Opened, target: str) -> None:
    answered = studio.get(target)
    assert answered.status in {403, 404}
    assert set(answered.data) == {"error"}


def test_a_method_that_a_route_does_not_have_finds_nothing(studio: Opened) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "X"):
        assert studio.send(method, "/api/state").status == 404


def test_the_state_says_which_machine_this_is(studio: Opened) -> None:
    found = studio.get("/api/state").data
    assert found["machine"]["memory"] > 1 << 30
    assert found["toolchain"]["name"] == "tested"
    assert found["queue"] == {
        "is_paused": False,
        "is_running": False,
        "entries": [],
        "faults": [],
    }


def test_folders_are_listed_by_handles_alone(studio: Opened, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    found = studio.get(f"/api/folders?handle={studio.sign(tmp_path)}").data
    (below,) = [one for one in found["items"] if one["name"] == "models"]
    assert studio.get(f"/api/folders?handle={below['handle']}").data["items"] == []
    assert studio.get(f"/api/folders?handle={tmp_path}").status == 403
    strange = Signer(key=b"o" * 32).sign(tmp_path)
    assert studio.get(f"/api/folders?handle={strange}").status == 403
    assert studio.get(f"/api/folders?handle={studio.sign(tmp_path / 'gone')}").status == 404
    assert studio.get("/api/folders").data["parents"] == []


def tensors(path: Path) -> bytes:
    """Return a small file of a LoRA's tensors."""
    header: dict[str, Any] = {}
    end = 0
    for name, shape in LORA.items():
        size = 2
        for one in shape:
            size *= one
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    data = struct.pack("<Q", len(text)) + text + bytes(end)
    path.write_bytes(data)
    return data


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


def test_a_dropped_file_is_known_from_its_ends_and_then_sent(
    studio: Opened, tmp_path: Path
) -> None:
    data = tensors(tmp_path / "x")
    ends = struct.pack("<I", 700) + data[:700] + data[-50:]
    found = studio.send(
        "POST", f"/api/drop?name=my%20style.safetensors&size={len(data)}", ends
    ).data
    assert found["title"] == "my style.safetensors"
    assert "LoRA" in found["facts"][0][1]
    where = f"/api/drop/{found['drop']}"
    assert studio.get(where).data == {"received": 0, "size": len(data)}
    reference = {"handle": found["handle"]}
    early = studio.post("/api/queue", model=reference, choices={})
    assert (early.status, early.refused) == (409, "this file is not sent yet")
    assert studio.send("PUT", f"{where}?offset=0", data[:900]).data == {"received": 900}
    again = studio.send("PUT", f"{where}?offset=0", data[:900])
    assert again.status == 409
    last = studio.send("PUT", f"{where}?offset=900", data[900:]).data
    assert last == {"received": len(data), "handle": found["handle"]}
    assert studio.studio.signer.resolve(last["handle"]).read_bytes() == data
    assert studio.send("DELETE", where).status == 200
    assert studio.get(where).status == 404


def test_no_command_names_a_dropped_file_which_is_not_kept(studio: Opened, tmp_path: Path) -> None:
    path = save(tmp_path / "dream.safetensors", original("sd1"))
    data = path.read_bytes()
    head = data[: 8 + int.from_bytes(data[:8], "little")]
    ends = struct.pack("<I", len(head)) + head + data[-50:]
    found = studio.send("POST", f"/api/drop?name=dream.safetensors&size={len(data)}", ends).data
    assert found["plan"]["folders"]
    assert found["plan"]["command"] == ""
    again = studio.post("/api/plan", model={"drop": found["drop"]}, choices={"bits": 6}).data
    assert (bool(again["folders"]), again["command"]) == (True, "")
    kept = {"handle": studio.sign(path)}
    assert "dream.safetensors" in studio.post("/api/plan", model=kept, choices={}).data["command"]


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


@pytest.mark.parametrize(
    "query", ["", "?name=x", "?size=5", "?name=x&size=-5", "?name=&size=5", "?name=x&size=1e9"]
)
def test_a_drop_without_name_or_size_is_refused(studio: Opened, query: str) -> None:
    assert studio.send("POST", f"/api/drop{query}", b"\0\0\0\0").status == 400


def test_a_drop_for_which_there_is_no_room_says_so(
    studio: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 1 << 40
    usage = shutil.disk_usage(Path.cwd())._replace(free=size - 10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    found = studio.send("POST", f"/api/drop?name=x.pt&size={size}", struct.pack("<I", 2) + b"abcd")
    answered = studio.send("PUT", f"/api/drop/{found.data['drop']}?offset=0", b"abcdef")
    assert answered.status == 507
    assert answered.refused.startswith("needs 1,099,511,627,776 bytes, and the disk")
    assert answered.data["error"]["where"] == "x.pt"
    assert answered.data["error"]["remedy"].startswith("free ")


def test_all_is_answered_while_a_dropped_file_is_put_on_the_disk(studio: Opened) -> None:
    may_end = threading.Event()

    async def play() -> None:
        writing = asyncio.ensure_future(studio.studio.desk.do(lambda: may_end.wait(30), "drop"))
        where = f"/api/drop/{'a' * 32}"
        others = [asyncio.ensure_future(send(studio.app, one, where)) for one in ("PUT", "GET")]
        for _ in range(3):  # the first one may come before the others
            assert (await send(studio.app, "GET", "/api/queue")).status == 200
        assert not any(one.done() for one in others), "what is said of dropped files waits"
        may_end.set()
        await writing
        assert {one.status for one in await asyncio.gather(*others)} <= {400, 404}

    try:
        asyncio.run(play())
    finally:
        may_end.set()


def test_bodies_have_a_limit(studio: Opened) -> None:
    assert studio.send("POST", "/api/examine", b" " * 70_000).status == 413
    assert studio.send("PUT", "/api/drop/" + "a" * 32, b" " * 10_000_000).status == 413
    assert studio.send("POST", "/api/queue/pause", b" " * 70_000).status == 413
    assert not studio.studio.store.read().is_paused


def test_the_queue_is_changed_and_shown(studio: Opened) -> None:
    first, second = add(studio, "<b>one"), add(studio, "two", of=first_of(studio))
    entries = studio.post("/api/queue/pause").data["entries"]
    assert [(one["id"], one["title"], one["state"]) for one in entries] == [
        (first, "<b>one", "waiting"),
        (second, "two", "waiting"),
    ]
    moved = studio.post(f"/api/queue/{second}/move", before=first).data
    assert [one["id"] for one in moved["entries"]] == [second, first]
    moved = studio.post(f"/api/queue/{second}/move", before=None).data
    assert [one["id"] for one in moved["entries"]] == [first, second]
    cancelled = studio.post(f"/api/queue/{first}/cancel").data
    assert cancelled["entries"][0]["state"] == "cancelled"
    assert studio.begun == 0, "nothing is begun in a queue that is paused"
    assert studio.post(f"/api/queue/{first}/retry").data["entries"][0]["state"] == "waiting"
    assert [one["id"] for one in studio.post(f"/api/queue/{first}/remove").data["entries"]] == [
        second
    ]
    begun = studio.begun
    assert not studio.post("/api/queue/resume").data["is_paused"]
    assert studio.begun == begun + 1


def first_of(studio: Opened) -> str:
    return studio.studio.store.read().entries[0].id


@pytest.mark.parametrize("number", ["9", "..", "1.json", "..%2f1", "%00", "x" * 300])
def test_an_entry_that_is_not_there_is_not_found(studio: Opened, number: str) -> None:
    add(studio)
    for verb in ("cancel", "retry", "remove", "move"):
        assert studio.post(f"/api/queue/{number}/{verb}").status == 404
    assert studio.get(f"/api/queue/{number}/log").status == 404
    assert studio.get(f"/api/pictures/{number}/0.png").status == 404
    assert studio.post("/api/install", id=number).status == 404


def test_what_is_over_cannot_be_cancelled(studio: Opened) -> None:
    number = add(studio)
    assert studio.post(f"/api/queue/{number}/cancel").status == 200
    assert studio.post(f"/api/queue/{number}/cancel").status == 400


def test_a_log_is_followed(studio: Opened) -> None:
    number = add(studio)
    path = studio.studio.store.path(number, "log")
    path.write_bytes(b"one\n\x1b[31mtwo\xff\n" + b"x" * 9_000 + b"\nhalf")
    found = studio.get(f"/api/queue/{number}/log?offset=0").data
    assert found["lines"][:2] == ["one", "\\x1b[31mtwo\ufffd"]
    assert len(found["lines"][2]) == 4_000
    rest = studio.get(f"/api/queue/{number}/log?offset={found['offset']}").data
    assert rest["lines"] == []
    assert studio.get(f"/api/queue/{number}/log?offset=x").status == 400


def test_a_runner_that_was_killed_is_started_again(studio: Opened) -> None:
    add(studio)
    studio.get("/api/queue")
    assert studio.begun == 1
    studio.get("/api/queue")
    assert studio.begun == 1, "not at every look"


def test_a_runner_that_cannot_be_started_is_told_and_all_is_answered(studio: Opened) -> None:
    number = add(studio)
    studio.refusal = BlockingIOError(11, "Resource temporarily unavailable")
    before = studio.studio.lineup.stamp()
    for target in ("/api/queue", "/api/state"):
        assert studio.get(target).status == 200
    assert list(studio.studio.lineup.progress()) == []
    assert studio.studio.lineup.stamp() != before, "pages that listen are told"
    assert studio.post("/api/queue/resume").status == 200
    found = studio.get("/api/queue").data
    assert [one["id"] for one in found["entries"]] == [number]
    assert "cannot be started" in found["faults"][0]


def test_a_report_is_shown_in_a_room_of_its_own(studio: Opened, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / MARKER).write_text("{}")
    (folder / REPORT).write_bytes(b"<!doctype html><script>alert(1)</script>")
    store = studio.studio.store
    add(studio)
    with store.changing():
        (entry,) = store.read().entries
        made = replace(entry, kind=Kind.CONVERT, state=State.DONE, folders=(str(folder),))
        store.write(made)
    (told,) = studio.get("/api/queue").data["entries"]
    assert (told["steps"], told["most_steps"]) == (8, 50)  # which the page's field allows
    (shown,) = told["folders"]
    answered = studio.get(shown["report"], (HOST,))
    assert answered.body == (folder / REPORT).read_bytes()
    assert "sandbox" in answered.headers["content-security-policy"].split()[0]
    assert "script" not in answered.headers["content-security-policy"]
    assert studio.get(f"/report/{shown['handle']}", (HOST,)).status == 403
    assert studio.get(f"/api/folders?handle={shown['report'][8:]}").status == 403
    (folder / REPORT).unlink()
    assert studio.get(shown["report"], (HOST,)).status == 404
    assert studio.get("/api/queue").data["entries"][0]["folders"][0]["report"] is None


def test_a_folder_is_shown_by_the_system(studio: Opened, tmp_path: Path) -> None:
    assert studio.post("/api/reveal", handle=studio.sign(tmp_path)).status == 200
    (words,) = studio.launched
    assert words[-1] == str(tmp_path)
    assert words[0] in {"open", "xdg-open"}
    assert studio.post("/api/reveal", handle=studio.sign(tmp_path / "gone")).status == 404
    assert studio.post("/api/reveal", handle=str(tmp_path)).status == 403
    assert len(studio.launched) == 1


def test_a_picture_is_that_of_its_entry(studio: Opened) -> None:
    folder = studio.studio.folder / "pictures"
    folder.mkdir(parents=True)
    (folder / "abc.png").write_bytes(b"\x89PNG")
    number = add(studio, output=str(folder / "abc.png"))
    found = studio.get(f"/api/pictures/{number}/0.png")
    assert (found.body, found.headers["content-type"]) == (b"\x89PNG", "image/png")
    assert studio.get(f"/api/pictures/{number}/1.png").status == 404
    outside = add(studio, output="/etc/passwd")
    assert studio.get(f"/api/pictures/{outside}/0.png").status == 404
    assert studio.get(f"/api/pictures/{add(studio)}/0.png").status == 404


def test_a_picture_goes_with_its_entry(studio: Opened, tmp_path: Path) -> None:
    folder = studio.studio.folder / "pictures"
    folder.mkdir(parents=True)
    kept, gone, left = (folder / f"{letter * 32}.png" for letter in "abc")
    for path in (kept, gone, left, folder / "mine.png"):
        path.write_bytes(b"\x89PNG")
    damaged = add(studio, output=str(kept))
    number = add(studio, output=str(gone))
    file = studio.studio.store.path(damaged, "json")
    text = file.read_text()
    file.write_text("{")
    studio.studio.sweep()
    assert len([*folder.iterdir()]) == 4, "what a damaged entry has is not known"
    file.write_text(text)
    studio.studio.sweep()
    assert {path.name for path in folder.iterdir()} == {kept.name, gone.name, "mine.png"}
    studio.post(f"/api/queue/{number}/remove")
    assert {path.name for path in folder.iterdir()} == {kept.name, "mine.png"}
    left.write_bytes(b"\x89PNG")
    drawing = {"handle": studio.sign(tmp_path), "prompt": "a star", "steps": 3}
    assert studio.post("/api/pictures", **drawing).status == 200
    assert {path.name for path in folder.iterdir()} == {kept.name, "mine.png"}


def finish(studio: Opened, number: str) -> None:
    """Let an entry be done."""
    store = studio.studio.store
    with store.changing():
        store.write(replace(store.read().find(number), state=State.DONE))


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


def test_what_has_made_nothing_can_neither_be_drawn_with_nor_installed(studio: Opened) -> None:
    number = add(studio)
    assert studio.post("/api/pictures", id=number, prompt="x", steps=3).status == 409
    assert studio.post("/api/install", id=number).status == 409
    assert len(studio.studio.store.read().entries) == 1


def test_a_drawing_is_queued(studio: Opened, tmp_path: Path) -> None:
    handle = studio.sign(tmp_path)
    number = studio.post("/api/pictures", handle=handle, prompt="a star", steps=3).data["id"]
    (entry,) = studio.studio.store.read().entries
    assert (entry.id, entry.kind) == (number, Kind.DRAW)
    assert entry.words[0] == "draw"
    assert entry.words[-2:] == (str(tmp_path), "a star")
    assert studio.begun == 1
    for wrong in ({"steps": 0}, {"steps": "3"}, {"steps": 3, "prompt": "a\nb\x00"}):
        body = {"handle": handle, "prompt": "x", **wrong}
        assert studio.post("/api/pictures", **body).status == 400


def test_a_damaged_queue_is_shown_with_its_fault(studio: Opened) -> None:
    number = add(studio)
    studio.studio.store.path(number, "json").write_text("{")
    found = studio.get("/api/queue").data
    assert found["entries"][0]["state"] == "failed"
    assert len(found["faults"]) == 1


def test_half_a_dropped_file_of_a_page_that_is_gone_is_removed_at_a_start(studio: Opened) -> None:
    drops = studio.studio.drops
    drop = drops.begin("a.ckpt", 9, b"\1\0\0\0PK")
    for path in drops.folder.rglob("*"):
        os.utime(path, (time.time() - 2 * HOUR,) * 2)
    studio.studio.sweep()
    with pytest.raises(AbsentError):
        drops.find(drop.id)


def test_two_conversions_of_one_model_are_told_apart_by_what_they_make(
    studio: Opened, tmp_path: Path
) -> None:
    write_miniature(tmp_path / "model")
    reference = {"handle": studio.sign(tmp_path / "model")}
    for bits in (16, 6):
        assert studio.post("/api/queue", model=reference, choices={"bits": bits}).status == 200
    first, second = studio.get("/api/queue").data["entries"]
    assert first["title"] == second["title"] == "model"
    assert first["makes"] != second["makes"]
    assert "6-bit" in second["makes"][0]
    assert studio.begun >= 2
    (store_first, _) = studio.studio.store.read().entries
    job = studio.studio.store.path(store_first.id, "toml").read_text()
    assert f'model = "{tmp_path / "model"}"' in job
    refused = studio.post("/api/queue", model=reference, choices={"bits": 5})
    assert refused.status == 400
    assert len(studio.studio.store.read().entries) == 2
