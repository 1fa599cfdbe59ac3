from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from sdcoreml.envs.locking.compile import LockRequest, check_folder
from sdcoreml.envs.locking.create import Created, create
from sdcoreml.envs.locking.opinion import Resolver
from sdcoreml.ground.errors import (
    BadInputError,
    InstallError,
    NoOpinionError,
    SdcoremlError,
    UnreachableError,
    UsageError,
)
from sdcoreml.ground.events import Event
from sdcoreml.lockfiles.conda import CondaLock, CondaPackage, write_conda_lock
from sdcoreml.lockfiles.own import LEFT_OUT, Amendment, amend
from sdcoreml.lockfiles.target import host_target
from sdcoreml.lockfiles.toolchain import PythonPin, Toolchain, load_toolchain
from tests.envs.wheels import toolchain, wheel

OTHER = "macos-arm64" if host_target() != "macos-arm64" else "linux-x86_64"


@dataclass(frozen=True)
class Second:
    """A resolver that finds these versions."""

    versions: Mapping[str, str]

    def describe(self) -> str:
        return "another resolver"

    def resolve(self, pins: str, seed: str, request: LockRequest) -> Mapping[str, str]:
        assert "one==2.0" in pins
        assert "two==1.0" in seed
        assert request.wheels
        return self.versions


AGREES = Second({"one": "2.0", "two": "1.0"})


def silent_one(_: Toolchain) -> Resolver:
    raise NoOpinionError("there is none")


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel(folder, "one", "1.0", {"one.py": ""})
    wheel(folder, "one", "2.0", {"one.py": ""}, requires=("two<2",))
    wheel(folder, "two", "1.0", {"two.py": ""})
    wheel(folder, "two", "2.1", {"two.py": ""})
    return folder


@pytest.fixture
def parent(tmp_path: Path) -> Toolchain:
    zeros = "0" * 64
    named = toolchain(tmp_path / "old", {"one==1.0": zeros, "two==2.1": zeros}, version="3.10.10")
    return load_toolchain(named)


def make(
    parent: Toolchain,
    wheels: Path,
    ask: Callable[[Toolchain], Resolver] = lambda _: AGREES,
    *,
    emit: Callable[[Event], None] = lambda _: None,
    **change: object,
) -> Created:
    wanted = {"pins": {"one": "2.0"}, "dropped": ("two",), **change}
    place = parent.folder.parent / "toolchains" / "mine"
    mine = amend(parent, "mine", place, Amendment(**wanted))  # type: ignore[arg-type]
    return create(mine, parent, ask, request=LockRequest(wheels=wheels), emit=emit)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_toolchain_is_made_and_each_change_explained(parent: Toolchain, wheels: Path) -> None:
    events: list[Event] = []
    made = make(parent, wheels, emit=events.append)
    assert [(event.kind, event.text) for event in events] == [
        ("step", f"resolve mine for {host_target()}"),
        ("note", "2 packages, 0 bytes to download"),
        ("step", "explain what differs from tiny"),
        ("step", f"ask another resolver about mine for {host_target()}"),
    ]
    assert list(map(str, made.changes)) == [
        "one 1.0 -> 2.0: set",
        "two 2.1 -> 1.0: one>=2.0 needs two<2",
    ]
    assert made.opinion is not None
    assert (made.opinion.by, made.opinion.packages) == ("another resolver", 2)
    folder = made.toolchain.folder
    assert names(folder) == [
        f"environment.{host_target()}.yml",
        f"pylock.{host_target()}.toml",
        "requirements.in",
        f"requirements.{host_target()}.txt",
        "toolchain.toml",
    ]
    assert "#   two 2.1 -> 1.0: one>=2.0 needs two<2\n" in (folder / "toolchain.toml").read_text()
    again = load_toolchain(f"{folder}/")
    assert (again.name, again.parent, dict(again.pins)) == ("mine", "tiny", {"one": "2.0"})
    assert list(check_folder(again)) == [host_target()]
    assert (
        f"--file toolchains/mine/environment.{host_target()}.yml"
        in (folder / f"environment.{host_target()}.yml").read_text()
    )


def test_the_same_python_has_the_same_conda_packages(parent: Toolchain, wheels: Path) -> None:
    python = CondaPackage(
        name="python",
        version="3.10.10",
        build="h0",
        build_number=0,
        noarch="",
        path="linux-64/python-3.10.10-h0.conda",
        sha256="0" * 64,
        size=1,
        depends=(),
        known="a test",
    )
    lock = CondaLock(target=host_target(), python="3.10.10", packages=(python,))
    file = f"conda.{host_target()}.toml"
    (parent.folder / file).write_text(write_conda_lock(lock))
    made = make(parent, wheels)
    assert (made.toolchain.folder / file).read_text() == write_conda_lock(lock)
    other = PythonPin(version="3.11.2", accepted=">=3.11,<3.12")
    place = parent.folder.parent / "toolchains/other"
    change = Amendment(pins={"one": "2.0"}, dropped=("two",), python=other)
    again = create(
        amend(parent, "other", place, change),
        parent,
        silent_one,
        request=LockRequest(wheels=wheels),
    )
    assert not (again.toolchain.folder / file).exists()


