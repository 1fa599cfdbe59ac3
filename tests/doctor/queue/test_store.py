"""A queue's folder: what is added, moved, cancelled, retried or paused is so for everybody."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.doctor.queue.entries import mark as mark_file
from sdcoreml.doctor.queue.entry import Entry, Kind, State, now
from sdcoreml.doctor.queue.order import New
from sdcoreml.doctor.queue.store import Store, command_of, open_queue
from sdcoreml.ground import locks
from sdcoreml.ground.errors import BadInputError, BusyError, NoSpaceError, UsageError
from sdcoreml.lockfiles.table import read_toml


def fix(title: str = "mend") -> New:
    return New(kind=Kind.FIX, title=title, words=("env", "repair"))


def filled(folder: Path, *titles: str) -> Store:
    store = Store(folder=folder)
    for title in titles:
        store.add(fix(title))
    return store


def ids(store: Store) -> list[str]:
    return [entry.id for entry in store.read().entries]


def states(store: Store) -> list[str]:
    return [entry.state.value for entry in store.read().entries]


@contextmanager
def runner_of(store: Store) -> Iterator[None]:
    """Hold the lock of a runner, as another process would."""
    handle = os.open(store.folder / "runner", os.O_RDWR | os.O_CREAT)
    locks.lock(handle)
    try:
        yield
    finally:
        os.close(handle)


def mark(store: Store, number: str, state: State) -> None:
    store.update(number, lambda one: replace(one, state=state, begun=now()))


def test_a_queue_that_nobody_has_used_is_empty_and_writes_nothing(tmp_path: Path) -> None:
    queue = Store(folder=tmp_path / "none").read()
    assert (queue.entries, queue.is_paused, queue.is_running, queue.faults) == (
        (),
        False,
        False,
        (),
    )
    assert not (tmp_path / "none").exists()


def test_what_is_added_is_there_in_order(tmp_path: Path) -> None:
    store = filled(tmp_path / "q", "a", "b")
    job = {"into": "/out", "models": [{"model": "/m", "size": ["64x64"], "bits": 6}]}
    about = {"handle": "x", "of": ["y", 1]}
    number = store.add(
        New(kind=Kind.CONVERT, title="c", words=("--workers=2",), job=job, place="/", about=about)
    )
    *_, entry = Store(folder=tmp_path / "q").read().entries
    assert [one.title for one in store.read().entries] == ["a", "b", "c"]
    assert (entry.id, entry.kind, entry.state) == (number, Kind.CONVERT, State.WAITING)
    assert (entry.place, entry.about, entry.begun) == ("/", about, None)
    assert entry.added is not None
    file = store.path(number, "toml")
    assert read_toml(file) == job
    assert command_of(entry, store.folder) == ("jobs", str(file), "--json", "--workers=2")


def test_each_kind_has_its_command(tmp_path: Path) -> None:
    def command(kind: Kind, *words: str) -> tuple[str, ...]:
        return tuple(command_of(Entry(id="1", kind=kind, title="", words=words), tmp_path))

    assert command(Kind.CONVERT, "jobs", "/f.toml") == ("jobs", "/f.toml", "--json")
    assert command(Kind.DRAW, "draw", "f", "a cat") == ("draw", "f", "a cat", "--json")
    assert command(Kind.FIX, "env", "repair") == ("env", "repair")


def test_an_entry_moves_before_another_or_to_the_end(tmp_path: Path) -> None:
    store = filled(tmp_path, "a", "b", "c")
    store.move("3", "1")
    assert ids(store) == ["3", "1", "2"]
    store.move("3", None)
    assert ids(store) == ["1", "2", "3"]
    store.move("2", "2")
    assert ids(store) == ["1", "2", "3"]
    with pytest.raises(UsageError, match="no entry 9 in the queue; there are: 1, 2, 3"):
        store.move("1", "9")


def test_what_waits_is_cancelled_at_once_and_can_be_tried_again(tmp_path: Path) -> None:
    store = filled(tmp_path, "a")
    with pytest.raises(UsageError, match="entry 1 is waiting"):
        store.retry("1")
    store.cancel("1")
    (entry,) = store.read().entries
    assert (entry.state, entry.ended is None) == (State.CANCELLED, False)
    with pytest.raises(UsageError, match="entry 1 is cancelled already"):
        store.cancel("1")
    store.retry("1")
    (entry,) = store.read().entries
    assert (entry.state, entry.ended, entry.words) == (State.WAITING, None, ("env", "repair"))


def test_what_is_being_done_is_marked_for_its_runner_to_end(tmp_path: Path) -> None:
    store = filled(tmp_path, "a")
    mark(store, "1", State.RUNNING)
    with runner_of(store):
        with pytest.raises(BusyError, match="is being worked at; end it first"):
            store.remove("1")
        store.cancel("1")
        (entry,) = store.read().entries
        assert (entry.state, entry.is_ending) == (State.CANCELLED, True)
        with pytest.raises(BusyError, match="is being worked at"):
            store.remove("1")
    (entry,) = store.read().entries
    assert not entry.is_ending
    store.remove("1")


def test_nothing_runs_without_a_runner(tmp_path: Path) -> None:
    store = filled(tmp_path, "a")
    mark(store, "1", State.RUNNING)
    assert states(store) == ["waiting"]
    with runner_of(store):
        assert states(store) == ["running"]
        assert store.is_running
    assert not store.is_running


def test_what_is_removed_leaves_no_file_and_its_number_is_not_given_again(tmp_path: Path) -> None:
    store = filled(tmp_path, "a", "b")
    for ending in ("toml", "events", "log"):
        store.path("2", ending).touch()
    store.remove("2")
    assert ids(store) == ["1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.json", "order.json"]
    assert store.add(fix()) == "3"


def test_nobody_else_may_read_what_is_in_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    store = filled(tmp_path, "a")
    store.add(New(kind=Kind.CONVERT, title="b", job={"models": []}))
    store.path("1", "json").chmod(0o644)
    store.cancel("1")
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_a_pause_is_remembered(tmp_path: Path) -> None:
    store = filled(tmp_path, "a")
    store.pause()
    assert Store(folder=tmp_path).read().is_paused
    store.add(fix("b"))
    assert store.read().is_paused
    store.resume()
    assert not store.read().is_paused
    assert ids(store) == ["1", "2"]


def test_a_viewer_is_told_of_every_change(tmp_path: Path) -> None:
    store, viewer = filled(tmp_path, "a", "b"), Store(folder=tmp_path)
    seen = [viewer.changed()]
    assert viewer.changed() == seen[0]
    for change in (
        lambda: store.add(fix()),
        lambda: store.cancel("1"),
        lambda: store.retry("1"),
        lambda: store.move("2", "1"),
        store.pause,
        store.resume,
        lambda: store.remove("3"),
    ):
        change()
        seen.append(viewer.changed())
    with runner_of(store):
        seen.append(viewer.changed())
    assert len(set(seen)) == len(seen)


def test_two_changes_within_one_tick_of_the_clock_are_two(tmp_path: Path) -> None:
    """Before Linux 6.13 a folder's time stands still for milliseconds."""
    store, seen = filled(tmp_path, "a"), []
    for change in (store.pause, store.resume, store.pause):
        change()
        os.utime(tmp_path, ns=(1, 1))
        seen.append(store.changed())
    assert seen[0] != seen[1] != seen[2]


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    def write(name: int) -> None:
        store = Store(folder=tmp_path)
        for number in range(5):
            store.move(store.add(fix(f"{name}-{number}")), None)

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    queue = Store(folder=tmp_path).read()
    assert sorted(one.title for one in queue.entries) == [
        f"{a}-{b}" for a in range(4) for b in range(5)
    ]
    assert sorted(ids(Store(folder=tmp_path)), key=int) == [str(one) for one in range(1, 21)]


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("", "an empty file, not JSON"),
        ('{"schema": 1, "kind"', "not valid JSON"),
        ("[]", "JSON, but not an object"),
        ('{"schema": 1, "kind": "fix"}', "field 'title' is missing"),
        (
            '{"schema": 1, "kind": "fly", "title": ""}',
            "kind: one of convert, draw, fix is expected",
        ),
        ('{"schema": 2, "kind": "fix", "title": ""}', "a newer version of sdcoreml wrote it"),
        ('{"schema": 1, "kind": "fix", "title": "", "words": [1]}', r"words\[0\]: str is expected"),
    ],
)
def test_a_damaged_entry_is_told_and_the_others_are_there(
    text: str, because: str, tmp_path: Path
) -> None:
    store = filled(tmp_path, "a", "b", "c")
    store.path("2", "json").write_text(text)
    queue = store.read()
    assert [one.title for one in queue.entries] == ["a", "entry 2", "c"]
    assert [one.is_damaged for one in queue.entries] == [False, True, False]
    assert queue.entries[1].state is State.FAILED
    (fault,) = queue.faults
    assert fault.where == str(tmp_path / "2.json")
    with pytest.raises(BadInputError, match=f"its file cannot be read: .*{because}"):
        store.retry("2")
    assert store.update("2", lambda one: one) is None
    store.remove("2")
    assert (ids(store), store.read().faults) == (["1", "3"], ())


