from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.doctor.cli import main
from tests.envs.wheels import toolchain


def test_all_toolchains_are_meant_when_none_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TOOLCHAIN", raising=False)
    assert main(["env", "lock", "--offline"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split(":")[0] for line in lines if line.endswith("--offline")]
    assert names == [
        *("current", "tested", "light"),
        *(f"light for Python 3.{minor}" for minor in (11, 12, 13)),
    ], "what is cut out of another comes after it"
    assert any(line.startswith("tested on linux-aarch64: refused: coremltools") for line in lines)


def test_one_s_own_toolchain_in_use_is_meant_and_named_in_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = toolchain(tmp_path / "mine", {"one==1.0": "0" * 64}, name="mine")
    monkeypatch.setenv("TOOLCHAIN", mine)
    assert main(["env", "lock", "--offline"]) == 1
    files = f"`sdcoreml env conda-files --toolchain {mine}`"
    assert f"is not what the toolchain says; run {files}" in capsys.readouterr().err
    assert main(["env", "conda-files"]) == 0
    assert main(["env", "lock", "--offline"]) == 1
    said = capsys.readouterr()
    assert f"requirements.in: does not repeat the pins of toolchain.toml; run {again(mine)}" in (
        said.err
    )
    assert "tested" not in said.out


def again(folder: str) -> str:
    return f"`sdcoreml env lock --toolchain {folder}`"


def test_sdcoreml_s_own_are_locked_in_a_clone_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TOOLCHAIN", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sdcoreml.ground.places.ROOT", tmp_path)
    assert main(["env", "lock"]) == 2
    assert capsys.readouterr().err == (
        "error: env lock: sdcoreml's own toolchains are locked in a clone of the project; name one"
        " of your own with --toolchain\n"
    )
