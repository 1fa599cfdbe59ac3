from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sdcoreml.doctor.core import runs
from sdcoreml.doctor.core.runs import KEPT, Recorder, RunLog
from sdcoreml.ground.codec import DecodeError, to_plain
from sdcoreml.ground.events import Event

DIGEST = "5f" * 32


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "envs"
    folder.mkdir()
    monkeypatch.setenv("SDCOREML_ENVS", str(folder))
    return folder


def recorded(folder: Path = Path("out")) -> tuple[list[Event], RunLog]:
    heard: list[Event] = []
    recorder = Recorder(heard.append)
    for event in (
        Event(kind="step", text="read"),
        Event(kind="progress", done=1, total=2),
        Event(kind="warning", text="odd"),
        Event(kind="step", text="write"),
    ):
        recorder(event)
    return heard, recorder.log(folder, DIGEST)


def test_events_pass_through_and_steps_are_timed() -> None:
    heard, log = recorded()
    assert [event.kind for event in heard] == ["step", "progress", "warning", "step"]
    assert [step.text for step in log.steps] == ["read", "write"]
    assert log.warnings == ("odd",)
    assert sum(step.seconds for step in log.steps) <= log.seconds + 0.02
    assert log.memory > 1_000_000
    assert log.began.utcoffset() is not None


def test_a_log_is_found_by_the_digest_of_its_folder(store: Path) -> None:
    _, log = recorded()
    runs.keep([log])
    assert runs.find(DIGEST) == log
    assert [path.name for path in store.rglob("*.json")] == [f"{DIGEST}.json"]
    assert runs.find("5e" * 32) is None


def test_only_the_last_logs_are_kept(store: Path) -> None:
    folder = store / "runs"
    folder.mkdir()
    for number in range(KEPT + 5):
        path = folder / f"{number}.json"
        path.write_text("{}")
        os.utime(path, (number, number))
    runs.keep([recorded()[1]])
    left = {path.name for path in folder.iterdir()}
    assert len(left) == KEPT
    assert f"{DIGEST}.json" in left
    assert "5.json" not in left
    assert "6.json" in left


def test_no_log_costs_a_conversion_its_success(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (store / "runs").write_text("a file in its place")
    runs.keep([recorded()[1]])
    assert runs.find(DIGEST) is None
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "nowhere"))
    runs.keep([recorded()[1]])
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 2}', "\xff"])
def test_a_damaged_log_is_none(store: Path, text: str) -> None:
    (store / "runs").mkdir()
    (store / "runs" / f"{DIGEST}.json").write_bytes(text.encode("latin-1"))
    assert runs.find(DIGEST) is None


def test_a_digest_that_is_a_path_finds_nothing(store: Path) -> None:
    (store / "runs").mkdir()
    (store / "x.json").write_text(json.dumps(to_plain(recorded()[1])))
    assert runs.find("../x") is None


def test_another_layout_is_refused() -> None:
    content = {**to_plain(recorded()[1]), "more": 1}
    with pytest.raises(DecodeError, match="unknown field 'more'"):
        runs.parse(content)


def test_a_log_of_another_version_is_refused() -> None:
    content = {**to_plain(recorded()[1]), "schema": 2}
    with pytest.raises(DecodeError, match=r"^schema 2; this version reads 1$"):
        runs.parse(content)
