from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TextIO

import pytest

from sdcoreml.convert.jobs.staging import MARKER, staged
from sdcoreml.ground.errors import (
    BadInputError,
    NoSpaceError,
    SdcoremlError,
    WorkerError,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def result(folder: Path, text: str) -> None:
    (folder / MARKER).write_text(text)


class TestStaged:
    def test_a_new_folder_appears_whole(self, tmp_path: Path) -> None:
        target = tmp_path / "models" / "cat"
        with staged(target) as folder:
            result(folder, "new")
            assert not target.exists()
        assert (target / MARKER).read_text() == "new"
        assert names(target.parent) == ["cat"]

    def test_an_older_result_is_replaced(self, tmp_path: Path) -> None:
        target = tmp_path / "cat"
        target.mkdir()
        result(target, "old")
        (target / "gone").touch()
        with staged(target) as folder:
            result(folder, "new")
            assert (target / MARKER).read_text() == "old"
        assert names(target) == [MARKER]
        assert (target / MARKER).read_text() == "new"
        assert names(tmp_path) == ["cat"]

    def test_a_failure_leaves_the_older_result_and_nothing_else(self, tmp_path: Path) -> None:
        target = tmp_path / "cat"
        target.mkdir()
        result(target, "old")
        with pytest.raises(RuntimeError), staged(target) as folder:
            result(folder, "new")
            raise RuntimeError
        assert (target / MARKER).read_text() == "old"
        assert names(tmp_path) == ["cat"]

    def test_errors_name_the_final_place(self, tmp_path: Path) -> None:
        target = tmp_path / "cat"
        with pytest.raises(NoSpaceError) as caught, staged(target) as folder:
            raise NoSpaceError("the disk is full", where=folder / "Unet", remedy="free some")
        assert str(caught.value) == f"{target}/Unet: the disk is full; free some"

    def test_the_last_words_of_a_dead_child_are_kept(self, tmp_path: Path) -> None:
        target = tmp_path / "cat"
        with pytest.raises(WorkerError) as caught, staged(target) as folder:
            raise WorkerError("build: died", where=folder, log="OSError: the reason")
        assert str(caught.value) == f"{target}: build: died"
        assert caught.value.log == "OSError: the reason"

    def test_somebody_elses_folder_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "precious").touch()
        with (
            pytest.raises(
                BadInputError, match=r"no output of an earlier run \(no manifest.json in it\)"
            ),
            staged(tmp_path),
        ):
            pass
        assert names(tmp_path) == ["precious"]

    def test_an_empty_folder_is_taken(self, tmp_path: Path) -> None:
        target = tmp_path / "cat"
        target.mkdir()
        with staged(target) as folder:
            result(folder, "new")
        assert names(target) == [MARKER]

    def test_a_file_of_that_name_is_refused(self, tmp_path: Path) -> None:
        target = tmp_path / "cat"
        target.write_text("mine")
        with pytest.raises(BadInputError, match="no output of an earlier run"), staged(target):
            pass

    def test_two_at_once_are_told_apart(self, tmp_path: Path) -> None:
        target = tmp_path / "cat"
        with (
            staged(target) as folder,
            pytest.raises(SdcoremlError, match="another conversion is writing this folder"),
        ):
            result(folder, "first")
            with staged(target):
                pass
        assert (target / MARKER).read_text() == "first"

    def test_a_lock_on_a_file_that_is_gone_keeps_nobody_out(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The last holder removes its file after this run has opened it and before it locks it."""
        target, lock = tmp_path / "cat", fcntl.flock
        removed: list[Path] = []

        def removed_before(stream: TextIO, operation: int) -> None:
            if not removed:
                removed.append(tmp_path / ".cat.lock")
                removed[0].unlink()
            lock(stream, operation)

        monkeypatch.setattr(fcntl, "flock", removed_before)
        with (
            staged(target),
            pytest.raises(SdcoremlError, match="another conversion is writing this folder"),
            staged(target),
        ):
            pass

    def test_a_folder_lost_between_the_two_renames_comes_back(self, tmp_path: Path) -> None:
        target = tmp_path / "cat"
        old = tmp_path / ".cat.old"
        old.mkdir()
        result(old, "good")
        with pytest.raises(RuntimeError), staged(target):
            raise RuntimeError
        assert (target / MARKER).read_text() == "good"
        assert not old.exists()

    def test_what_a_killed_run_left_is_removed(self, tmp_path: Path) -> None:
        script = textwrap.dedent("""
            import os, signal, sys
            from pathlib import Path
            from sdcoreml.convert.jobs.staging import staged
            with staged(Path(sys.argv[1])) as folder:
                (folder / "half").write_text("made")
                os.kill(os.getpid(), signal.SIGKILL)
        """)
        target = tmp_path / "cat"
        run = subprocess.run([sys.executable, "-c", script, str(target)], check=False)
        assert run.returncode == -signal.SIGKILL
        assert [path.name for path in tmp_path.glob(".cat.*.part/*")] == ["half"]
        with staged(target) as folder:
            assert names(folder) == []
            result(folder, "new")
        assert names(tmp_path) == ["cat"]
