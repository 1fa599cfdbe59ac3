from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.ground import locks
from tests.handles import nothing_left_open

HOLD = textwrap.dedent("""
    import sys
    from pathlib import Path
    from sdcoreml.ground.locks import lock_file
    with lock_file(Path(sys.argv[1]), print):
        print("held", flush=True)
        sys.stdin.read()
""")


def test_a_lock_keeps_others_out_until_its_descriptor_is_closed(tmp_path: Path) -> None:
    mine, other = (os.open(tmp_path, os.O_RDONLY) for _ in range(2))
    locks.lock(mine)
    assert not locks.try_lock(other)
    os.close(mine)
    assert locks.try_lock(other)
    os.close(other)


def test_a_lock_file_says_who_holds_it_and_is_waited_for(tmp_path: Path) -> None:
    path, told = tmp_path / "lock", list[str]()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, os.fspath(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"

        def notice(owner: str) -> None:
            told.append(owner)
            child.kill()  # the system releases what a killed process held

        with locks.lock_file(path, notice):
            assert path.read_text() == str(os.getpid())
        assert told == [str(child.pid)]


def test_a_child_that_inherits_the_descriptor_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locks.lock_file(path, pytest.fail) as handle:
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"],
            stdin=subprocess.PIPE,
            pass_fds=[handle],
        )
    other = os.open(path, os.O_RDWR)
    assert not locks.try_lock(other)
    child.communicate()
    assert locks.try_lock(other)
    os.close(other)


def test_a_lock_file_for_the_moment_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locks.try_lock_file(path) as held, locks.try_lock_file(path) as again:
        assert (held, again) == (True, False)
        assert path.exists()
    assert not path.exists()


@pytest.fixture
def late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[int]]:
    """The path of a lock that is removed just after it is opened first, and what was opened."""
    path, opened = tmp_path / "lock", list[int]()
    real = os.open

    def open_late(*arguments: Any) -> int:
        handle: int = real(*arguments)
        opened.append(handle)
        if len(opened) == 1:  # its last holder removes it, the next one makes another
            path.unlink()
            os.close(real(path, os.O_CREAT))
        return handle

    monkeypatch.setattr(os, "open", open_late)
    return path, opened


def test_a_lock_on_a_file_that_was_removed_meanwhile_is_not_one(
    late: tuple[Path, list[int]],
) -> None:
    path, opened = late
    with locks.try_lock_file(path) as held:
        assert held
        assert len(opened) == 2
        assert os.fstat(opened[1]).st_ino == path.stat().st_ino


def test_who_waits_for_a_lock_that_is_removed_meanwhile_takes_the_next(
    late: tuple[Path, list[int]],
) -> None:
    path, opened = late
    with locks.lock_file(path, pytest.fail) as handle:
        assert len(opened) == 2
        assert os.fstat(handle).st_ino == path.stat().st_ino
        assert path.read_text() == str(os.getpid())


def test_who_gives_up_waiting_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[int] = []
    close = os.close

    def note(handle: int) -> None:
        closed.append(handle)
        close(handle)

    def give_up(_: str) -> None:
        monkeypatch.setattr(os, "close", note)
        raise KeyboardInterrupt

    with (
        locks.lock_file(tmp_path / "lock", pytest.fail),
        pytest.raises(KeyboardInterrupt),
        locks.lock_file(tmp_path / "lock", give_up),
    ):
        pytest.fail("it was not locked")
    assert len(closed) == 2  # who waited, and who held


def test_a_file_and_a_folder_are_held_while_the_block_runs(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, hold in ((tmp_path / "file", locks.hold), (tmp_path, locks.hold_folder)):
        other = os.open(path, os.O_RDONLY)
        with hold(path):
            assert not locks.try_lock(other)
            assert not locks.try_share(other)
        assert locks.try_share(other)
        os.close(other)
    with pytest.raises(FileNotFoundError), locks.hold(tmp_path / "gone"):
        pass
    with pytest.raises(NotADirectoryError), locks.hold_folder(tmp_path / "file"):
        pass


def test_a_shared_lock_lets_others_share(tmp_path: Path) -> None:
    mine, other = (os.open(tmp_path, os.O_RDONLY) for _ in range(2))
    locks.share(mine)
    assert locks.try_share(other)
    assert not locks.try_lock(other)
    os.close(mine)
    assert locks.try_lock(other)
    os.close(other)


def test_one_that_does_not_say_who_it_is_is_waited_for(tmp_path: Path) -> None:
    told: list[str] = []
    holder = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    locks.lock(holder)

    def notice(owner: str) -> None:
        told.append(owner)
        os.close(holder)

    with locks.lock_file(tmp_path / "lock", notice):
        assert told == ["?"]
    (tmp_path / "lock").write_text("9" * 40)
    with locks.lock_file(tmp_path / "lock", pytest.fail):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_nothing_is_left_open(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with nothing_left_open():
        with locks.hold(tmp_path / "file"), locks.hold_folder(tmp_path):
            pass
        with locks.lock_file(tmp_path / "lock", pytest.fail):
            pass
        with locks.try_lock_file(tmp_path / "lock"), locks.try_lock_file(tmp_path / "lock") as held:
            assert not held


def test_a_lock_that_is_removed_again_and_again_leaves_nothing_open(
    late: tuple[Path, list[int]],
) -> None:
    with nothing_left_open():
        with locks.try_lock_file(late[0]):
            pass
        late[1].clear()
        with locks.lock_file(late[0], pytest.fail):
            pass
