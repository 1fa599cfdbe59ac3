from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TextIO

import pytest

from sdcoreml.convert.jobs.manifest import (
    MARKER,
    MadeIn,
    Manifest,
    SourceRecord,
    read_manifest,
    write_manifest,
)
from sdcoreml.convert.jobs.options import Options
from sdcoreml.convert.jobs.staging import stage_result
from sdcoreml.convert.programs.options import Attention
from sdcoreml.ground.errors import (
    BadInputError,
    NoSpaceError,
    SdcoremlError,
    WorkerError,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def result(folder: Path, text: str) -> None:
    """Write the manifest of a result without programs, for a model of this name."""
    options = Options(attention=Attention.ORIGINAL, height=64, width=64)
    source = SourceRecord(name=text, family="Stable Diffusion 1.x")
    made = Manifest(model=source, inputs={}, options=options, toolchain=MadeIn(), programs={})
    write_manifest(made, folder)


def made_of(folder: Path) -> str:
    return read_manifest(folder).model.name


class TestStaged:
    def test_a_new_folder_appears_whole(self, tmp_path: Path) -> None:
        target = tmp_path / "models" / "cat"
        with stage_result(target) as folder:
            result(folder, "new")
            assert not target.exists()
        assert made_of(target) == "new"
        assert names(target.parent) == ["cat"]

    def test_an_older_result_is_replaced(self, tmp_path: Path) -> None:
        target = tmp_path / "cat"
        target.mkdir()
        result(target, "old")
        (target / "merges.txt").touch()
        with stage_result(target) as folder:
            result(folder, "new")
            assert made_of(target) == "old"
        assert names(target) == [MARKER]
        assert made_of(target) == "new"
        assert names(tmp_path) == ["cat"]

    def test_a_failure_leaves_the_older_result_and_nothing_else(self, tmp_path: Path) -> None:
        target = tmp_path / "cat"
        target.mkdir()
        result(target, "old")
        with pytest.raises(RuntimeError), stage_result(target) as folder:
            result(folder, "new")
            raise RuntimeError
        assert made_of(target) == "old"
        assert names(tmp_path) == ["cat"]

    def test_errors_name_the_final_place(self, tmp_path: Path) -> None:
        target = tmp_path / "cat"
        with pytest.raises(NoSpaceError) as caught, stage_result(target) as folder:
            raise NoSpaceError("the disk is full", where=folder / "Unet", remedy="free some")
        assert str(caught.value) == f"{target}/Unet: the disk is full; free some"

    def test_the_last_words_of_a_dead_child_are_kept(self, tmp_path: Path) -> None:
        target = tmp_path / "cat"
        with pytest.raises(WorkerError) as caught, stage_result(target) as folder:
            raise WorkerError("build: died", where=folder, log="OSError: the reason")
        assert str(caught.value) == f"{target}: build: died"
        assert caught.value.log == "OSError: the reason"

    def test_somebody_elses_folder_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "precious").touch()
        with (
            pytest.raises(
                BadInputError,
                match=r"is not the output of an earlier run \(no manifest.json in it\)",
            ),
            stage_result(tmp_path),
        ):
            pass
        assert names(tmp_path) == ["precious"]

    def test_an_empty_folder_is_taken(self, tmp_path: Path) -> None:
        target = tmp_path / "cat"
        target.mkdir()
        with stage_result(target) as folder:
            result(folder, "new")
        assert names(target) == [MARKER]

    def test_a_file_of_that_name_is_refused(self, tmp_path: Path) -> None:
        target = tmp_path / "cat"
        target.write_text("mine")
        with (
            pytest.raises(BadInputError, match="is not the output of an earlier run"),
            stage_result(target),
        ):
            pass

    def test_two_at_once_are_told_apart(self, tmp_path: Path) -> None:
        target = tmp_path / "cat"
        with (
            stage_result(target) as folder,
            pytest.raises(SdcoremlError, match="another conversion is writing this folder"),
        ):
            result(folder, "first")
            with stage_result(target):
                pass
        assert made_of(target) == "first"

    def test_a_lock_on_a_file_that_is_gone_keeps_nobody_out(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The previous holder deletes the lock file after this run opens and before it locks it."""
        target, lock = tmp_path / "cat", fcntl.flock
        removed: list[Path] = []

        def removed_before(stream: TextIO, operation: int) -> None:
            if not removed:
                removed.append(tmp_path / ".cat.sdcoreml-lock")
                removed[0].unlink()
            lock(stream, operation)

        monkeypatch.setattr(fcntl, "flock", removed_before)
        with (
            stage_result(target),
            pytest.raises(SdcoremlError, match="another conversion is writing this folder"),
            stage_result(target),
        ):
            pass

    def test_a_folder_lost_between_the_two_renames_comes_back(self, tmp_path: Path) -> None:
        target = tmp_path / "cat"
        old = tmp_path / ".cat.sdcoreml-old"
        old.mkdir()
        result(old, "good")
        with pytest.raises(RuntimeError), stage_result(target):
            raise RuntimeError
        assert made_of(target) == "good"
        assert not old.exists()

    def test_what_a_killed_run_left_is_removed(self, tmp_path: Path) -> None:
        script = textwrap.dedent("""
            import os, signal, sys
            from pathlib import Path
            from sdcoreml.convert.jobs.staging import stage_result
            with stage_result(Path(sys.argv[1])) as folder:
                (folder / "half").write_text("made")
                os.kill(os.getpid(), signal.SIGKILL)
        """)
        target = tmp_path / "cat"
        run = subprocess.run([sys.executable, "-c", script, str(target)], check=False)
        assert run.returncode == -signal.SIGKILL
        assert [path.name for path in tmp_path.glob(".cat.*.part/*")] == ["half"]
        with stage_result(target) as folder:
            assert names(folder) == []
            result(folder, "new")
        assert names(tmp_path) == ["cat"]

    def test_a_manifest_that_nobody_can_read_is_not_replaced(self, tmp_path: Path) -> None:
        (tmp_path / MARKER).write_text("[]")
        with pytest.raises(BadInputError, match="move this folder away"), stage_result(tmp_path):
            pass
        assert (tmp_path / MARKER).read_text() == "[]"

    def test_a_run_killed_between_the_two_renames_keeps_a_persons_files(
        self, tmp_path: Path
    ) -> None:
        script = textwrap.dedent("""
            import os, signal, sys
            from pathlib import Path
            from sdcoreml.convert.jobs.staging import stage_result
            replace = Path.replace
            def killed(old, new):
                if old.name.endswith(".part") and new.name == "cat":
                    os.kill(os.getpid(), signal.SIGKILL)
                return replace(old, new)
            Path.replace = killed
            with stage_result(Path(sys.argv[1])) as folder:
                (folder / "manifest.json").write_text("{}")
        """)
        target = tmp_path / "cat"
        target.mkdir()
        result(target, "old")
        (target / "notes.txt").write_text("a person's")
        run = subprocess.run([sys.executable, "-c", script, str(target)], check=False)
        assert run.returncode == -signal.SIGKILL
        assert not target.exists()
        with stage_result(target) as folder:
            result(folder, "new")
        assert (made_of(target), (target / "notes.txt").read_text()) == ("new", "a person's")
        assert names(tmp_path) == ["cat"]

    def test_what_a_killed_run_put_aside_is_not_deleted_for_another_result(
        self, tmp_path: Path
    ) -> None:
        target, old = tmp_path / "cat", tmp_path / ".cat.sdcoreml-old"
        for folder in (target, old):
            folder.mkdir()
            result(folder, folder.name)
        (old / "notes.txt").write_text("a person's")
        with stage_result(target) as folder:
            result(folder, "new")
        assert (made_of(target), (target / "notes.txt").read_text()) == ("new", "a person's")
        assert names(tmp_path) == ["cat"]
        old.mkdir()
        result(old, "older")
        (old / "notes.txt").write_text("others")
        with (
            pytest.raises(
                BadInputError, match=r"a different file of this name in \.cat\.sdcoreml-old"
            ),
            stage_result(target),
        ):
            pass
        assert (old / "notes.txt").read_text() == "others"
        assert (target / "notes.txt").read_text() == "a person's"

    def test_what_comes_while_the_new_one_is_made_is_kept_too(self, tmp_path: Path) -> None:
        target = tmp_path / "cat"
        target.mkdir()
        result(target, "old")
        with stage_result(target) as folder:
            result(folder, "new")
            (target / "controlnet").symlink_to("nowhere")
        assert (target / "controlnet").readlink() == Path("nowhere")

    def test_what_is_in_the_way_of_a_new_file_is_refused(self, tmp_path: Path) -> None:
        target = tmp_path / "cat"
        target.mkdir()
        result(target, "old")
        (target / "notes").write_text("a person's")
        with (
            pytest.raises(BadInputError, match="notes: has the name of a file"),
            stage_result(target) as folder,
        ):
            result(folder, "new")
            (folder / "notes").touch()
        assert (made_of(target), (target / "notes").read_text()) == ("old", "a person's")
        assert names(tmp_path) == ["cat"]
