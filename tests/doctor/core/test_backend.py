from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from sdcoreml.doctor.cli import main
from sdcoreml.doctor.core.backend import add_toolchain, choose_backend, default_toolchain
from sdcoreml.ground.errors import LockfileError, UnknownToolchainError, UsageError


def test_an_option_goes_before_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKEND", "conda")
    assert choose_backend() == "conda"
    assert choose_backend("venv") == "venv"


@pytest.mark.parametrize("text", [None, ""])
def test_without_a_word_it_is_a_venv(monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    monkeypatch.delenv("BACKEND", raising=False)
    if text is not None:
        monkeypatch.setenv("BACKEND", text)
    assert choose_backend() == "venv"


def test_any_other_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKEND", "docker")
    with pytest.raises(UsageError, match="BACKEND=docker: no such backend; there are: venv, conda"):
        choose_backend()


def test_the_upstream_converter_is_no_backend_and_says_how_it_is_asked_for() -> None:
    with pytest.raises(UsageError, match="no such backend") as caught:
        choose_backend("upstream")
    assert "--converter upstream" in caught.value.remedy


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own configuration, for the current folder; it is not there yet."""
    monkeypatch.delenv("TOOLCHAIN", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sdcoreml").mkdir()
    return tmp_path / "sdcoreml" / "config.toml"


def chosen(*words: str) -> str:
    parser = argparse.ArgumentParser()
    add_toolchain(parser)
    return str(parser.parse_args(words).toolchain)


def test_a_damaged_configuration_keeps_nobody_from_help_or_from_naming_another_toolchain(
    configuration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configuration.write_text('[toolchains]\n"/dir" = 3\n')
    assert chosen("--toolchain", "light") == "light"
    with pytest.raises(LockfileError, match=r"toolchains\./dir is 3, not a str"):
        chosen()
    with pytest.raises(SystemExit, match="0"):
        main(["doctor", "--help"])
    assert "--toolchain NAME" in capsys.readouterr().out


def test_without_a_choice_or_a_current_folder_it_is_the_tested_one(
    configuration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert default_toolchain() == "tested"
    gone = configuration.parent / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert default_toolchain() == "tested"


def test_a_recorded_toolchain_that_is_gone_is_said_to_be_recorded(
    configuration: Path, tmp_path: Path
) -> None:
    for gone in (f"{tmp_path}/toolchains/mine", "mine"):
        configuration.write_text(f'[toolchains]\n"{tmp_path}" = "{gone}"\n')
        with pytest.raises(UnknownToolchainError) as caught:
            default_toolchain()
        assert str(caught.value) == (
            f"{gone}: no toolchain, and it was recorded for {tmp_path} by `sdcoreml env use`;"
            " run `sdcoreml env use tested`, or name another one"
        )
        assert chosen("--toolchain", "light") == "light"


@pytest.mark.parametrize(
    "text",
    [
        '[toolchains]\n"{}" = "light"',
        '[ toolchains ]\n"{}" = "light"',
        'toolchains = {{ "{}" = "light" }}',
        'toolchains."{}" = "light"',
    ],
)
def test_it_is_found_however_its_table_is_written(
    configuration: Path, tmp_path: Path, text: str
) -> None:
    configuration.write_text(text.format(tmp_path))
    assert chosen() == default_toolchain() == "light"