def test_an_entry_that_is_no_file_stops_nobody(tmp_path: Path) -> None:
    store = filled(tmp_path, "a")
    os.mkfifo(tmp_path / "7.json")
    (tmp_path / "8.json").symlink_to(tmp_path / "nowhere")
    (tmp_path / "x.json").write_text("{}")
    assert [one.is_damaged for one in store.read().entries] == [False, True, True]


def test_a_file_where_the_queue_s_folder_is_to_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "x")
    for name in ("file", "link"):
        store = Store(folder=tmp_path / name)
        assert store.read().entries == ()
        with pytest.raises(BadInputError, match=r"\bstands where the queue's folder is to be"):
            store.add(New(kind=Kind.FIX, title="a"))


def full_disk(work: str, store: Store, first: str = "") -> subprocess.CompletedProcess[str]:
    """Do something with a queue in a process that can write no byte into a file."""
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from sdcoreml.doctor.queue.store import Store\n"
        "from sdcoreml.ground.exits import run_to_exit_code\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "store = Store(folder=Path(sys.argv[1]))\n"
        f"{first}"
        f"sys.exit(run_to_exit_code(lambda: {work} or 0))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, store.folder],
        cwd=Path(__file__).parents[3],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_a_full_disk_keeps_nobody_from_ending_what_runs(tmp_path: Path) -> None:
    store = filled(tmp_path, "a", "b", "c")
    mark(store, "2", State.RUNNING)
    with runner_of(store):
        assert full_disk("store.cancel('1', '2')", store).stderr == ""
        assert full_disk("store.pause()", store).returncode == 0
        first, second, _ = store.read().entries
        assert (first.state, second.is_ending) == (State.CANCELLED, True)
        assert store.read().is_paused
    assert full_disk("store.remove('3', '1')", store).returncode == 0
    assert [path.name for path in tmp_path.iterdir() if path.name[0] in "13"] == []
    failed = full_disk("store.retry('2')", store)
    assert (failed.returncode, failed.stderr.count("\n")) == (5, 1)
    assert "make room there and try again (nothing was changed)" in failed.stderr
    assert states(store) == ["cancelled"]
    assert full_disk("store.resume()", store).returncode == 0
    store.retry("2")
    assert (states(store), store.read().is_paused) == (["waiting"], False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2.json", "order.json", "runner"]


def test_a_mark_needs_no_room_and_where_it_cannot_be_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    assert mark_file(tmp_path / "b", tmp_path / "gone", tmp_path / "a")
    assert (tmp_path / "b").samefile(tmp_path / "a")
    assert mark_file(tmp_path / "b", tmp_path / "a"), "it is there already"
    assert mark_file(tmp_path / "c", tmp_path / "gone")
    assert (tmp_path / "c").read_bytes() == b""
    assert not mark_file(tmp_path / "nowhere" / "d", tmp_path / "a")


ONE_NAME = """\
import errno, os
def refuse(*_args, **_options):
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))
os.link = refuse
"""
"""Makes all disks like those whose files have one name only, such as FAT."""


@pytest.mark.slow
def test_a_full_disk_without_second_names_is_paused_and_cancelled_as_well(tmp_path: Path) -> None:
    store = filled(tmp_path, "a", "b")
    for work in ("store.pause()", "store.cancel('1')"):
        done = full_disk(work, store, ONE_NAME)
        assert (done.returncode, done.stderr) == (0, "")
    assert store.read().is_paused
    assert states(store) == ["cancelled", "waiting"]
    assert full_disk("store.resume()", store, ONE_NAME).returncode == 0
    assert not store.read().is_paused


def test_of_a_removed_entry_nothing_comes_back_even_if_its_remover_was_killed(
    tmp_path: Path,
) -> None:
    store = filled(tmp_path, "a", "b", "c")
    for ending in ("toml", "log", "events"):
        store.path("2", ending).touch()
    store.path("2", "json").unlink()  # what goes first
    assert ids(store) == ["1", "3"]
    (tmp_path / "3.toml").touch()
    (tmp_path / "other.toml").touch()
    store.remove("1")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "3.json",
        "3.toml",
        "order.json",
        "other.toml",
    ]
    assert store.add(fix()) == "4"


