"""The Python beneath an environment is restored only if we installed it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.envs.building.scratch import InstallPlan
from sdcoreml.envs.care.beneath import _channel, _restore, explain_changed, repair_beneath
from sdcoreml.envs.kept import manifest
from sdcoreml.envs.kept.beneath import PYTHON
from sdcoreml.envs.kept.damage import Damage
from sdcoreml.envs.kept.manifest import BENEATH, ManifestEntry
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.ground.errors import BrokenError
from sdcoreml.ground.events import Event
from sdcoreml.lockfiles.conda import write_conda_lock
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.envs.kept.sealed import sealed
from tests.lockfiles.test_conda import LOCK, toolchain

FAULTS = [
    Damage(path="/usr/lib/python3.10/os.py", what="altered", owner=PYTHON),
    Damage(path="/usr/lib/python3.10/re.py", what="missing", owner=PYTHON),
]
PLAN = InstallPlan(installer="", source=PackageSource(), bypass_cache=False, lock_fd=0)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return sealed(tmp_path)


@pytest.mark.parametrize(
    ("faults", "many"), [(FAULTS[:1], "1 file differs"), (FAULTS, "2 files differ")]
)
def test_who_installed_it_has_to_restore_it(
    environment: Environment, faults: list[Damage], many: str
) -> None:
    assert str(explain_changed(environment, faults)) == (
        f"{environment.interpreter.path}: the Python beneath the environment is not as it was when"
        f" that was sealed: {many}, first /usr/lib/python3.10/os.py: altered; an upgrade does that,"
        " and so does who alters it; reinstall 3.10.10 where it came from (--python), or"
        " `sdcoreml env build --fresh --toolchain tested` builds on what is there now"
    )


def test_one_of_somebody_else_or_without_a_lock_is_not_touched(
    environment: Environment, tmp_path: Path
) -> None:
    events: list[Event] = []
    locked = load_toolchain(toolchain(tmp_path / "toolchain"))
    ours = environment.path.parent / f"python-{LOCK.python}-0123456789abcdef"
    (ours / "bin").mkdir(parents=True)
    other = replace(
        environment, interpreter=replace(environment.interpreter, path=ours / "bin/python3.10")
    )
    for made, toolchain_ in ((environment, locked), (other, None), (other, locked)):
        with pytest.raises(BrokenError, match="is not as it was when that was sealed: 2 files"):
            repair_beneath(made, toolchain_, FAULTS, PLAN, events.append)
    (locked.folder / "conda.linux-x86_64.toml").write_text(write_conda_lock(LOCK))
    with pytest.raises(BrokenError, match="2 files differ"):  # it is of another lock's packages
        repair_beneath(other, locked, FAULTS, PLAN, events.append)
    assert events == []


def test_where_packages_come_from(tmp_path: Path) -> None:
    locked = load_toolchain(toolchain(tmp_path / "toolchain"))
    mirror = replace(PLAN, source=PackageSource(channel="https://mirror.invalid/conda"))
    assert _channel(PLAN, None) == ""
    assert _channel(PLAN, locked) == locked.conda.channel
    assert _channel(mirror, locked) == "https://mirror.invalid/conda"


def below(environment: Environment, name: str) -> ManifestEntry:
    """Return the entry of a file or folder of the environment's Python."""
    path = str(environment.interpreter.path.parents[1] / name)
    return next(one for one in manifest.read(environment.path, BENEATH) if one.path == path)


def test_a_file_is_taken_from_its_package(environment: Environment, tmp_path: Path) -> None:
    home, aside = environment.interpreter.path.parents[1], tmp_path / "aside"
    entry = below(environment, "lib/python3.10/os.py")
    source = aside / "lib/python3.10/os.py"
    source.parent.mkdir(parents=True)
    source.write_text(Path(entry.path).read_text())
    source.chmod(0o600)
    Path(entry.path).unlink()
    Path(entry.path).mkdir()
    assert _restore(home, aside, entry.path, entry) == entry.path
    status = Path(entry.path).stat()
    assert (status.st_mode & 0o7777, status.st_mtime_ns) == (entry.mode, entry.mtime)
    assert not source.exists()
    source.write_text("other")
    with pytest.raises(BrokenError) as caught:
        _restore(home, aside, entry.path, entry)
    assert str(caught.value) == (
        f"{entry.path}: its package no longer has the sealed bytes;"
        " `sdcoreml env build --fresh` builds anew"
    )
    assert Path(entry.path).is_file()


def test_a_folder_is_made_and_gets_its_mode(environment: Environment, tmp_path: Path) -> None:
    home = environment.interpreter.path.parents[1]
    entry = below(environment, "lib/python3.10/lib-dynload")
    folder = Path(entry.path)
    folder.chmod(0o700)
    assert _restore(home, tmp_path, entry.path, entry) == entry.path
    assert (folder / "_json.so").exists()
    assert folder.stat().st_mode & 0o7777 == entry.mode
    (folder / "_json.so").unlink()
    folder.rmdir()
    folder.touch()
    assert _restore(home, tmp_path, entry.path, entry) == entry.path
    assert folder.is_dir()


def test_what_is_not_listed_and_bytecode_are_removed(
    environment: Environment, tmp_path: Path
) -> None:
    home = environment.interpreter.path.parents[1]
    stray = home / "lib/python3.10/site.py"
    stray.touch()
    assert _restore(home, tmp_path, str(stray), None) == str(stray)
    assert not stray.exists()
    archive = below(environment, "lib/python310.zip")
    Path(archive.path).touch()
    assert _restore(home, tmp_path, archive.path, archive) == archive.path
    assert not os.path.lexists(archive.path)
    entry = below(environment, "lib/python3.10/os.py")
    cached = home / "lib/python3.10/__pycache__/os.cpython-310.pyc"
    cached.touch()
    assert _restore(home, tmp_path, str(cached), replace(entry, path=str(cached))) == str(cached)
    assert not cached.exists()
