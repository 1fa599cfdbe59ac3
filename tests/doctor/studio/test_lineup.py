"""The queue as the page shows it; one in which all is over costs nothing, whoever listens."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.convert.jobs.manifest import MARKER, REPORT
from sdcoreml.doctor.queue.entry import Kind, State
from sdcoreml.doctor.queue.order import New
from sdcoreml.doctor.queue.post import Post
from sdcoreml.doctor.queue.store import Store
from sdcoreml.doctor.studio.handles import Signer
from sdcoreml.doctor.studio.keeper import Keeper
from sdcoreml.doctor.studio.lineup import (
    Lineup,
    is_named,
    is_repeatable,
    report_of,
    sweep_pictures,
)
from sdcoreml.doctor.studio.wording import say

SIGNER = Signer(key=b"k" * 32)
NEW = New(
    kind=Kind.CONVERT,
    title="<b>cat",
    words=("--toolchain=tested",),
    job={"into": "/made", "models": [{"model": "/cat"}]},
    place="/made",
    about={
        "of": "7",
        "check": "ENV001",
        "makes": ["cat_512x512", 5],
        "command": "sdcoreml convert",
    },
)


def lineup_of(store: Store) -> Lineup:
    keeper = Keeper(store=store, start=lambda: None)
    return Lineup(store=store, signer=SIGNER, keeper=keeper, toolchain="tested")


def entries(lineup: Lineup) -> list[dict[str, Any]]:
    found: Any = lineup.queue()["entries"]
    return [dict(one) for one in found]


def change(store: Store, number: str, **fields: Any) -> None:
    with store.changing():
        store.write(replace(store.read().find(number), **fields))


def test_all_that_is_told_of_an_entry(tmp_path: Path) -> None:
    store = Store(folder=tmp_path / "queue")
    lineup = lineup_of(store)
    assert store.add(NEW) == "1"
    store.add(replace(NEW, kind=Kind.DRAW, words=("draw", "a b"), about={}, job=None))
    first, second = entries(lineup)
    added = first.pop("added")
    assert abs(datetime.now(timezone.utc) - datetime.fromisoformat(added)) < timedelta(minutes=5)
    assert first == {
        "id": "1",
        "kind": "convert",
        "title": "<b>cat",
        "state": "waiting",
        "step": "",
        "done": 0,
        "total": 0,
        "left": None,
        "because": "",
        "remedy": "",
        "explanation": "",
        "code": None,
        "folders": [],
        "place": 0,
        "command": "sdcoreml convert",
        "of": "7",
        "check": "ENV001",
        "makes": ["cat_512x512"],
    }
    assert (second["place"], second["of"], second["check"], second["makes"]) == (1, None, None, [])
    assert second["command"] == "sdcoreml draw 'a b' --json"


def test_an_entry_that_is_done_says_what_came_of_it(tmp_path: Path) -> None:
    store = Store(folder=tmp_path / "queue")
    lineup = lineup_of(store)
    number = store.add(replace(NEW, about={"model": str(tmp_path), "table": {"bits": 6}}))
    made = tmp_path / "models" / "cat_512x512"
    made.mkdir(parents=True)
    (made / MARKER).write_text("{}")
    (made / REPORT).write_text("<p>")
    begun = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
    over = {"state": State.DONE, "begun": begun, "folders": (str(made), "/other/dog")}
    change(store, number, **over, ended=begun + timedelta(seconds=90))
    (told,) = entries(lineup)
    assert told["folders"] == [
        {
            "handle": SIGNER.sign(made),
            "name": "cat_512x512",
            "place": str(made.parent),
            "report": f"/report/{SIGNER.sign(made, REPORT)}",
        },
        {
            "handle": SIGNER.sign(Path("/other/dog")),
            "name": "dog",
            "place": "/other",
            "report": None,
        },
    ]
    assert {name: told[name] for name in ("prompt", "steps", "most_steps", "can_install")} == {
        "prompt": "a lighthouse on a cliff in the evening sun",
        "steps": 8,
        "most_steps": 50,
        "can_install": False,
    }
    took = [say("figure.took"), say("figure.seconds", seconds=90.0)]
    assert told["figures"] == [took], "the folder's manifest cannot be read"
    change(store, number, ended=begun)
    (again,) = entries(lineup)
    assert again["figures"] == [[say("figure.took"), say("figure.seconds", seconds=0.0)]]
    for begun_at, ended_at in ((None, begun + timedelta(seconds=1)), (begun, None)):
        change(store, number, begun=begun_at, ended=ended_at)
        assert entries(lineup)[0]["figures"] == []


def test_a_folder_without_a_page_or_a_mark_has_no_report(tmp_path: Path) -> None:
    for name in (MARKER, REPORT):
        assert report_of(SIGNER, tmp_path) is None
        (tmp_path / name).write_text("x")
    assert report_of(SIGNER, tmp_path) == f"/report/{SIGNER.sign(tmp_path, REPORT)}"


def test_what_is_being_done_says_how_far_it_is(tmp_path: Path) -> None:
    store = Store(folder=tmp_path)
    lineup = lineup_of(store)
    number, other = store.add(NEW), store.add(NEW)
    event = '{"event": "progress", "step": {"text": "read"}, "done": 3, "total": 9, "left": 1.5}'
    store.path(number, "events").write_text(f"{event}\n")
    lock = Post(tmp_path / "runner")
    try:
        change(store, number, state=State.RUNNING)
        change(store, other, state=State.CANCELLED, begun=datetime.now(timezone.utc))
        first, second = entries(lineup)
        far = {"step": "read", "done": 3, "total": 9, "left": 1.5}
        assert {name: first[name] for name in far} == far
        assert list(lineup.progress()) == [{"id": number, **far}]
        assert (second["state"], second["step"]) == ("running", ""), "its process ends first"
    finally:
        lock.leave()


def test_what_failed_says_why_and_what_to_do(tmp_path: Path) -> None:
    store = Store(folder=tmp_path)
    number = store.add(NEW)
    change(
        store,
        number,
        state=State.FAILED,
        because="no room; see `sdcoreml explain DSK001`",
        remedy="try `sdcoreml queue retry 1`",
        explanation="x" * 4_001,
        code="DSK001",
    )
    (told,) = entries(lineup_of(store))
    assert (told["state"], told["code"], len(told["explanation"])) == ("failed", "DSK001", 4_000)
    assert told["because"] == "no room; see `sdcoreml explain DSK001`"
    button = {"say": "remedy.button", "button": say("retry"), "before": "Try ", "after": ""}
    assert told["remedy"] == button
    assert "figures" not in told


def test_what_can_be_repeated_has_a_job_and_is_done(tmp_path: Path) -> None:
    store = Store(folder=tmp_path)
    number = store.add(NEW)
    entry = store.read().find(number)
    done = replace(entry, state=State.DONE)
    assert is_repeatable(store, done)
    assert not is_repeatable(store, entry)
    assert not is_repeatable(store, replace(done, kind=Kind.FIX))
    store.path(number, "toml").unlink()
    assert not is_repeatable(store, done)
    assert is_repeatable(store, replace(done, words=("jobs", "/mine.toml")))


def test_a_dropped_file_is_named_in_any_part_of_an_entry(tmp_path: Path) -> None:
    store = Store(folder=tmp_path)
    assert not is_named(store, "5ea1")
    number = store.add(replace(NEW, job={"into": "/", "models": [{"model": "/drops/a1"}]}))
    change(store, number, words=("x/b2",), folders=("/c3",), about={"of": ["d4"]})
    assert [is_named(store, one) for one in ("a1", "b2", "c3", "d4", "e5")] == [True] * 4 + [False]
    store.path(number, "toml").unlink()
    assert [is_named(store, one) for one in ("a1", "d4")] == [False, True]


def test_pictures_that_no_entry_has_are_removed_and_nothing_else(tmp_path: Path) -> None:
    store, place = Store(folder=tmp_path / "queue"), tmp_path / "pictures"
    sweep_pictures(store, place)
    place.mkdir()
    kept, gone = f"{'a' * 32}.png", f"{'b' * 32}.png"
    for name in (kept, gone, "mine.png"):
        (place / name).write_bytes(b"")
    number = store.add(replace(NEW, about={"output": f"/elsewhere/{kept}"}))
    text = store.path(number, "json").read_text()
    store.path(number, "json").write_text("{")
    sweep_pictures(store, place)
    assert len(list(place.iterdir())) == 3, "what a damaged entry has is not known"
    store.path(number, "json").write_text(text)
    sweep_pictures(store, place)
    assert sorted(path.name for path in place.iterdir()) == sorted((kept, "mine.png"))


def test_the_whole_queue_says_what_it_does(tmp_path: Path) -> None:
    store = Store(folder=tmp_path)
    lineup = lineup_of(store)
    nothing = {"is_paused": False, "is_running": False, "entries": [], "faults": []}
    assert lineup.queue() == nothing
    store.pause()
    assert lineup.queue() == {**nothing, "is_paused": True}
    store.resume()
    lock = Post(tmp_path / "runner")
    try:
        assert lineup.queue() == {**nothing, "is_running": True}
    finally:
        lock.leave()


def test_a_fault_of_the_queue_says_which_button_mends_it(tmp_path: Path) -> None:
    store = Store(folder=tmp_path)
    store.add(New(kind=Kind.DRAW, title="one", words=("draw", "x")))
    (tmp_path / "order.json").write_text("{")
    keeper = Keeper(store=store, start=lambda: None)
    signer = Signer(key=b"k" * 32)
    lineup = Lineup(store=store, signer=signer, keeper=keeper, toolchain="tested")
    faults: Any = lineup.queue()["faults"]
    (fault,) = faults
    assert "order.json" in fault["first"]
    assert fault["second"]["say"] == "remedy.button"
    assert fault["second"]["button"] == {"say": "resume"}


def test_where_all_is_over_no_entry_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(folder=tmp_path)
    store.add(New(kind=Kind.DRAW, title="one", words=("draw", "x")))
    keeper = Keeper(store=store, start=lambda: None)
    signer = Signer(key=b"k" * 32)
    lineup = Lineup(store=store, signer=signer, keeper=keeper, toolchain="tested")
    entries = lineup.queue()["entries"]
    assert isinstance(entries, list)
    assert [one["state"] for one in entries] == [State.WAITING.value]
    assert list(lineup.progress()) == []
    store.cancel(entries[0]["id"])
    lineup.queue()
    monkeypatch.setattr(Store, "read", pytest.fail)
    assert list(lineup.progress()) == []
