"""`sdcoreml queue`: adds, lists, moves, cancels, retries, removes, pauses; and runs what waits."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.doctor.cli import main
from sdcoreml.doctor.commands.queue import as_text
from sdcoreml.doctor.queue.entry import Kind, State, now
from sdcoreml.doctor.queue.order import New
from sdcoreml.doctor.queue.post import Post
from sdcoreml.doctor.queue.starting import start_runner, this_program
from sdcoreml.doctor.queue.store import RUNNER, Store, open_queue
from sdcoreml.ground import locks
from sdcoreml.ground.advice import spell
from tests.schemas import read_as


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("SDCOREML_QUEUE", str(tmp_path / "queue"))
    monkeypatch.chdir(tmp_path)
    return open_queue()


def add(store: Store, *words: str) -> str:
    return store.add(New(kind=Kind.FIX, title=" ".join(words), words=words))


def queue(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["queue", *words]) == code
    return capsys.readouterr().out


def test_an_empty_queue_says_how_to_fill_it(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "nothing is in the queue; `" in queue(capsys)
    for words in (("list", "--json"), ("--json",), ("--json", "list")):
        assert read_as("queue-list", queue(capsys, *words))["entries"] == []
    assert not store.folder.exists()


def test_what_is_added_is_listed_and_changed(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.ckpt").touch()
    assert queue(capsys, "add", "a.ckpt", "--bits", "6").startswith("1: a.ckpt --bits 6\n`")
    queue(capsys, "add", "owner/name")
    queue(capsys, "add", "owner/other")
    queue(capsys, "move", "3", "1")
    queue(capsys, "move", "1", "9")
    for place in ("0", "-1", "x"):
        with pytest.raises(SystemExit, match="2"):
            main(["queue", "move", "3", place])
    assert "whole number above 0" in capsys.readouterr().err
    queue(capsys, "cancel", "1", "99", code=2)
    assert queue(capsys, "cancel", "1", "2", "1") == "1: cancelled\n2: cancelled\n"
    assert queue(capsys).splitlines()[:3] == [
        "   3  waiting    owner/other",
        "   2  cancelled  owner/name",
        "   1  cancelled  a.ckpt --bits 6",
    ]
    assert "`" in queue(capsys, "retry", "2")
    queue(capsys, "remove", "3", "1")
    assert [(one.id, one.state) for one in store.read().entries] == [("2", State.WAITING)]


def test_a_pause_is_told_wherever_it_matters(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert queue(capsys, "pause") == "paused; programs that are finished will be found again\n"
    assert "the queue is paused; `" in queue(capsys, "add", "owner/name")
    assert "paused; `" in queue(capsys, "list")
    assert "the queue is paused; `" in queue(capsys, "run")
    assert queue(capsys, "resume").startswith("no longer paused\n`")
    assert store.read().entries[0].state is State.WAITING


def test_the_list_as_json_fits_its_schema(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    add(store, "env", "repair")
    store.add(New(kind=Kind.DRAW, title="a cat", words=("draw", "f", "cat"), about={"of": "1"}))
    store.update("2", lambda one: replace(one, state=State.DONE, begun=now(), folders=("/f",)))
    store.path("1", "events").write_text('{"schema": 1, "event": "progress", "done": 1}\n')
    found = read_as("queue-list", queue(capsys, "list", "--json"))
    first, second = found["entries"]
    assert first["progress"] == {"schema": 1, "event": "progress", "done": 1}
    assert first["command"][-2:] == ["env", "repair"]
    assert second["command"][-4:] == ["draw", "f", "cat", "--json"]
    assert (second["folders"], second["about"], second["progress"]) == (["/f"], {"of": "1"}, None)
    store.path("1", "json").write_text("?")
    damaged = queue(capsys, "list", "--json", code=1)
    assert read_as("queue-list", damaged)["entries"][0]["is_damaged"]


def test_a_damaged_file_is_one_line(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    add(store, "env")
    store.path("1", "json").write_text("?")
    assert main(["queue"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        f"warning: {store.path('1', 'json')}: its file cannot be read: not valid"
    )
    assert " queue remove 1`" in line


def test_how_far_it_is_and_why_it_failed_are_listed(store: Store) -> None:
    add(store, "one")
    add(store, "two")
    failed = replace(
        store.read().find("2"),
        state=State.FAILED,
        because="no room",
        remedy="make some",
        explanation="a\nb",
    )
    store.update("2", lambda _: failed)
    store.update("1", lambda one: replace(one, state=State.RUNNING, begun=now()))
    events = store.path("1", "events")
    events.write_text('{"event": "progress", "done": 3, "total": 4000000, "left": 130.0}\n')
    with ExitStack() as stack:
        runner = os.open(store.folder / "runner", os.O_RDWR | os.O_CREAT)
        stack.callback(os.close, runner)
        locks.lock(runner)
        assert list(as_text(store, store.read())) == [
            "   1  running    one",
            "      0% of 4 MB, about 2 minutes left",
            "   2  failed     two",
            "      no room: make some",
            "      a",
            "      b",
            "a runner is at work",
        ]
    store.remove("1")
    assert last_line(store) == "1 failed; `sdcoreml queue retry 2` tries again"
    for number in ("3", "4"):
        add(store, number)
        store.update(number, lambda one: replace(one, state=State.DONE))
    assert last_line(store) == "2 done, 1 failed; `sdcoreml queue retry 2` tries again"
    store.path("2", "json").write_text("?")
    assert last_line(store) == "2 done, 1 failed"
    store.remove("2")
    assert last_line(store) == "all is done"
    store.cancel(add(store, "five"))
    assert last_line(store) == "2 done, 1 cancelled"


def last_line(store: Store) -> str:
    return list(as_text(store, store.read()))[-1].replace(spell("`sdcoreml "), "`sdcoreml ")


def test_a_word_that_names_no_model_is_not_added(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["queue", "add", "nosuch"]) == 3
    assert "nosuch: there is no file or folder with that name" in capsys.readouterr().err
    assert not store.folder.exists()
    models = Path("models")
    models.mkdir()
    (models / "nosuch.safetensors").touch()
    monkeypatch.setenv("SDCOREML_MODELS", "models")
    queue(capsys, "add", "nosuch")
    assert [one.title for one in store.read().entries] == ["nosuch"]


@pytest.mark.slow
def test_a_runner_does_what_waits_with_this_tool(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    add(store, "help", "doctor")
    assert queue(capsys, "run").splitlines() == ["1: help doctor: begun", "1: help doctor: done"]
    assert "find what is wrong" in "".join(store.follow_log("1").lines).lower()
    add(store, "explain", "NONE999")
    assert "2: explain NONE999: failed: " in queue(capsys, "run", code=1)
    assert queue(capsys, "run") == ""


def test_beside_another_runner_there_is_nothing_to_do(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    add(store, "help")
    other = Post(store.folder / RUNNER)
    said = queue(capsys, "run")
    other.leave()
    assert said == "another runner is at work already, and does what waits\n"
    assert store.read().entries[0].state is State.WAITING


@pytest.mark.slow
def test_a_runner_in_the_background_outlives_the_command(store: Store) -> None:
    start_runner(store, ("/nothing",))
    assert not store.folder.exists()
    add(store, "help")
    done = subprocess.run(
        [*this_program(), "queue", "run", "--background"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stdout == f"a runner does what waits; it tells in {store.folder}/runner.log\n"
    while (entry := store.read().entries[0]).state is not State.DONE:
        assert not entry.state.is_over
        time.sleep(0.05)
    while store.is_running:
        time.sleep(0.05)
    assert (store.folder / "runner.log").read_text() == "1: help: begun\n1: help: done\n"


def test_this_tool_is_started_by_its_script_if_it_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "sdcoreml"
    monkeypatch.setattr(sys, "argv", [str(script)])
    assert this_program()[:2] == (sys.executable, "-c")
    script.touch()
    assert this_program()[:2] == (sys.executable, "-c")
    script.chmod(0o755)
    assert this_program() == (str(script),)
