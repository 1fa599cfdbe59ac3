from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from sdcoreml.envs.kept import store
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.pythons.interpreter import Interpreter
from sdcoreml.ground.places import environments_folder
from tests.handles import nothing_left_open


def finished(folder: Path, seal: str = "5ea1") -> Environment:
    """Write the record of an environment without packages into `folder`."""
    (folder / "bin").mkdir(parents=True)
    (folder / "sealed").mkdir()
    (folder / "bin/python").write_text("")
    made = Environment(
        name="tested",
        path=folder,
        toolchain="tested",
        target="linux-x86_64",
        lock_digest="10cc",
        seal=seal,
        interpreter=Interpreter(
            path=Path("/pythons/3.10.10"),
            version="3.10.10",
            implementation="CPython",
            target="linux-x86_64",
            source="pyenv",
        ),
        drift=False,
        installer="uv 1.0",
        built=datetime(2026, 11, 24, 2, 30, tzinfo=timezone.utc),
        files=3,
        size=99,
        defects=("torch: x differs",),
    )
    store.write(made)
    return made


def test_a_record_is_read_back(tmp_path: Path) -> None:
    made = finished(tmp_path / "abc")
    assert store.read("tested", tmp_path / "abc") == made


def test_absent_is_none(tmp_path: Path) -> None:
    assert store.current("tested", tmp_path) is None
    (tmp_path / "tested").symlink_to("gone")
    assert store.current("tested", tmp_path) is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 2}', '{"schema": 1, "interpreter": {}}', "\x00"]
)
def test_a_damaged_record_is_none(tmp_path: Path, text: str) -> None:
    finished(tmp_path / "abc")
    (tmp_path / "abc/sealed/record.json").write_text(text)
    assert store.read("tested", tmp_path / "abc") is None


def test_an_environment_whose_python_is_gone_is_not_in_use(tmp_path: Path) -> None:
    store.swap("tested", finished(tmp_path / "abc").path)
    assert store.current("tested", tmp_path) is not None
    (tmp_path / "abc/bin/python").unlink()
    assert store.current("tested", tmp_path) is None
    assert store.read("tested", tmp_path / "tested") is not None


def test_swapping_keeps_the_one_before(tmp_path: Path) -> None:
    first, second = finished(tmp_path / "one"), finished(tmp_path / "two", "5ea2")
    store.swap("tested", first.path)
    assert store.current("tested", tmp_path) == first
    assert store.previous("tested", tmp_path) is None
    store.swap("tested", second.path)
    store.swap("tested", second.path)
    assert store.current("tested", tmp_path) == second
    assert store.previous("tested", tmp_path) == replace(first, name="tested")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "tested", "tested~", "two"]


def test_a_free_name_is_one_that_nothing_has(tmp_path: Path) -> None:
    assert store.free_name(tmp_path, "key") == tmp_path / "key"
    (tmp_path / "key").mkdir()
    (tmp_path / "key.2").mkdir()
    assert store.free_name(tmp_path, "key") == tmp_path / "key.3"


def test_leftovers_are_cleared_by_the_next_who_is_alone(tmp_path: Path) -> None:
    (tmp_path / ".sdcoreml-abc-1/lib").mkdir(parents=True)
    (tmp_path / "abc").mkdir()
    with store.hold_lock(tmp_path):
        assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "abc"]


def test_leftovers_go_before_room_is_looked_for_unless_somebody_builds(tmp_path: Path) -> None:
    store.remove_leftovers(tmp_path / "none")
    left = tmp_path / ".sdcoreml-abc-1"
    with store.hold_lock(tmp_path):
        left.mkdir()
        store.remove_leftovers(tmp_path)
        assert left.is_dir()
    store.remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_what_merely_looks_like_a_leftover_is_somebodys(tmp_path: Path) -> None:
    for name in (".building-notes", ".task.old", ".abc.part", "abc~"):
        (tmp_path / name).mkdir()
    with store.hold_lock(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(".abc.part", ".building-notes", ".lock", ".task.old", "abc~")
    ]


def test_the_folder_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDCOREML_ENVS", "/big/disk")
    assert environments_folder() == Path("/big/disk")
    monkeypatch.delenv("SDCOREML_ENVS")
    assert environments_folder().name == ".envs"


def test_rolling_back_twice_changes_nothing(tmp_path: Path) -> None:
    first, second = finished(tmp_path / "one"), finished(tmp_path / "two", "5ea2")
    assert store.rollback("tested", tmp_path) is None
    store.swap("tested", first.path)
    store.swap("tested", second.path)
    assert store.rollback("tested", tmp_path) == first
    assert store.current("tested", tmp_path) == first
    assert store.previous("tested", tmp_path) == second
    store.rollback("tested", tmp_path)
    assert store.current("tested", tmp_path) == second


def test_a_task_folder_outlives_others_and_not_its_task(tmp_path: Path) -> None:
    with store.task_folder(tmp_path) as mine:
        (mine / "file").write_text("x")
        with store.hold_lock(tmp_path):
            assert (mine / "file").exists()
    assert not mine.exists()


def test_what_a_killed_task_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".task.sdcoreml-abcdefgh.part"
    (left / "wheels").mkdir(parents=True)
    with store.hold_lock(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_record_is_the_last_thing_that_changes(tmp_path: Path) -> None:
    made = finished(tmp_path / "abc")
    for _ in range(20):
        store.write(made)
        record = (tmp_path / "abc/sealed/record.json").stat().st_ctime_ns
        assert (tmp_path / "abc/sealed").stat().st_ctime_ns <= record


def test_removing_leftovers_leaves_nothing_open(tmp_path: Path) -> None:
    with store.hold_lock(tmp_path):
        (tmp_path / ".sdcoreml-build").mkdir()
    with nothing_left_open():
        store.remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_what_cannot_be_removed_has_lost_its_name_at_least(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "abc").mkdir()
    (tmp_path / "abc/file").touch()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr("os.unlink", refuse)
        store.remove(tmp_path / "abc")
    left = tmp_path / ".sdcoreml-removed-abc"
    assert [*tmp_path.iterdir()] == [left]
    store.remove(left)
    assert [*tmp_path.iterdir()] == []
