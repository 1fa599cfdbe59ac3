from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.envs.building.build import BuildOptions, build
from sdcoreml.envs.care.relink import find_twin, relink
from sdcoreml.envs.care.repair import _restore, repair
from sdcoreml.envs.kept import manifest, store
from sdcoreml.envs.kept.manifest import EntryKind, ManifestEntry
from sdcoreml.envs.kept.sealing import seal
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.kept.verify import verify_fast, verify_full
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.envs.pythons.interpreter import probe
from sdcoreml.envs.pythons.venv import site_packages
from sdcoreml.ground.errors import BrokenError, InstallError
from sdcoreml.ground.events import Event
from sdcoreml.lockfiles.toolchain import load_toolchain
from tests.envs.damages import DAMAGES, flip
from tests.envs.wheels import PYTHON, VERSION, standard_wheels, toolchain

BEYOND_REPAIR = {"edited manifest"}


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Environment, Path]:
    folder = tmp_path_factory.mktemp("pristine")
    locked = standard_wheels(folder / "wheels")
    options = BuildOptions(
        python=PYTHON, source=PackageSource(wheels=folder / "wheels"), root=folder / "envs"
    )
    made = build(load_toolchain(toolchain(folder / "tiny", locked)), options=options)
    return made, folder / "wheels"


@pytest.fixture
def source(pristine: tuple[Environment, Path]) -> PackageSource:
    return PackageSource(wheels=pristine[1])


@pytest.fixture
def environment(pristine: tuple[Environment, Path], tmp_path: Path) -> Environment:
    copy = tmp_path / "envs" / "copy"
    shutil.copytree(pristine[0].path, copy, symlinks=True)
    return replace(pristine[0], path=copy)


@pytest.mark.parametrize("damage", sorted(DAMAGES.keys() - BEYOND_REPAIR))
def test_every_damage_is_put_right(
    environment: Environment, source: PackageSource, damage: str
) -> None:
    do, _ = DAMAGES[damage]
    do(environment.path, site_packages(environment.path))
    done = repair(environment, source=source)
    assert done.restored or done.removed
    mended = store.read("tiny", environment.path)
    assert mended is not None
    assert mended.seal == environment.seal
    assert verify_full(mended).faults == verify_fast(mended).faults == ()
    assert sorted(path.name for path in environment.path.parent.iterdir()) == [".lock", "copy"]


def test_the_sound_one_is_left_alone(environment: Environment) -> None:
    before = {path: path.stat() for path in environment.path.rglob("*") if path.is_file()}
    done = repair(environment, source=PackageSource(wheels=Path("/nowhere")))
    assert (done.restored, done.removed) == ((), ())
    assert all(path.stat().st_ino == status.st_ino for path, status in before.items())


def test_only_what_is_broken_is_replaced(environment: Environment, source: PackageSource) -> None:
    site = site_packages(environment.path)
    neighbour = (site / "two/native.so").stat().st_ino
    (site / "two/part.py").unlink()
    done = repair(environment, source=source)
    assert [path.rpartition("/")[2] for path in done.restored] == ["part.py"]
    assert (site / "two/native.so").stat().st_ino == neighbour


def test_what_the_build_itself_made_needs_no_package(environment: Environment) -> None:
    (environment.path / "pyvenv.cfg").unlink()
    (environment.path / "bin/activate").write_text("exit 1\n")
    done = repair(environment, source=PackageSource(wheels=Path("/nowhere")))
    assert done.restored == ("bin/activate", "pyvenv.cfg")
    assert verify_full(environment).faults == ()


