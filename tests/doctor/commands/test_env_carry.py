"""`sdcoreml env export` and `import`, of a tiny environment, without a network."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.doctor.cli import main
from sdcoreml.envs.care.packing import ArchiveRecord
from sdcoreml.envs.kept import store
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.ground.events import Emit
from sdcoreml.ground.quantity import amount
from sdcoreml.lockfiles.target import host_target
from sdcoreml.lockfiles.toolchain import Toolchain
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


def test_what_is_exported_and_from_where_is_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    made = finished(tmp_path / ("a" * 16))
    (tmp_path / "light").symlink_to(made.path.name)
    asked: list[object] = []

    def export(found: Environment, toolchain: Toolchain, path: Path, **more: Any) -> ArchiveRecord:
        asked.append((found, toolchain.name, path, more["source"]))
        path.write_bytes(bytes(2_000))
        return ArchiveRecord(
            toolchain="light",
            target="linux-x86_64",
            python="3.10",
            lock_digest="",
            seal="5ea1",
            contents={},
        )

    monkeypatch.setattr("sdcoreml.envs.care.archive.export_environment", export)
    words = ("--toolchain", "light", "--index", "https://i.invalid")
    assert main(["env", "export", "file", *words]) == 0
    (found,) = asked
    assert found == (
        store.read("light", made.path.parent / "light"),
        *("light", Path("file"), PackageSource(index="https://i.invalid")),
    )
    assert capsys.readouterr().out == "file: light for linux-x86_64, 2 kB\nseal 5ea1\n"


def test_the_python_to_build_with_is_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made, asked = finished(tmp_path / ("a" * 16)), list[object]()

    def build(path: Path, *, python: Path | None, emit: Emit) -> Environment:
        del emit
        asked.append((path, python))
        return made

    monkeypatch.setattr("sdcoreml.envs.care.archive.import_environment", build)
    assert main(["env", "import", "file", "--python", "/python"]) == 0
    assert main(["env", "import", "file"]) == 0
    assert asked == [(Path("file"), Path("/python")), (Path("file"), None)]
    said = f"{made.title}: {made.path.name}, built from file\nseal {made.seal}\n"
    assert capsys.readouterr().out == said * 2
