from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sdcoreml.envs.upstream.objects import Objects
from sdcoreml.envs.upstream.store import Kept, examine, obtain, place
from sdcoreml.ground import locks
from sdcoreml.ground.errors import BadInputError, NoSpaceError
from sdcoreml.ground.events import Event
from sdcoreml.lockfiles.toolchain import Upstream
from tests.upstreams import git, make_repository


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def bring(tmp_path: Path, store: Path) -> tuple[Upstream, Kept]:
    upstream = make_repository(tmp_path / "source")
    return upstream, obtain(upstream, str(tmp_path / "source"), store)


def test_a_commit_is_obtained_once(tmp_path: Path, store: Path) -> None:
    upstream, kept = bring(tmp_path, store)
    assert (kept.was, kept.changed) == ("obtained", ())
    assert kept.path == store / f"upstream-{upstream.commit[:12]}"
    shutil.rmtree(tmp_path / "source")
    assert obtain(upstream, "", store).was == "there"
    assert {path.name for path in store.iterdir()} == {kept.path.name, f".{kept.path.name}.lock"}


def test_git_finds_a_clean_shallow_checkout_of_that_commit(tmp_path: Path, store: Path) -> None:
    upstream, kept = bring(tmp_path, store)
    assert git(kept.path, "status", "--porcelain") == ""
    assert git(kept.path, "log", "--format=%H") == upstream.commit
    assert git(kept.path, "rev-parse", "--is-shallow-repository") == "true"
    assert "dangling" not in git(kept.path, "fsck")
    assert examine(upstream, store) == Kept(path=kept.path, commit=upstream.commit)


def test_nothing_there(tmp_path: Path) -> None:
    assert examine(Upstream(repository="", commit="0" * 40), tmp_path) is None