def test_of_several_entries_all_are_changed_or_none(tmp_path: Path) -> None:
    store = filled(tmp_path, "a", "b", "c")
    with pytest.raises(UsageError, match=r"no entry 99 in the queue; nothing was changed; there"):
        store.cancel("1", "99")
    assert states(store) == ["waiting"] * 3
    store.cancel("1", "2", "1")
    with pytest.raises(UsageError, match="entry 1 is cancelled already; no entry 9 in the queue;"):
        store.cancel("1", "9", "3")
    with pytest.raises(UsageError, match="entry 3 is waiting"):
        store.retry("1", "3")
    assert states(store) == ["cancelled", "cancelled", "waiting"]
    mark(store, "3", State.RUNNING)
    with runner_of(store), pytest.raises(BusyError, match="entry 3: is being worked at"):
        store.remove("1", "3")
    store.remove("1", "3")
    assert ids(store) == ["2"]


def test_what_another_version_has_written_stays(tmp_path: Path) -> None:
    store = filled(tmp_path, "a")
    path = store.path("1", "json")
    content = json.loads(path.read_text())
    assert content.keys() == {"schema", "kind", "title", "words", "state", "added"}
    path.write_text(json.dumps({**content, "colour": "red", "deep": {"a": [1]}}))
    order = json.loads((tmp_path / "order.json").read_text())
    (tmp_path / "order.json").write_text(json.dumps({**order, "speed": 3}))
    store.cancel("1")
    (entry,) = store.read().entries
    assert (entry.state, entry.tries, entry.about) == (State.CANCELLED, 0, {})
    store.retry("1")
    content = json.loads(path.read_text())
    assert (content["colour"], content["deep"]) == ("red", {"a": [1]})
    store.pause()
    assert json.loads((tmp_path / "order.json").read_text())["speed"] == 3
    assert not store.read().faults


def test_a_folder_is_chosen_by_the_variable_or_is_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDCOREML_QUEUE", str(tmp_path / "mine"))
    assert open_queue().folder == tmp_path / "mine"
    assert open_queue(tmp_path).folder == tmp_path
    monkeypatch.delenv("SDCOREML_QUEUE")
    assert open_queue().folder.name == "queue"
    assert open_queue().folder.is_relative_to(Path.home())


def test_on_a_full_disk_nothing_is_added_and_what_to_do_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(tmp_path, "a")

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(NoSpaceError) as caught:
            store.add(fix())
    assert caught.value.remedy == "make room there and try again (nothing was changed)"
    assert caught.value.what == "the disk filled up while writing"
    assert ids(store) == ["1"]
