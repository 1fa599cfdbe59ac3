"""An environment for the moment, made by a stand-in for uv."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sdcoreml.envs.building.scratch import InstallPlan, scratch_environment
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.envs.pythons import venv
from sdcoreml.envs.pythons.interpreter import Choice
from sdcoreml.ground.errors import InstallError
from sdcoreml.lockfiles.lock import LockedPackage
from tests.envs.kept.sealed import python_below

ONE = LockedPackage(name="one", version="1.0", hashes=(f"sha256:{'a' * 64}",))


@dataclass
class StandIn:
    """A base of an empty environment."""

    folder: Path
    brings_sources: bool = False
    size: int = 0
    made: list[tuple[Path, Path]] = field(default_factory=list)

    def answering(self) -> Path:
        raise NotImplementedError

    def identity(self) -> tuple[str, ...]:
        raise NotImplementedError

    def choice(self, final: Path) -> Choice:
        raise NotImplementedError

    def create(self, folder: Path, final: Path) -> None:
        self.made.append((folder, final))
        interpreter = python_below(self.folder)
        compiled = self.folder.parent / "compiled"
        interpreter.path.write_text(f"#!/bin/sh\ncat >>{compiled}\n")
        venv.create(folder, interpreter)
        (venv.site_packages(folder) / "own.py").touch()

    def record_fields(self) -> dict[str, str]:
        raise NotImplementedError


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """A base; the uv beside this Python keeps what it is asked, and writes a script."""
    program = tmp_path / "host" / "uv"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/asked\n'
        'while [ "$1" != --python ]; do shift; done\n'
        'printf "#!$2\\nimport one\\n" >"$(dirname "$2")/one"\n'
        'touch "$(dirname "$2")/../.lock"\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program.with_name("python")))
    (tmp_path / "envs").mkdir()
    return StandIn(folder=tmp_path / "python")


def plan(*, bypass: bool = False, wheels: Path | None = None) -> InstallPlan:
    source = PackageSource(wheels=wheels)
    return InstallPlan(installer="", source=source, bypass_cache=bypass, lock_fd=0)


def test_packages_are_installed_as_if_for_good(base: StandIn, tmp_path: Path) -> None:
    final = tmp_path / "envs/abc"
    with scratch_environment(base, final, (ONE,), plan(wheels=tmp_path / "wheels")) as folder:
        assert folder.parent == tmp_path / "envs"
        assert folder.name.startswith(".sdcoreml-scratch-")
        assert base.made == [(folder, final)]
        lock = folder / "requirements.txt"
        assert lock.read_text() == f"one==1.0 \\\n    --hash=sha256:{'a' * 64}\n"
        asked = (tmp_path / "asked").read_text().splitlines()
        assert asked[asked.index("--python") + 1] == str(folder / "bin/python")
        assert asked[asked.index("--requirement") + 1] == str(lock)
        assert asked[asked.index("--find-links") + 1] == str(tmp_path / "wheels")
        assert "--cache-dir" not in asked
        assert (folder / "bin/one").read_text().startswith("#!/bin/sh\n'''exec'")
        assert not (folder / ".lock").exists()
    assert not folder.exists()
    assert (tmp_path / "compiled").read_text() == "lib/python3.10/site-packages/own.py"


def test_a_cache_that_may_be_wrong_is_not_used(base: StandIn, tmp_path: Path) -> None:
    with scratch_environment(base, tmp_path / "envs/abc", (ONE,), plan(bypass=True)) as folder:
        asked = (tmp_path / "asked").read_text().splitlines()
        assert asked[asked.index("--cache-dir") + 1] == str(folder / "cache")


def test_without_packages_nothing_is_installed(base: StandIn, tmp_path: Path) -> None:
    with scratch_environment(base, tmp_path / "envs/abc", (), plan()) as folder:
        assert (folder / "pyvenv.cfg").exists()
        assert not (folder / "requirements.txt").exists()
    assert not (tmp_path / "asked").exists()
    assert not (tmp_path / "compiled").exists()


def test_a_base_s_own_sources_are_compiled_all_the_same(base: StandIn, tmp_path: Path) -> None:
    base.brings_sources = True
    with scratch_environment(base, tmp_path / "envs/abc", (), plan()):
        assert (tmp_path / "compiled").exists()


@dataclass
class Recorder:
    """An installer that keeps what it is asked, and the words by which it was chosen."""

    asked: list[tuple[object, ...]] = field(default_factory=list)

    def find(self, name: str, cache: Path | None) -> Recorder:
        self.asked.append((name, cache))
        return self

    def install(
        self, python: Path, requirements: Path, source: PackageSource, keep: tuple[int, ...] = ()
    ) -> None:
        self.asked.append((python, requirements, source, keep))


def test_the_chosen_installer_keeps_the_lock_of_the_folder(
    base: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    monkeypatch.setattr("sdcoreml.envs.building.scratch.find_installer", recorder.find)
    source = PackageSource(index="https://index.invalid")
    asked = InstallPlan(installer="pip", source=source, bypass_cache=False, lock_fd=7)
    with scratch_environment(base, tmp_path / "envs/abc", (ONE,), asked) as folder:
        installed = (folder / "bin/python", folder / "requirements.txt", source, (7,))
        assert recorder.asked == [("pip", None), installed]


def test_one_that_somebody_has_taken_away_is_not_missed(base: StandIn, tmp_path: Path) -> None:
    with scratch_environment(base, tmp_path / "envs/abc", (), plan()) as folder:
        folder.rename(tmp_path / "kept")
    assert (tmp_path / "kept/pyvenv.cfg").exists()


def test_a_failure_leaves_nothing(base: StandIn, tmp_path: Path) -> None:
    (tmp_path / "host/uv").write_text("#!/bin/sh\nexit 1\n")
    with (
        pytest.raises(InstallError),
        scratch_environment(base, tmp_path / "envs/abc", (ONE,), plan()),
    ):
        pass
    assert list((tmp_path / "envs").iterdir()) == []