def everything_in(folder: Path) -> list[str]:
    paths = (path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def test_every_file_that_is_damaged_is_found_and_repaired(tmp_path: Path, store: Path) -> None:
    upstream, kept = bring(tmp_path, store)
    blobs = {
        entry.blob
        for entry in Objects(kept.path / ".git/objects").files_of(upstream.commit).values()
    }
    spare = {".git/index", *(f".git/objects/{name[:2]}/{name[2:]}" for name in blobs)}
    files = [name for name in everything_in(kept.path) if name not in spare]
    for name in files:
        (kept.path / name).rename(tmp_path / "aside")
        (kept.path / name).write_text("damaged")
        found = examine(upstream, store)
        assert found is not None
        assert found.changed, name
        (tmp_path / "aside").replace(kept.path / name)
    for name in files:
        (kept.path / name).unlink()
    assert obtain(upstream, str(tmp_path / "source"), store).was == "repaired"
    assert everything_in(kept.path) == sorted([*files, *spare])


def hook(folder: Path) -> None:
    (folder / ".git/hooks").mkdir()
    (folder / ".git/hooks/post-checkout").write_text("#!/bin/sh\n")


def borrow(folder: Path) -> None:
    (folder / ".git/objects/info").mkdir()
    (folder / ".git/objects/info/alternates").write_text("/elsewhere\n")


@pytest.mark.parametrize("change", [hook, borrow])
def test_what_git_would_run_or_borrow_is_a_fault(
    tmp_path: Path, store: Path, change: Callable[[Path], None]
) -> None:
    upstream, kept = bring(tmp_path, store)
    change(kept.path)
    found = examine(upstream, store)
    assert found is not None
    assert len(found.changed) == 1
    assert obtain(upstream, "", store) == Kept(
        path=kept.path, commit=upstream.commit, was="repaired"
    )


def test_a_damaged_work_tree_is_repaired_without_any_source(tmp_path: Path, store: Path) -> None:
    upstream, kept = bring(tmp_path, store)
    shutil.rmtree(tmp_path / "source")
    (kept.path / "setup.py").write_text("2\n")
    (kept.path / "torch.py").write_text("")
    assert obtain(upstream, "", store).was == "repaired"


HOSTILE = {
    "core.fsmonitor": "touch {pwn}; false",
    "core.hooksPath": "{hooks}",
    "core.alternateRefsCommand": "touch {pwn}",
    "uploadpack.packObjectsHook": "touch {pwn}",
    "core.sshCommand": "touch {pwn}",
    "core.pager": "touch {pwn}",
    "filter.evil.smudge": "touch {pwn}",
    "filter.evil.clean": "touch {pwn}",
    "filter.evil.process": "touch {pwn}",
    "diff.external": "touch {pwn}",
    "include.path": "{fifo}",
    "remote.origin.promisor": "true",
    "extensions.partialClone": "origin",
}
HOOKS = ("post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc")


def test_nothing_of_a_source_is_run(tmp_path: Path, store: Path) -> None:
    upstream = make_repository(tmp_path / "source")
    pwn, hooks, git_folder = tmp_path / "pwn", tmp_path / "hooks", tmp_path / "source/.git"
    hooks.mkdir()
    for name in HOOKS:
        (hooks / name).write_text(f"#!/bin/sh\ntouch {pwn}\n")
        (hooks / name).chmod(0o755)
    (git_folder / "info").mkdir(exist_ok=True)
    (git_folder / "info/attributes").write_text("* filter=evil diff=evil\n")
    with (git_folder / "config").open("a") as config:
        for name, value in HOSTILE.items():
            (section, _, key), words = (
                name.rpartition("."),
                value.format_map({"pwn": pwn, "hooks": hooks, "fifo": tmp_path / "fifo"}),
            )
            first, _, rest = section.partition(".")
            head = f'{first} "{rest}"' if rest else first
            config.write(f'[{head}]\n\t{key} = "{words}"\n')
    os.mkfifo(tmp_path / "fifo")
    assert obtain(upstream, str(tmp_path / "source"), store).was == "obtained"
    assert not pwn.exists()


@pytest.mark.parametrize("source", ["nowhere", "empty", "other"])
def test_a_source_without_the_commit_leaves_the_store_as_it_was(
    tmp_path: Path, store: Path, source: str
) -> None:
    (tmp_path / "empty").mkdir()
    make_repository(tmp_path / "other", {"a": "another"})
    upstream = make_repository(tmp_path / "source")
    with pytest.raises(BadInputError, match=r"is not a git repository|has no commit"):
        obtain(upstream, str(tmp_path / source), store)
    assert [path.suffix for path in store.iterdir()] == [".lock"]


def test_two_at_once_bring_it_once(tmp_path: Path, store: Path) -> None:
    upstream = make_repository(tmp_path / "source")
    made: list[str] = []

    def run() -> None:
        made.append(obtain(upstream, str(tmp_path / "source"), store).was)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == ["obtained", "there", "there"]


def test_a_full_disk_leaves_nothing(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream = make_repository(tmp_path / "source")

    def full(path: Path, _: bytes) -> int:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(NoSpaceError):
        obtain(upstream, str(tmp_path / "source"), store)
    assert [path.suffix for path in store.iterdir()] == [".lock"]


def test_who_waits_for_another_says_so(tmp_path: Path) -> None:
    commit = "1" * 40
    assert place(commit, tmp_path) == tmp_path / "upstream-111111111111"
    lock = tmp_path / ".upstream-111111111111.lock"
    lock.write_text("77")
    handle = os.open(lock, os.O_RDWR)
    locks.lock(handle)
    events: list[Event] = []

    def emit(event: Event) -> None:
        events.append(event)
        if event.kind == "note":
            os.close(handle)

    with pytest.raises(BadInputError) as caught:
        obtain(
            Upstream(repository="", commit=commit), str(tmp_path / "no"), folder=tmp_path, emit=emit
        )
    assert str(caught.value) == (
        f"{tmp_path}/no: is not a git repository; give a clone of the upstream repository"
    )
    text = "another process (77) is bringing the upstream commit; waiting for it"
    assert events == [Event(kind="note", text=text)]
