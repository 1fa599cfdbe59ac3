"""What is restored in an environment belongs to its owner."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.envs.care.tending import clear, restore_lock, take_over, tend
from sdcoreml.envs.kept import manifest
from sdcoreml.envs.kept.manifest import SEALED, ManifestEntry
from sdcoreml.envs.kept.store import Environment
from sdcoreml.lockfiles.conda import write_conda_lock
from sdcoreml.lockfiles.lock import load_lock, write_lock
from sdcoreml.lockfiles.toolchain import Toolchain, load_toolchain
from tests.envs.kept.sealed import SITE, sealed
from tests.lockfiles.test_conda import LOCK as CONDA
from tests.lockfiles.test_conda import toolchain


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_is_the_folder_s_and_the_group_stays(tmp_path: Path) -> None:
    (tmp_path / SEALED).mkdir()
    record = tmp_path / SEALED / "record.json"
    record.write_text("{}")
    os.chown(record, 12_345, 54_321)
    take_over(tmp_path)
    status = record.stat()
    assert (status.st_uid, status.st_gid) == (tmp_path.stat().st_uid, 54_321)


def test_whatever_is_in_the_way_is_cleared(tmp_path: Path) -> None:
    folder, file, link = (tmp_path / name for name in ("folder", "file", "link"))
    (folder / "inner").mkdir(parents=True)
    file.touch()
    link.symlink_to(folder)
    for path in (link, file, tmp_path / "absent"):
        clear(path)
    assert [*tmp_path.iterdir()] == [folder]
    clear(folder)
    assert [*tmp_path.iterdir()] == []


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return sealed(tmp_path)


def entry_of(environment: Environment, path: str) -> ManifestEntry:
    return next(entry for entry in manifest.read(environment.path) if entry.path == path)


def retype(path: Path) -> None:
    """Make a file a link to one with the same bytes."""
    path.rename(path.with_name("other"))
    path.symlink_to("other")


def lead_elsewhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("/x")


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


TENDED: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a mode": (f"{SITE}/one.py", lambda path: path.chmod(0o777)),
    "a program": ("bin/one", lambda path: path.chmod(0o600)),
    "a folder that is gone": (SITE, shutil.rmtree),
    "a folder's mode": (SITE, lambda path: path.chmod(0o700)),
    "a link elsewhere": ("bin/python3", lead_elsewhere),
    "a link that is gone": ("bin/python", Path.unlink),
    "a link that is a folder": ("bin/python", make_folder),
}


@pytest.mark.parametrize("name", TENDED)
def test_what_needs_no_bytes_is_restored(environment: Environment, name: str) -> None:
    path, damage = TENDED[name]
    entry = entry_of(environment, path)
    damage(environment.path / path)
    assert tend(environment.path, entry)
    status = (environment.path / path).lstat()
    now = manifest.describe(environment.path, (path, manifest.kind_of(status), status), entry.owner)
    assert replace(now, mtime=entry.mtime) == entry


LOST: dict[str, Callable[[Path], object]] = {
    "other bytes": lambda path: path.write_text("x"),
    "no file": Path.unlink,
    "a folder": make_folder,
    "a link": retype,
}


@pytest.mark.parametrize("name", LOST)
def test_bytes_that_are_lost_are_not(environment: Environment, name: str) -> None:
    entry = entry_of(environment, f"{SITE}/one.py")
    LOST[name](environment.path / entry.path)
    assert not tend(environment.path, entry)


def test_a_folder_takes_the_place_of_a_file_and_a_link(environment: Environment) -> None:
    entry = entry_of(environment, "lib")
    (environment.path / "lib").rename(environment.path / "other")
    (environment.path / "lib").symlink_to("other")
    assert tend(environment.path, entry)
    assert not (environment.path / "lib").is_symlink()
    (environment.path / "lib").rmdir()
    (environment.path / "lib").touch()
    assert tend(environment.path, entry)
    assert [*(environment.path / "lib").iterdir()] == []


def test_modes_of_the_record_and_the_folder(environment: Environment) -> None:
    for name in ("", "sealed", "sealed/files.tsv", "sealed/python.tsv", "sealed/record.json"):
        (environment.path / name).chmod(0o700)
    take_over(environment.path)
    modes = {
        name: (environment.path / name).stat().st_mode & 0o7777
        for name in ("", "sealed", "sealed/files.tsv", "sealed/python.tsv", "sealed/record.json")
    }
    assert modes == {
        "": 0o755,
        "sealed": 0o755,
        "sealed/files.tsv": 0o644,
        "sealed/python.tsv": 0o644,
        "sealed/record.json": 0o644,
    }
    (environment.path / "sealed/python.tsv").unlink()
    (environment.path / "sealed/python.tsv").symlink_to(environment.path / "bin/one")
    take_over(environment.path)
    assert (environment.path / "bin/one").stat().st_mode & 0o777 == 0o755


LOCK = f"one==1.0 --hash=sha256:{'a' * 64}\n"


@pytest.fixture
def locked(tmp_path: Path) -> Toolchain:
    """A toolchain with a lock, and one for conda."""
    made = load_toolchain(toolchain(tmp_path / "toolchain"))
    (made.folder / "requirements.linux-x86_64.txt").write_text(LOCK)
    (made.folder / "conda.linux-x86_64.toml").write_text(write_conda_lock(CONDA))
    return made


def test_a_lock_that_the_toolchain_still_has_is_written_again(
    environment: Environment, locked: Toolchain
) -> None:
    entry = entry_of(environment, "sealed/requirements.txt")
    lock = write_lock(load_lock(f"{locked.folder}/", "linux-x86_64").packages)
    conda = write_conda_lock(CONDA)
    for name, text in {"requirements.txt": lock, "conda.toml": conda}.items():
        path = environment.path / "sealed" / name
        digest = hashlib.sha256(text.encode()).hexdigest()
        sealed_entry = replace(entry, path=f"sealed/{name}", digest=digest, mode=0o640)
        path.unlink(missing_ok=True)
        path.mkdir()
        assert not restore_lock(environment, None, sealed_entry)
        assert not restore_lock(environment, locked, replace(sealed_entry, digest="0" * 64))
        assert path.is_dir()
        assert restore_lock(environment, locked, sealed_entry)
        assert (path.read_text(), path.stat().st_mode & 0o777) == (text, 0o640)
    assert not restore_lock(environment, locked, replace(entry, path="bin/one"))
