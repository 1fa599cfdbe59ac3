"""The Python beneath an environment is restored only if we installed it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest

from sdcoreml.envs.building.scratch import InstallPlan
from sdcoreml.envs.care.beneath import _channel, _restore, explain_changed, repair_beneath
from sdcoreml.envs.conda.engine import Engine
from sdcoreml.envs.kept import manifest
from sdcoreml.envs.kept.beneath import PYTHON
from sdcoreml.envs.kept.damage import Damage
from sdcoreml.envs.kept.manifest import BENEATH, ManifestEntry
from sdcoreml.envs.kept.sealing import seal
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.ground.errors import BrokenError
from sdcoreml.ground.events import Emit, Event, silent
from sdcoreml.lockfiles.conda import CondaLock, load_conda_lock, write_conda_lock
from sdcoreml.lockfiles.toolchain import Toolchain, load_toolchain
from tests.envs.kept.sealed import python_below, sealed
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


@dataclass(kw_only=True)
class StandIn:
    """A base whose packages hold a Python like the sealed one; `made` are all that were made."""

    made: ClassVar[list[StandIn]] = []

    lock: CondaLock
    channel: str
    root: Path
    engine: Callable[[], Engine]
    emit: Emit
    asked: tuple[Path, Path] | None = None

    def create(self, folder: Path, final: Path) -> None:
        self.made.append(self)
        self.asked = folder, final
        python_below(folder)


@pytest.fixture
def ours(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Environment, Toolchain]:
    """An environment of a Python that we installed, and the toolchain with its lock."""
    locked = load_toolchain(toolchain(tmp_path / "toolchain"))
    (locked.folder / "conda.linux-x86_64.toml").write_text(write_conda_lock(LOCK))
    lock = load_conda_lock(locked, environment.target)
    root = environment.path.parent
    python = python_below(root / f"python-{lock.python}-{lock.digest[:16]}")
    made = replace(environment, interpreter=python)
    monkeypatch.setattr("sdcoreml.envs.care.beneath.CondaBase", StandIn)
    monkeypatch.setattr(StandIn, "made", [])
    return seal(made, manifest.read(made.path), root), locked


def test_what_is_lost_of_our_own_comes_from_its_packages_folders_first(
    ours: tuple[Environment, Toolchain],
) -> None:
    environment, locked = ours
    home, events = environment.interpreter.path.parents[1], list[Event]()
    lost = [home / "lib/python3.10/lib-dynload/_json.so", home / "lib/python3.10/lib-dynload"]
    lost[0].unlink()
    lost[1].rmdir()
    faults = [Damage(path=str(path), what="missing", owner=PYTHON) for path in lost]
    assert repair_beneath(environment, locked, faults, PLAN, events.append) == (
        *map(str, reversed(lost)),
    )
    assert lost[0].read_text() == "\x7fELF"
    (base,) = StandIn.made
    root = environment.path.parent
    assert (base.lock, base.root) == (load_conda_lock(locked, environment.target), root)
    assert base.channel == locked.conda.channel
    assert base.emit == events.append
    aside = root / f".sdcoreml-{home.name}-{os.getpid()}"
    assert base.asked == (aside, home)
    assert not aside.exists()
    assert events == [Event(kind="step", text="restore Python 3.10.10 from its packages")]


def test_the_engine_is_looked_for_where_packages_come_from(
    ours: tuple[Environment, Toolchain], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def find(*given: object, **more: object) -> None:
        asked.append((given, more))

    monkeypatch.setattr("sdcoreml.envs.care.beneath.find_engine", find)
    environment, locked = ours
    plan = replace(PLAN, source=PackageSource(index="https://index.invalid"), lock_fd=7)
    repair_beneath(environment, locked, [], plan, silent)
    assert asked == []
    StandIn.made[0].engine()
    more = {"keep": (7,), "index": "https://index.invalid"}
    assert asked == [((environment.path.parent, silent), more)]


def test_a_python_of_ours_that_is_gone_is_put_back_whole(
    ours: tuple[Environment, Toolchain],
) -> None:
    environment, locked = ours
    home = environment.interpreter.path.parents[1]
    shutil.rmtree(home)
    assert repair_beneath(environment, locked, FAULTS, PLAN, silent) == (str(home),)
    assert environment.interpreter.path.exists()


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