def test_an_altered_cache_does_not_come_back(
    environment: Environment,
    source: PackageSource,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("UV_CACHE_DIR", str(cache))
    site = site_packages(environment.path)
    (site / "one.py").unlink()
    repair(environment, source=source)  # fills the cache
    cached = [path for path in cache.rglob("one.py") if path.is_file()]
    assert cached
    for path in cached:
        path.write_text("import os  # poisoned\n")
    (site / "one.py").unlink()
    repair(environment, source=source)
    assert verify_full(environment).faults == ()


def test_packages_out_of_reach_leave_the_rest_as_it_was(environment: Environment) -> None:
    (site_packages(environment.path) / "one.py").unlink()
    with pytest.raises(InstallError):
        repair(environment, source=PackageSource(wheels=Path("/nowhere/at/all")))
    assert len(verify_full(environment).faults) == 1


def test_a_package_that_became_another_is_refused(
    environment: Environment, source: PackageSource
) -> None:
    # A sealed file that its own wheel never had: written between install and seal, say.
    path = site_packages(environment.path) / "one.py"
    path.write_text("other = True\n")
    entries = [
        replace(entry, digest=hashlib.sha256(b"other = True\n").hexdigest(), size=13)
        if entry.path.endswith("one.py")
        else entry
        for entry in manifest.read(environment.path)
    ]
    forged = seal(environment, entries, environment.path.parent)
    flip(path)
    with pytest.raises(BrokenError, match=r"one\.py: its package no longer has the sealed bytes"):
        repair(forged, source=source)


def test_what_is_added_meanwhile_is_a_failure(
    environment: Environment, source: PackageSource
) -> None:
    site = site_packages(environment.path)
    (site / "one.py").unlink()

    def add(event: Event) -> None:
        if event.text.startswith("restore "):
            (site / "sitecustomize.py").write_text("print('hostile')\n")

    with pytest.raises(BrokenError, match=r"sitecustomize\.py: .*; `sdcoreml env build --fresh "):
        repair(environment, source=source, emit=add)


def test_an_edited_manifest_is_not_believed(
    environment: Environment, source: PackageSource
) -> None:
    do, _ = DAMAGES["edited manifest"]
    do(environment.path, site_packages(environment.path))
    with pytest.raises(BrokenError, match="is not as it was written; `sdcoreml env build --fresh"):
        repair(environment, source=source)


def own_python(folder: Path) -> Path:
    """Link to the running Python from an unusual folder; return the link."""
    folder.mkdir()
    path = folder / f"python{VERSION.rpartition('.')[0]}"
    path.symlink_to(PYTHON)
    return path


def resting_on(environment: Environment, python: Path) -> Environment:
    return relink(environment, replace(environment.interpreter, path=python))


def test_another_python_of_the_same_version_takes_the_place_of_one_that_is_gone(
    environment: Environment, source: PackageSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = own_python(tmp_path / "gone")
    victim = resting_on(environment, gone)
    assert verify_full(victim).faults == ()
    gone.unlink()
    assert any("bin/python: points at" in str(fault) for fault in verify_fast(victim).faults)
    monkeypatch.setenv("PATH", str(PYTHON.parent))
    (site_packages(environment.path) / "one.py").unlink()
    done = repair(victim, source=source)
    assert {path.rpartition("/")[2] for path in done.restored} == {"python", "pyvenv.cfg", "one.py"}
    mended = store.read("tiny", environment.path)
    assert mended is not None
    assert mended.interpreter.path == PYTHON
    assert mended.seal == victim.seal
    assert verify_full(mended).faults == ()
    command = [str(mended.python), "-c", "import one"]
    assert subprocess.run(command, check=False).returncode == 0


def test_without_another_of_that_version_it_is_beyond_repair(environment: Environment) -> None:
    gone = replace(environment.interpreter, path=Path("/gone/python"), version="3.10.99")
    with pytest.raises(BrokenError, match=r"/gone/python: .* has no other 3\.10\.99"):
        repair(replace(environment, interpreter=gone))


def test_only_the_same_version_for_the_same_machine_is_a_twin(tmp_path: Path) -> None:
    here = probe(PYTHON)
    assert here is not None
    assert find_twin(here, [here]) == here
    for other in (
        replace(here, version="3.9.1"),
        replace(here, target="plan9-mips"),
        replace(here, implementation="PyPy"),
        replace(here, path=tmp_path / "gone"),
    ):
        assert find_twin(here, [other]) is None


def lost(folder: Path, scratch: Path) -> ManifestEntry:
    """Make a file in the scratch environment; return its entry."""
    source = scratch / "lib/one.py"
    source.parent.mkdir(parents=True)
    source.write_text("X = 1\n")
    entry = next(one for one in manifest.take(scratch) if one.path == "lib/one.py")
    folder.mkdir()
    return replace(entry, mode=0o600, mtime=1_000_000_007)


def test_a_file_gets_the_sealed_mode_and_time(tmp_path: Path) -> None:
    folder, scratch = tmp_path / "made", tmp_path / "scratch"
    entry = lost(folder, scratch)
    (folder / "lib/one.py").mkdir(parents=True)
    assert _restore(folder, scratch, entry)
    status = (folder / "lib/one.py").stat()
    assert (status.st_mode & 0o7777, status.st_mtime_ns) == (0o600, 1_000_000_007)
    assert (folder / "lib/one.py").read_text() == "X = 1\n"
    assert not _restore(folder, scratch, entry)  # it is no longer there


def test_what_a_package_has_otherwise_now_is_not_put_back(tmp_path: Path) -> None:
    folder, scratch = tmp_path / "made", tmp_path / "scratch"
    entry = lost(folder, scratch)
    for other in (replace(entry, digest="0" * 64), replace(entry, kind=EntryKind.LINK)):
        assert not _restore(folder, scratch, other)
    (scratch / "lib/one.py").rename(scratch / "lib/two.py")
    (scratch / "lib/one.py").symlink_to("two.py")
    assert not _restore(folder, scratch, entry)
    (scratch / "lib/one.py").unlink()
    (scratch / "lib/one.py").mkdir()
    assert not _restore(folder, scratch, entry)
    assert not [*folder.iterdir()]
