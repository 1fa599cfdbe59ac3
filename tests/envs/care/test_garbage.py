"""Cleaning lists and removes only environments, Pythons and engines that nothing uses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.envs.care.garbage import Garbage, collect, find_garbage
from sdcoreml.envs.cluster.dask import DASK
from sdcoreml.envs.conda import engine
from sdcoreml.envs.conda.engine import engine_name
from sdcoreml.envs.kept import store
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.pythons.apart import Group
from sdcoreml.envs.pythons.groups import STUDIO
from tests.envs.kept.test_store import finished


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def filled(folder: Path, size: int = 10) -> Path:
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "file").write_bytes(bytes(size))
    return folder


def test_only_what_nothing_keeps_is_collected(tmp_path: Path) -> None:
    made = [finished(tmp_path / name, seal=name) for name in ("one", "two", "three", "four")]
    (tmp_path / "inside-tools").mkdir()  # not an environment: not ours to collect
    (tmp_path / "release").symlink_to("one")
    for one in made[1:]:
        store.swap("tested", one.path)
    assert {one.path.name: links for one, links in store.list_environments(tmp_path).items()} == {
        "one": ("release",),
        "two": (),
        "three": ("tested~",),
        "four": ("tested",),
    }
    assert [path.name for path in collect(tmp_path)[0].folders] == ["two"]
    assert names(tmp_path) == {
        *(".lock", "one", "three", "four", "inside-tools"),
        *("release", "tested", "tested~"),
    }


def test_what_a_toolchain_used_that_is_gone_is_collected_with_its_links(tmp_path: Path) -> None:
    root, owners = tmp_path / "envs", [tmp_path / name for name in ("here", "there")]
    made = [finished(root / name, seal=name) for name in ("one", "two", "three")]
    for one, (name, owner) in zip(
        made, [("a@1", owners[0]), ("a@1", owners[0]), ("a@2", owners[1])], strict=True
    ):
        owner.mkdir(exist_ok=True)
        store.swap(name, one.path)
        store.record_owner(name, root, owner)
    assert collect(root)[0].folders == ()
    owners[0].rmdir()
    assert {path.name for path in collect(root)[0].folders} == {"one", "two"}
    assert names(root) == {".lock", "three", "a@2", "a@2^"}
    assert store.current("a@2", root) == replace(made[2], name="a@2")


def made_with(python: Path, folder: Path) -> Environment:
    made = finished(folder)
    changed = replace(made, interpreter=replace(made.interpreter, path=python))
    store.write(changed)
    return changed


def test_a_python_goes_with_the_last_environment_that_was_made_with_it(tmp_path: Path) -> None:
    python = filled(tmp_path / "python-3.10.10-0123456789abcdef")
    first, second = (made_with(python / "bin/python", tmp_path / name) for name in ("one", "two"))
    store.swap("tested", first.path)
    assert find_garbage(tmp_path).folders == (second.path,)
    collect(tmp_path)
    (tmp_path / "tested").unlink()
    assert find_garbage(tmp_path).folders == (first.path, python)
    found, size = collect(tmp_path)
    assert (found.pythons, size) == ((python,), 99 + 10)
    assert found.summary() == "1 environment, 1 Python"
    assert names(tmp_path) == {".lock"}


def test_engines_of_other_locks_go_and_today_s_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = filled(tmp_path / engine_name(), 7)
    (tmp_path / "lock.txt").write_text("py-rattler==99")
    monkeypatch.setattr(engine, "LOCK", tmp_path / "lock.txt")
    today = filled(tmp_path / engine_name())
    assert before != today
    assert find_garbage(tmp_path) == Garbage(environments=(), pythons=(), engines=(before,))
    found, size = collect(tmp_path)
    assert (found.engines, size) == ((before,), 7)
    assert names(tmp_path) == {".lock", "lock.txt", today.name}


@pytest.mark.parametrize("group", [DASK, STUDIO], ids=lambda group: group.prefix)
def test_other_groups_of_other_locks_go_and_today_s_stays(tmp_path: Path, group: Group) -> None:
    before = filled(tmp_path / f"{group.prefix}0123456789abcdef", 7)
    today = filled(tmp_path / group.folder_name())
    assert find_garbage(tmp_path).engines == (before,)
    collect(tmp_path)
    assert names(tmp_path) == {".lock", today.name}


def test_a_link_to_an_engine_elsewhere_is_left_alone(tmp_path: Path) -> None:
    theirs = filled(tmp_path / "theirs" / "engine-0123456789abcdef")
    (tmp_path / "engine-0123456789abcdef").symlink_to(theirs)
    assert find_garbage(tmp_path).folders == ()
    collect(tmp_path)
    assert (theirs / "lib/file").exists()


def test_what_has_another_name_than_ours_is_somebodys(tmp_path: Path) -> None:
    for name in ("python-notes", "python-3.10.10", "engine-room", "python-3-0123456789abcdef.old"):
        filled(tmp_path / name)
    assert find_garbage(tmp_path).folders == ()


def test_what_a_running_process_uses_stays_with_its_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (finished(tmp_path / name, seal=name) for name in ("one", "two"))
    python = tmp_path / f"python-3.10.10-{'a' * 16}"
    (python / "bin").mkdir(parents=True)
    used = replace(one, interpreter=replace(one.interpreter, path=python / "bin/python"))
    monkeypatch.setattr(
        "sdcoreml.envs.care.garbage.list_environments", lambda _: {used: (), two: ()}
    )
    monkeypatch.setattr("sdcoreml.envs.care.garbage.is_used", lambda path: path == one.path)
    found = find_garbage(tmp_path)
    assert (found.environments, found.used, found.pythons) == ((two,), (used,), ())
    monkeypatch.setattr("sdcoreml.envs.care.garbage.is_used", lambda _: False)
    found = find_garbage(tmp_path)
    assert (found.environments, found.used, found.pythons) == ((used, two), (), (python,))


def test_telling_what_is_garbage_changes_nothing(tmp_path: Path) -> None:
    finished(tmp_path / "one")
    filled(tmp_path / "engine-0123456789abcdef", 5)
    filled(tmp_path / ".sdcoreml-0")  # another task's, while it holds the lock
    before = names(tmp_path)
    found = find_garbage(tmp_path)
    assert found.sizes() == {tmp_path / "one": 99, tmp_path / "engine-0123456789abcdef": 5}
    assert found.summary() == "1 environment, 1 engine"
    assert names(tmp_path) == before


def test_nothing_at_all_is_said_in_words(tmp_path: Path) -> None:
    assert find_garbage(tmp_path / "nowhere").summary() == ""
    assert find_garbage(tmp_path / "nowhere").sizes() == {}
