"""Toolchains of one's own, made of tiny wheels, without a network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdcoreml.doctor.cli import main
from sdcoreml.doctor.commands import env_own
from sdcoreml.doctor.commands.env_own import describe, read_python, table
from sdcoreml.doctor.core.backend import default_toolchain
from sdcoreml.envs.locking.changes import PackageChange
from sdcoreml.envs.locking.compile import LockRequest
from sdcoreml.envs.locking.create import Created
from sdcoreml.envs.locking.opinion import Opinion, pip_tools
from sdcoreml.ground.errors import UsageError
from sdcoreml.lockfiles.own import Amendment
from sdcoreml.lockfiles.target import host_target
from sdcoreml.lockfiles.toolchain import PythonPin, Toolchain, load_toolchain
from tests.envs.wheels import VERSION, toolchain, wheel

ZEROS = "0" * 64


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a toolchain `old` and the wheels for another one."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("TOOLCHAIN", raising=False)
    monkeypatch.chdir(tmp_path)
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel(wheels, "one", "2.0", {"one.py": ""}, requires=("two",))
    wheel(wheels, "two", "1.0", {"two.py": ""})
    toolchain(tmp_path / "old", {"one==1.0": ZEROS}, version="3.19.0")
    file = tmp_path / "old/toolchain.toml"
    # No second resolver is run with a Python that is nowhere: that takes seconds.
    file.write_text(file.read_text().replace('">=3.10"', '"==3.19.0"'))
    return tmp_path


def new(*words: str) -> int:
    return main(["env", "new", *words, "--from", "./old", "--find-links", "wheels"])


def test_another_python_is_told_with_what_is_locked_otherwise(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toolchain(project / "new", {"one==1.0": ZEROS}, version="3.18.0", name="newer")
    assert main(["env", "diff", "./new", "./old"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "newer, against tiny:",
        "  Python  3.19.0 -> 3.18.0",
        "  the same versions",
    ]


def test_a_toolchain_is_made_beside_the_project_and_compared(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert new("mine", "--set", "One==2.0") == 0
    said = capsys.readouterr()
    assert said.err.startswith(f"- resolve mine for {host_target()}\n")
    lines = said.out.splitlines()
    assert lines[:4] == [
        "toolchains/mine: from tiny, Python 3.19.0",
        "  one  1.0 -> 2.0  set",
        "  two  1.0, new    one needs it",
        f"  locked for {host_target()}",
    ]
    assert lines[-1].startswith("  next: `sdcoreml env prove mine` builds it, and records")
    assert load_toolchain("mine").folder == project / "toolchains/mine"
    assert main(["env", "diff", "mine", "./old"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "mine, against tiny:",
        "  one  1.0 -> 2.0",
        "  two  1.0, new",
    ]
    assert main(["env", "diff", "mine"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: mine: was made from tiny, which is not beside it; name the other one:"
        " `sdcoreml env diff mine OTHER`"
    )
    assert main(["env", "diff", "mine", "mine"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["  the same versions"]


def test_a_conflict_is_one_sentence_and_nothing_is_there(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert new("mine", "--set", "one==3.0") == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"error: {host_target()}: there is no one 3.0; set a version that there is: --set"
        " one==VERSION"
    )
    assert not (project / "toolchains").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tested"], "tested: is sdcoreml's own name; choose another name"),
        (["../up"], "'../up': a toolchain's name has lower case letters"),
        (["a", "--set", "one"], "--set one: give a package and its exact version"),
        (["a", "--set", "one>=2"], "--set one>=2: give a package and its exact version"),
        (["a", "--set", "one[extra]==1"], "--set one[extra]==1: give a package and its exact"),
        (["a", "--set", "a b==2"], "--set a b==2: give a package and its exact version"),
        (["a", "--set", "x;y==3"], "--set x;y==3: give a package and its exact version"),
        (["a", "--except", "x;y=so"], "--except x;y=so: name a package and say why"),
        (["a", "--drop", "two"], "--drop: two is not pinned in tiny; there are one"),
        (["a", "--python", "new"], "--python new: give a version, such as 3.11"),
        (
            ["a", "--except", "one"],
            "--except one: name a package and say why, as in --except NAME='",
        ),
        (["a", "--exclude-newer", "soon"], "--exclude-newer soon: is no date"),
        (["a", "--target", "vax"], "--target: vax: nobody makes locks for it"),
    ],
)
@pytest.mark.usefixtures("project")
def test_wrong_usage_is_said_before_anything_is_asked(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert new(*words) == 2
    assert said in capsys.readouterr().err


def test_a_folder_s_toolchain_is_recorded_in_the_user_s_own_file(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(project / "settings"))
    (project / "toolchains").mkdir()
    toolchain(project / "toolchains/mine", {"one==1.0": ZEROS}, name="mine")
    assert default_toolchain() == "tested", "that it is there decides nothing"
    assert main(["env", "use"]) == 0
    assert main(["env", "use", "mine"]) == 0
    file = project / "settings/sdcoreml/config.toml"
    assert capsys.readouterr().out.splitlines() == [
        "tested: the default",
        f"mine is used in {project} and below; recorded in {file}",
    ]
    assert default_toolchain() == f"{project}/toolchains/mine"
    assert load_toolchain(default_toolchain()).name == "mine"
    monkeypatch.chdir(project / "wheels")
    assert main(["env", "use"]) == 0
    assert capsys.readouterr().out == (f"{project}/toolchains/mine: recorded for {project}\n")
    assert main(["env", "use", "light"]) == 0
    assert default_toolchain() == "light"
    monkeypatch.setenv("TOOLCHAIN", "current")
    assert default_toolchain() == "current"
    capsys.readouterr()
    assert main(["env", "use", "tested"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "warning: $TOOLCHAIN says current, and comes first"
    )


def test_a_toolchain_that_is_not_in_this_folder_is_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["env", "diff", "mine"]) == 2
    assert capsys.readouterr().err == (
        "error: no toolchain named 'mine'; there are: current, light, tested, and none in"
        " toolchains of this folder\n"
    )


def test_a_minor_stands_for_a_python_that_is_here() -> None:
    minor = VERSION.rpartition(".")[0]
    found = read_python(minor)
    assert found.version.startswith(f"{minor}.")
    assert found.accepted == f">={minor}.0,<3.{int(minor.partition('.')[2]) + 1}"
    exact = read_python("3.11.2")
    assert (exact.version, exact.accepted) == ("3.11.2", ">=3.11.0,<3.12")


def test_a_minor_that_is_nowhere_is_asked_for() -> None:
    with pytest.raises(UsageError, match=r"no Python 3\.77 is on this machine"):
        read_python("3.77")


def test_all_that_is_asked_of_a_new_toolchain_is_handed_on(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def amended(parent: Toolchain, name: str, folder: Path, change: Amendment) -> Toolchain:
        asked.append((parent.name, name, folder, change))
        return parent

    def create(made: Toolchain, parent: Toolchain, ask: object, **more: Any) -> Created:
        asked.append((made.name, parent.name, ask, more["request"]))
        return Created(toolchain=made, changes=(), opinion=None, silence="")

    monkeypatch.setattr(env_own, "amend", amended)
    monkeypatch.setattr("sdcoreml.envs.locking.create.create", create)
    words = (
        *("--set", "One == 2.0", "--set", "two==1", "--drop", "Three_x", "--python", "3.19.1"),
        *("--target", "linux-x86_64", "--exclude-newer", "2026-01-01", "--index", "i"),
        *("--except", "Four= it is needed "),
    )
    assert new("mine", *words) == 0
    assert capsys.readouterr().out.startswith("old: from tiny, Python 3.19.0\n")
    assert asked == [
        (
            *("tiny", "mine", project / "toolchains/mine"),
            Amendment(
                pins={"one": "2.0", "two": "1"},
                dropped=("three-x",),
                python=PythonPin(version="3.19.1", accepted=">=3.19.0,<3.20"),
                targets=("linux-x86_64",),
                exclude_newer="2026-01-01",
                exceptions={"four": "it is needed"},
            ),
        ),
        ("tiny", "tiny", pip_tools, LockRequest(wheels=Path("wheels"), index="i")),
    ]


def test_all_that_is_said_of_a_new_toolchain(project: Path) -> None:
    (project / "toolchains").mkdir()
    folder = project / "toolchains/mine"
    toolchain(folder, {"one==2.0": ZEROS}, name="mine", version="3.19.0")
    parent, made = load_toolchain("./old"), load_toolchain("mine")
    refused = {"vax": "nobody", "linux-aarch64": "no wheel", "macos-arm64": "too old"}
    made = replace(made, targets=("linux-x86_64", "macos-x86_64"), refused=refused)
    changes = (
        PackageChange(name="one", before="1.0", after="2.0", why="set"),
        PackageChange(name="twenty", before="", after="1.0"),
    )
    opinion = Opinion(by="pip-tools 7", target="linux-x86_64", packages=2, differences=())
    first = [
        "toolchains/mine: from tiny, Python 3.19.0",
        "  one     1.0 -> 2.0  set",
        "  twenty  1.0, new",
        "  locked for linux-x86_64, macos-x86_64",
        "  not for macos-arm64: too old",
    ]
    last = "  next: `sdcoreml env prove mine` builds it, and records what works"
    created = Created(toolchain=made, changes=changes, opinion=opinion)
    agreed = "  pip-tools 7 agrees on all 2 versions for linux-x86_64"
    assert [*describe(created, parent)] == [*first, agreed, last]
    silent = replace(created, opinion=None, silence="no Python 3.19.0 is here")
    said = "  no second opinion was taken: no Python 3.19.0 is here"
    assert [*describe(silent, parent)] == [*first, said, last]
    assert [*table(())] == ["  the same versions"]


def test_a_target_that_only_one_is_for_is_told_with_the_reason(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = "macos-arm64" if host_target() != "macos-arm64" else "linux-x86_64"
    folder = project / "new"
    toolchain(folder, {"one==1.0": ZEROS}, version="3.19.0", name="newer")
    file = folder / "toolchain.toml"
    text = f'supported = ["{host_target()}"]'
    both = f'supported = ["{host_target()}", "{target}"]'
    file.write_text(file.read_text().replace(text, both))
    lock = folder / f"requirements.{host_target()}.txt"
    lock.with_name(f"requirements.{target}.txt").write_text(lock.read_text())
    for words in (("./new", "./old"), ("./old", "./new")):
        assert main(["env", "diff", *words]) == 0
        assert capsys.readouterr().out.splitlines()[1:] == [
            "  the same versions",
            f"  {target}: only newer is for it",
        ]
    old = project / "old/toolchain.toml"
    old.write_text(old.read_text() + f'[refused]\n{target} = "too slow"\n')
    assert main(["env", "diff", "./new", "./old"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"  {target}: only newer is for it; too slow"
    )