def test_of_a_target_that_is_left_out_the_reason_is_kept(parent: Toolchain, wheels: Path) -> None:
    events: list[Event] = []
    made = make(parent, wheels, targets=(OTHER,), emit=events.append)
    asked = Event(kind="step", text=f"ask what {host_target()} lacks, which was left out")
    assert asked in events
    assert made.toolchain.targets == (OTHER,)
    assert dict(made.toolchain.refused) == {host_target(): LEFT_OUT}
    assert "where mine is not" in made.silence


def test_of_a_target_without_wheels_the_package_is_named(parent: Toolchain, wheels: Path) -> None:
    tag = "macosx_11_0_arm64" if OTHER == "macos-arm64" else "manylinux_2_17_x86_64"
    (wheels / "one-2.0-py3-none-any.whl").rename(wheels / f"one-2.0-cp310-cp310-{tag}.whl")
    with pytest.raises(InstallError, match=f"one 2.0 has no wheel for {host_target()}"):
        make(parent, wheels)
    assert not (parent.folder.parent / "toolchains").exists()
    made = make(parent, wheels, targets=(OTHER,))
    assert dict(made.toolchain.refused) == {
        host_target(): f"one 2.0 has no wheel for {host_target()}"
    }


def test_an_index_that_is_out_of_reach_meanwhile_is_no_reason(
    parent: Toolchain, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(event: Event) -> None:
        if event.text.startswith("ask what"):
            uv = tmp_path / "uv"
            uv.write_text("#!/bin/sh\necho 'error sending request' >&2\nexit 2\n")
            uv.chmod(0o755)
            monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    with pytest.raises(UnreachableError):
        make(parent, wheels, targets=(OTHER,), emit=interrupt)
    assert not (parent.folder.parent / "toolchains").exists()


def test_without_a_second_resolver_it_is_made_all_the_same(parent: Toolchain, wheels: Path) -> None:
    made = make(parent, wheels, silent_one)
    assert (made.opinion, made.silence) == (None, "there is none")
    assert (made.toolchain.folder / "toolchain.toml").is_file()


def test_another_opinion_leaves_nothing(parent: Toolchain, wheels: Path) -> None:
    with pytest.raises(InstallError, match="another resolver resolves it otherwise: two resolves"):
        make(parent, wheels, lambda _: Second({"one": "2.0", "two": "1.1"}))
    assert not (parent.folder.parent / "toolchains").exists()


def test_a_conflict_leaves_nothing_and_names_no_hidden_folder(
    parent: Toolchain, wheels: Path
) -> None:
    with pytest.raises(InstallError) as caught:
        make(parent, wheels, dropped=())
    assert "one>=2.0 needs two<2, and two 2.1 is pinned" in str(caught.value)
    assert ".sdcoreml" not in str(caught.value)
    assert not (parent.folder.parent / "toolchains").exists()


def test_a_fault_is_of_the_place_where_it_would_have_been(parent: Toolchain, wheels: Path) -> None:
    def refuse(made: Toolchain) -> Resolver:
        raise InstallError(f"{made.folder}/a is wrong", where=made.folder / "b")

    with pytest.raises(InstallError) as caught:
        make(parent, wheels, refuse)
    final = parent.folder.parent / "toolchains" / "mine"
    assert str(caught.value) == f"{final}/b: {final}/a is wrong"


def test_what_exists_stays(parent: Toolchain, wheels: Path) -> None:
    first = make(parent, wheels)
    text = (first.toolchain.folder / "toolchain.toml").read_text()
    with pytest.raises(BadInputError, match=r"\bexists already") as caught:
        make(parent, wheels)
    assert f"`sdcoreml env lock --toolchain {first.toolchain.folder}/`" in caught.value.remedy
    assert (first.toolchain.folder / "toolchain.toml").read_text() == text


def test_of_two_at_once_the_first_one_stays(parent: Toolchain, wheels: Path) -> None:
    made: list[Created] = []

    def interrupt(event: Event) -> None:
        if event.text.startswith("ask another") and not made:
            made.append(make(parent, wheels))

    with pytest.raises(BadInputError, match=r"\bexists already"):
        make(parent, wheels, emit=interrupt)
    assert names(made[0].toolchain.folder.parent) == ["mine"]


def test_a_full_disk_leaves_nothing(
    parent: Toolchain, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sdcoreml.envs.locking.create.flush_tree", fill)
    with pytest.raises(SdcoremlError, match="the disk filled up"):
        make(parent, wheels)
    assert not (parent.folder.parent / "toolchains").exists()


@pytest.mark.parametrize(
    "name", ["tested", "coreml_stable_diffusion", "host", "../x", "A", "x" * 41, ""]
)
def test_a_name_that_is_taken_or_none_is_refused(parent: Toolchain, name: str) -> None:
    with pytest.raises(UsageError):
        amend(parent, name, parent.folder, Amendment())
