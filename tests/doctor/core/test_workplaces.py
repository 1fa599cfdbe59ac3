from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.doctor.core.workplaces import sweep_workplaces, workplaces


def test_a_start_removes_what_killed_runs_left_where_it_works_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    names = ("models", "build", "envs", "tmp", "home/MochiDiffusion/models", "elsewhere")
    left = [tmp_path / name for name in names]
    for folder in left:
        (folder / ".x.sdcoreml-abcdefgh.part").mkdir(parents=True)
    (tmp_path / "models" / ".x.old").mkdir()
    said: list[str] = []
    sweep_workplaces(said.append)
    assert sorted(said) == sorted(
        f"removed what an interrupted run left: {folder}/.x.sdcoreml-abcdefgh.part"
        for folder in left[:5]
    )
    assert [path.name for path in tmp_path.glob("*/.*")] in (
        [".x.old", ".x.sdcoreml-abcdefgh.part"],
        [".x.sdcoreml-abcdefgh.part", ".x.old"],
    )


def test_without_a_home_the_others_are_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDCOREML_ENVS", "~no-such-user/x")
    assert Path.cwd() in workplaces()
