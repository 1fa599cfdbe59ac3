from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sdcoreml.convert.jobs.manifest import MARKER, REPORT
from sdcoreml.doctor.queue.entry import Kind, State
from sdcoreml.doctor.studio.handles import Signer
from tests.doctor.studio.asgi import HOST
from tests.doctor.studio.open_studio import Opened, add


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
