from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sdcoreml.doctor.cli import main
from sdcoreml.envs.building.provision import PROVIDERS
from sdcoreml.envs.kept import store
from sdcoreml.ground.places import environments_folder
from sdcoreml.lockfiles.target import TARGETS, host_target
from tests.envs.channel import channel
from tests.envs.conda_engine import lend_engine
from tests.envs.wheels import VERSION, standard_wheels, toolchain
from tests.schemas import read_as

TARGET = host_target()


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the options of `env` that build a tiny toolchain from a conda channel of this test."""
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path / "envs"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    name = toolchain(tmp_path / "tiny", standard_wheels(tmp_path / "wheels"))
    monkeypatch.setenv("TOOLCHAIN", name)
    monkeypatch.setenv("BACKEND", "conda")
    monkeypatch.setenv("SDCOREML_CHANNEL", (tmp_path / "channel").as_uri())
    channel(tmp_path / "channel")
    lend_engine(tmp_path / "envs")
    return ["--find-links", str(tmp_path / "wheels")]


def lock(tmp_path: Path) -> list[str]:
    return ["env", "lock", "--conda", "--toolchain", f"{tmp_path}/tiny/"]


def error(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = (one for one in capsys.readouterr().err.splitlines() if one.startswith("error: "))
    return line


def test_without_a_lock_the_one_command_that_makes_it_is_named(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["env", *words]) == 1
    assert error(capsys) == (
        f"error: {tmp_path}/tiny/conda.{TARGET}.toml: the conda packages of Python {VERSION} are"
        f" not locked for {TARGET} yet; `sdcoreml env lock --conda --toolchain {tmp_path}/tiny/`"
        " asks the channel and locks them"
    )


def test_lock_build_and_use(
    words: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(lock(tmp_path)) == 0
    subdir = TARGETS[TARGET].conda_subdir
    assert capfd.readouterr().out.splitlines() == [
        f"wrote {tmp_path}/tiny/conda.{TARGET}.toml",
        f"wrote {tmp_path}/tiny/environment.{TARGET}.yml",
        f"wrote {tmp_path}/tiny/conda-{subdir}.lock",
        "tiny: locked",
    ]
    assert main([*lock(tmp_path), "--check"]) == 0
    assert main(["env", *words]) == 0
    out = capfd.readouterr().out
    assert re.search(rf"^tiny-conda: .*, Python {VERSION}, \d+ files, ", out, re.MULTILINE)
    assert main(["env", "which"]) == 0
    python = Path(capfd.readouterr().out.strip())
    assert python.parent.parent.parent == tmp_path / "envs"
    assert main(["env", "verify", "--full"]) == 0
    (python.parent / "one").unlink()
    assert main(["env", "verify"]) == 1
    assert main(["env", "repair", *words]) == 0
    assert main(["env", "list", "--json"]) == 0
    rows = read_as("env-list", capfd.readouterr().out.splitlines()[-1])["environments"]
    assert [(row["backend"], row["links"]) for row in rows] == [("conda", ["tiny-conda"])]
    ran = [sys.executable, "-m", "sdcoreml", "env", "run", "--", "sh", "-c"]
    said = subprocess.run(
        [*ran, "one; echo $CONDA_PREFIX $CONDA_DEFAULT_ENV $VIRTUAL_ENV"],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"VIRTUAL_ENV": "/other"},
    ).stdout
    home = python.parent.parent
    assert said == f"one runs in {home}\n{home} tiny-conda\n"
    assert main(["env", "export", str(tmp_path / "file")]) == 1
    assert "a conda environment cannot be exported" in error(capfd)
    assert not (tmp_path / "file").exists()


def test_a_channel_that_moved_on_is_stale(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words
    assert main(lock(tmp_path)) == 0
    path = tmp_path / "tiny" / f"conda.{TARGET}.toml"
    path.write_text(re.sub('sha256 = "[0-9a-f]', 'sha256 = "0', path.read_text()))
    assert main([*lock(tmp_path), "--check"]) == 1
    said = capsys.readouterr()
    stale = [line for line in said.out.splitlines() if not line.startswith(("wrote ", "tiny: "))]
    assert stale
    assert f"the conda locks of tiny are stale in {len(stale)} places; run `" in said.err


def test_one_that_no_channel_was_asked_for_may_be_stale(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words
    assert main(lock(tmp_path)) == 0
    path = tmp_path / "tiny" / f"conda.{TARGET}.toml"
    text = re.sub('known = ".*"', 'known = "two public lock files"', path.read_text())
    path.write_text(re.sub('sha256 = "[0-9a-f]', 'sha256 = "0', text))
    assert main([*lock(tmp_path), "--check"]) == 0
    assert (
        capsys.readouterr()
        .out.splitlines()[-1]
        .startswith("tiny: locked from public lock files, stale in ")
    )
    assert main(lock(tmp_path)) == 0
    assert 'known = "the index of a channel given by address"' in path.read_text()


@pytest.mark.parametrize("option", [["--channel", "http://127.0.0.1:9/c"], []])
def test_a_channel_out_of_reach_leaves_no_lock(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    option: list[str],
) -> None:
    assert words
    if not option:
        monkeypatch.setenv("SDCOREML_CHANNEL", "http://127.0.0.1:9/c")
    assert main([*lock(tmp_path), *option]) == 1
    assert error(capsys).startswith("error: http://127.0.0.1:9/c: the conda channel cannot be")
    assert not list((tmp_path / "tiny").glob("conda*"))


def test_conda_s_files_are_written_and_checked(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words
    assert main(["env", "conda-files", "--check"]) == 1
    assert f"run `sdcoreml env conda-files --toolchain {tmp_path}/tiny/`" in error(capsys)
    assert main(["env", "conda-files"]) == 0
    assert main(["env", "conda-files"]) == 0
    assert main(["env", "conda-files", "--check"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"wrote {tmp_path}/tiny/environment.{TARGET}.yml",
        "tiny: written",
        "tiny: nothing moved",
        "tiny: conda's files are what the toolchain says",
    ]


def test_what_is_cut_out_of_another_has_the_python_of_that(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for more in ((), ("--check",)):
        assert main(["env", "lock", "--conda", "--toolchain", "light", *more]) == 0
        assert capsys.readouterr().out == "light: has the Python of tested\n"


def test_the_backend_is_one_of_two(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BACKEND", "condo")
    assert main(["env", *words]) == 2
    assert error(capsys) == "error: BACKEND=condo: no such backend; there are: venv, conda"


def test_the_doctor_looks_at_the_environment_of_the_backend(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sdcoreml.doctor.core.facts import Absent, EnvironmentFacts, Unknown
    from sdcoreml.doctor.gather import toolchain as gather

    assert main(lock(tmp_path)) == 0
    name = f"{tmp_path}/tiny/"
    assert isinstance(gather.interpreter(name), Unknown)
    assert main(["env", *words]) == 0
    assert isinstance(gather.interpreter(name), Absent)
    found = gather.environment(name, "Linux")
    assert isinstance(found, EnvironmentFacts)
    assert (found.backend, found.python) == ("conda", VERSION)
    assert set(found.installed) == {"one", "two"}
    monkeypatch.setenv("BACKEND", "venv")
    assert isinstance(gather.environment(name, "Linux"), Absent)


def test_provision_brings_the_exact_python(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(lock(tmp_path)) == 0
    monkeypatch.setenv("BACKEND", "venv")
    monkeypatch.setenv("PATH", "/bin:/usr/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    monkeypatch.setattr(
        "sdcoreml.envs.building.provision.PROVIDERS", PROVIDERS[1:]
    )  # uv may have this one
    assert main(["env", "--provision", *words]) == 0
    made = store.current("tiny", environments_folder())
    assert made is not None
    assert (made.drift, made.backend) == (False, "venv")
    assert made.interpreter.path.is_relative_to(tmp_path / "envs")
    assert f"- bring Python {VERSION} from file://{tmp_path}" in capsys.readouterr().err
