from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

import sdcoreml
from sdcoreml.convert.jobs.manifest import MARKER, REPORT
from sdcoreml.doctor.queue.entry import Kind, State
from sdcoreml.doctor.studio.handles import Signer
from sdcoreml.doctor.studio.routes import REPORT_POLICY, WAYS
from tests.doctor.studio.asgi import HOST, request
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


def test_every_route_has_its_thread_and_its_bound() -> None:
    """What changes the queue is told to pages at once; what takes long keeps nobody waiting."""
    usual, large = 64 << 10, 9 << 20
    assert [(one.method, one.path, one.hand, one.changes, one.most) for one in WAYS] == [
        ("GET", "/api/state", "quick", False, usual),
        ("GET", "/api/folders", "quick", False, usual),
        ("POST", "/api/ticket", "quick", False, usual),
        ("POST", "/api/reveal", "quick", False, usual),
        ("GET", "/report/{key}", "quick", False, usual),
        ("POST", "/api/examine", "slow", False, usual),
        ("POST", "/api/plan", "slow", False, usual),
        ("POST", "/api/queue", "slow", True, usual),
        ("POST", "/api/install", "quick", True, usual),
        ("GET", "/api/library", "slow", False, usual),
        ("GET", "/api/doctor", "slow", False, usual),
        ("POST", "/api/fix", "slow", True, usual),
        ("GET", "/api/queue", "quick", False, usual),
        ("POST", "/api/queue/pause", "quick", True, usual),
        ("POST", "/api/queue/resume", "quick", True, usual),
        ("POST", "/api/queue/{id}/cancel", "quick", True, usual),
        ("POST", "/api/queue/{id}/retry", "quick", True, usual),
        ("POST", "/api/queue/{id}/remove", "quick", True, usual),
        ("POST", "/api/queue/{id}/move", "quick", True, usual),
        ("GET", "/api/queue/{id}/log", "quick", False, usual),
        ("POST", "/api/pictures", "quick", True, usual),
        ("GET", "/api/pictures/{id}/{file}", "quick", False, usual),
        ("POST", "/api/drop", "slow", False, large),
        ("POST", "/api/drop/folder", "drop", False, 4 << 20),
        ("PUT", "/api/drop/{id}/ends", "drop", False, large),
        ("GET", "/api/drop/{id}", "drop", False, usual),
        ("PUT", "/api/drop/{id}", "drop", False, large),
        ("DELETE", "/api/drop/{id}", "drop", False, usual),
    ]


def test_what_is_ready_on_this_machine_is_said(
    studio: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    found = studio.get("/api/state").data
    assert {name: found[name] for name in ("version", "toolchain", "mochi")} == {
        "version": sdcoreml.__version__,
        "toolchain": {"name": "tested", "is_ready": False},
        "mochi": None,
    }
    machine = found["machine"]
    assert set(machine) == {"system", "name", "chip", "memory", "is_mac"}
    assert all(machine[name] for name in ("system", "name", "chip", "memory"))
    assert machine["system"].startswith(f"{machine['name']} ")
    assert machine["is_mac"] is (machine["name"] == "macOS")
    models = tmp_path / "MochiDiffusion" / "models"
    models.mkdir(parents=True)
    assert studio.get("/api/state").data["mochi"] == {"handle": studio.sign(models)}


def test_a_ticket_opens_one_more_page_once(studio: Opened) -> None:
    ticket = studio.post("/api/ticket").data["ticket"]
    for status in (200, 401):
        headers = (HOST, (b"authorization", f"Bearer {ticket}".encode()))
        assert request(studio.app, "POST", "/api/token", headers).status == status


@pytest.mark.parametrize(
    ("system", "words"),
    [("darwin", ("open", "-R", "{}/a.txt")), ("linux", ("xdg-open", "{}"))],
)
def test_a_file_is_shown_in_its_folder(
    system: str,
    words: tuple[str, ...],
    studio: Opened,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "a.txt").touch()
    handle = studio.sign(tmp_path / "a.txt")
    monkeypatch.setattr(sys, "platform", system)
    assert studio.post("/api/reveal", handle=handle).data == {}
    assert studio.launched == [tuple(one.format(tmp_path) for one in words)]
    (tmp_path / "a.txt").unlink()
    gone = studio.post("/api/reveal", handle=handle)
    assert (gone.refused, gone.data["error"]["where"]) == ("it is not there any more", "a.txt")


def test_a_report_is_html_with_a_policy_of_its_own(studio: Opened, tmp_path: Path) -> None:
    (tmp_path / REPORT).write_bytes(b"<p>")
    answered = studio.get(f"/report/{studio.studio.signer.sign(tmp_path, REPORT)}", (HOST,))
    assert answered.headers["content-type"] == "text/html; charset=utf-8"
    assert answered.headers["content-security-policy"] == REPORT_POLICY
    (tmp_path / REPORT).unlink()
    gone = studio.get(f"/report/{studio.studio.signer.sign(tmp_path, REPORT)}", (HOST,))
    assert (gone.refused, gone.data["error"]["where"]) == (
        "the folder has no page any more",
        tmp_path.name,
    )
