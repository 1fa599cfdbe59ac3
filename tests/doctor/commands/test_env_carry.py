"""`sdcoreml env export` and `import`, of a tiny environment, without a network."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.doctor.cli import main
from sdcoreml.envs.kept import store
from sdcoreml.ground.quantity import amount
from sdcoreml.lockfiles.target import host_target
from tests.envs.kept.test_store import finished
from tests.envs.wheels import PYTHON, standard_wheels, toolchain


@pytest.mark.slow
def test_an_environment_is_carried_to_a_machine_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    monkeypatch.setenv("TOOLCHAIN", toolchain(tmp_path / "tiny", standard_wheels(tmp_path / "w")))
    monkeypatch.chdir(tmp_path)
    wheels, python = ("--find-links", str(tmp_path / "w")), ("--python", str(PYTHON))
    assert main(["env", *python, *wheels]) == 0
    made = store.current("tiny", tmp_path / "envs")
    assert made is not None
    capsys.readouterr()
    assert main(["env", "export", "carried", *wheels]) == 0
    out, err = capsys.readouterr()
    size = amount((tmp_path / "carried").stat().st_size)
    assert out == f"carried: tiny for {host_target()}, {size}\nseal {made.seal}\n"
    steps = [line for line in err.splitlines() if line.startswith("- ")]
    assert steps[0].startswith("- download 2 locked wheels")
    assert steps[-1] == "- hash and pack"
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "other"))
    (tmp_path / "w").rename(tmp_path / "gone")
    assert main(["env", "import", "carried", *python]) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(rf"tiny: other/[0-9a-f]{{16}}, built from carried\nseal {made.seal}\n", out)
    assert "- compare every wheel in carried with its lock\n" in err
    (again,) = store.list_environments(tmp_path / "other")
    assert again.seal == made.seal


def test_a_conda_environment_is_not_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path))
    made = finished(tmp_path / ("a" * 16))
    store.write(replace(made, conda="5f"))
    (tmp_path / "tested").symlink_to(made.path.name)
    assert main(["env", "export", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err == (
        f"error: {made.path}: a conda environment cannot be exported; export the toolchain's venv"
        " (--backend venv), or use the explicit lock that `sdcoreml env conda-files` writes\n"
    )
    assert not (tmp_path / "file").exists()
