from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from sdcoreml.doctor.cli import main
from tests.envs.wheels import standard_wheels, toolchain


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A toolchain that was locked for Linux, in a repository of its own, with nothing committed."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("TOOLCHAIN", raising=False)
    toolchain(tmp_path / "tiny", standard_wheels(tmp_path / "wheels"))
    path = tmp_path / "tiny/toolchain.toml"
    path.write_text(re.sub(r"supported = .*", 'supported = ["linux-x86_64"]', path.read_text()))
    git(tmp_path / "tiny", "init", "-q")
    return tmp_path / "tiny"


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@t.invalid")
    subprocess.run(["git", "-C", folder, *identity, *words], check=True, capture_output=True)


def lock(folder: Path, *words: str) -> int:
    return main(["env", "lock", "--toolchain", f"{folder}/", *words])


def compiled(folder: Path) -> None:
    assert lock(folder, "--find-links", str(folder.parent / "wheels")) == 0


def test_a_lock_that_is_new_is_said_to_be(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tiny / "README").touch()
    git(tiny, "add", "README")
    git(tiny, "commit", "-qm", "x")
    compiled(tiny)
    capsys.readouterr()
    assert lock(tiny, "--explain") == 0
    assert capsys.readouterr().out == "tiny on linux-x86_64: not there at HEAD\n"


def test_a_lock_that_did_not_move_is_a_line(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compiled(tiny)
    git(tiny, "add", ".")
    git(tiny, "commit", "-qm", "x")
    capsys.readouterr()
    assert lock(tiny, "--explain") == 0
    assert capsys.readouterr().out == "tiny on linux-x86_64: 0 moved, download +0.00 MB\n"


def test_a_commit_that_is_not_there_is_one_line(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compiled(tiny)
    capsys.readouterr()
    assert lock(tiny, "--explain", "--against", "nonsense") == 1
    err = capsys.readouterr().err
    assert err.startswith(f"error: {tiny}/requirements.linux-x86_64.txt: git says: fatal: ")
    assert err.count("\n") == 1


def test_a_git_that_dies_without_a_word_is_one_line(
    tiny: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    compiled(tiny)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").write_text("#!/bin/sh\nexit 5\n")
    (tmp_path / "bin/git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}")
    capsys.readouterr()
    assert lock(tiny, "--explain") == 1
    assert capsys.readouterr().err.endswith("git says: exit code 5\n")


def test_without_git_nothing_is_explained(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    compiled(tiny)
    monkeypatch.setenv("PATH", os.devnull)
    capsys.readouterr()
    assert lock(tiny, "--explain") == 1
    assert capsys.readouterr().err.endswith("; `lock --explain` needs it\n")


def test_all_toolchains_are_meant_when_none_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TOOLCHAIN", raising=False)
    assert main(["env", "lock", "--offline"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split(":")[0] for line in lines if line.endswith("--offline")]
    assert names == ["current", "tested", "light"], "what is cut out of another comes after it"
    assert any(line.startswith("tested on linux-aarch64: refused: coremltools") for line in lines)
