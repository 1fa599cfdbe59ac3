from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from sdcoreml.doctor.proving.miniature import write_miniature
from sdcoreml.doctor.queue.entry import Kind, State
from tests.doctor.studio.open_studio import Opened, add


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


def test_a_damaged_queue_is_shown_with_its_fault(studio: Opened) -> None:
    number = add(studio)
    studio.studio.store.path(number, "json").write_text("{")
    found = studio.get("/api/queue").data
    assert found["entries"][0]["state"] == "failed"
    assert len(found["faults"]) == 1


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


def test_a_clock_that_went_back_makes_no_time_less_than_nothing(studio: Opened) -> None:
    number = add(studio)
    store = studio.studio.store
    with store.changing():
        entry = store.read().find(number)
        begun = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
        ended = begun - timedelta(hours=1)
        over = replace(entry, kind=Kind.CONVERT, state=State.DONE, begun=begun, ended=ended)
        store.write(over)
    assert studio.get("/api/queue").data["entries"][0]["figures"] == []
