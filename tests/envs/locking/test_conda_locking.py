from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from sdcoreml.envs.conda.engine import Archive
from sdcoreml.envs.locking.conda_locking import (
    check_conda,
    find_stale_conda,
    solve_python,
    write_conda_files,
    write_conda_locks,
)
from sdcoreml.ground.errors import LockfileError
from sdcoreml.ground.events import Event
from sdcoreml.lockfiles.conda import CondaLock, CondaPackage, read_conda_lock
from sdcoreml.lockfiles.target import LockTarget
from sdcoreml.lockfiles.toolchain import Toolchain, load_toolchain
from tests.lockfiles.test_conda import LOCK, PYTHON, TZDATA, toolchain

OTHER = replace(
    PYTHON,
    build="h9_1_cpython",
    path="linux-64/python-3.10.10-h9_1_cpython.conda",
    sha256="f" * 64,
)
XZ = replace(TZDATA, name="xz", path="linux-64/xz-5.6-0.conda")
MOVED = (
    "linux-x86_64: conda's python resolves to python-3.10.10-h9_1_cpython.conda,"
    " locked is python-3.10.10-h0a1b_0_cpython.conda"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """An engine that solves from a table of packages, and records what it was asked."""

    packages: Mapping[str, tuple[CondaPackage, ...]]
    asked: list[tuple[str, tuple[str, ...], str, str]] = field(default_factory=list)

    def solve(
        self, channel: str, specs: Sequence[str], target: LockTarget, newest: str
    ) -> tuple[CondaPackage, ...]:
        self.asked.append((channel, tuple(specs), target.conda_subdir, newest))
        return self.packages[target.name]

    def download(self, files: Sequence[tuple[str, Path]], progress: Callable[[int], None]) -> None:
        raise AssertionError((files, progress))

    def link(
        self, archives: Iterable[Archive], folder: Path, final: Path, target: LockTarget
    ) -> None:
        raise AssertionError((archives, folder, final, target))


@pytest.fixture
def loaded(tmp_path: Path) -> Toolchain:
    return load_toolchain(toolchain(tmp_path))


def test_each_target_is_asked_for_the_exact_python() -> None:
    tested = load_toolchain("tested")
    engine = Channels(packages=dict.fromkeys(tested.targets, (PYTHON, TZDATA)))
    said: list[Event] = []
    locks = solve_python(tested, engine, "mine", newest="2026-11-01", emit=said.append)
    spec = ("python ==3.10.10",)
    assert engine.asked == [
        ("mine", spec, "osx-arm64", "2026-11-01"),
        ("mine", spec, "osx-64", "2026-11-01"),
        ("mine", spec, "linux-64", "2026-11-01"),
    ]
    assert [lock.target for lock in locks] == list(tested.targets)
    assert said[0].text == "ask mine for Python 3.10.10 on macos-arm64"
    assert said[1].text == "2 packages, 26 MB to download"


def test_a_toolchain_cut_out_of_another_asks_nothing() -> None:
    assert solve_python(load_toolchain("light"), Channels(packages={}), "mine") == ()


def test_locks_and_conda_s_files_are_written_once(loaded: Toolchain) -> None:
    engine = Channels(packages={"linux-x86_64": (PYTHON, TZDATA)})
    locks = solve_python(loaded, engine, "mine")
    (path,) = write_conda_locks(loaded, locks)
    assert path == loaded.folder / "conda.linux-x86_64.toml"
    read = read_conda_lock(path, "linux-x86_64")
    assert read.digest == LOCK.digest
    assert {one.known for one in read.packages} == {"the index of mine"}
    assert read.from_channel
    assert {path.name for path in write_conda_files(loaded)} == {
        "environment.linux-x86_64.yml",
        "conda-linux-64.lock",
    }
    assert write_conda_locks(loaded, locks) == ()
    assert write_conda_files(loaded) == ()
    check_conda(loaded)


@pytest.mark.parametrize(
    ("packages", "lines"),
    [
        ((PYTHON, TZDATA), ()),
        ((PYTHON,), ("linux-x86_64: conda's tzdata is no longer needed",)),
        (
            (PYTHON, TZDATA, XZ),
            ("linux-x86_64: conda's xz-5.6-0.conda is not locked",),
        ),
        (
            (OTHER, TZDATA),
            (MOVED,),
        ),
    ],
)
def test_what_a_channel_says_otherwise_is_stale(
    loaded: Toolchain, packages: tuple[CondaPackage, ...], lines: tuple[str, ...]
) -> None:
    write_conda_locks(loaded, (LOCK,))
    fresh = CondaLock(target="linux-x86_64", python="3.10.10", packages=packages)
    assert find_stale_conda(loaded, (fresh,)) == lines


def test_what_was_edited_by_hand_is_named(loaded: Toolchain) -> None:
    with pytest.raises(LockfileError, match=r"environment\.linux-x86_64\.yml: is not what the"):
        check_conda(loaded)
    write_conda_files(loaded)
    check_conda(loaded)
    (loaded.folder / "environment.linux-x86_64.yml").write_bytes(b"\xc1")
    with pytest.raises(LockfileError, match=r"linux-x86_64\.yml: is not what the toolchain says"):
        check_conda(loaded)
    write_conda_files(loaded)
    write_conda_locks(loaded, (LOCK,))
    with pytest.raises(LockfileError, match=r"conda-linux-64\.lock: is not what the toolchain"):
        check_conda(loaded)
    path = loaded.folder / "conda.linux-x86_64.toml"
    path.write_text(path.read_text().replace("sha256", "sha255"))
    with pytest.raises(LockfileError, match="python has no SHA-256"):
        check_conda(loaded)
