from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from sdcoreml.doctor.commands.env_common import (
    read_option,
    read_source,
    read_toolchain,
    require_environment,
    shorten,
    source_options,
    toolchain_option,
)
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.ground.errors import EnvError, LockfileError


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    toolchain_option(parser)
    source_options(parser)
    return parser.parse_args(words)


def test_an_option_that_was_not_given_leaves_no_trace() -> None:
    """So the default of an action's parser does not replace an option given before the action."""
    assert vars(parsed()) == {}
    assert read_option(parsed(), "index") is None
    assert read_option(parsed(), "index", "x") == "x"
    assert read_option(parsed("--index", "y"), "index", "x") == "y"


def test_options_of_where_packages_come_from() -> None:
    found = parsed("--find-links", "wheels", "--installer", "pip", "--index", "https://x.invalid")
    assert vars(found) == {
        "find_links": Path("wheels"),
        "installer": "pip",
        "index": "https://x.invalid",
    }
    assert read_source(found) == PackageSource(index="https://x.invalid", wheels=Path("wheels"))
    with pytest.raises(SystemExit):
        parsed("--installer", "conda")


def test_the_option_comes_before_the_environment_and_that_before_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TOOLCHAIN", raising=False)
    assert read_toolchain(parsed()).name == "tested"
    monkeypatch.setenv("TOOLCHAIN", "current")
    assert read_toolchain(parsed()).name == "current"
    assert read_toolchain(parsed("--toolchain", "light")).name == "light"
    monkeypatch.setenv("TOOLCHAIN", "")
    assert read_toolchain(parsed()).name == "tested"


def test_the_help_names_the_toolchains_that_there_are() -> None:
    parser = argparse.ArgumentParser()
    toolchain_option(parser)
    assert "current, light, tested, one of your own, or the path of its folder" in " ".join(
        parser.format_help().split()
    )


def test_an_unknown_toolchain_is_refused() -> None:
    with pytest.raises(LockfileError, match="no toolchain named 'x'"):
        read_toolchain(parsed("--toolchain", "x"))


def test_what_is_not_built_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path))
    with pytest.raises(EnvError) as caught:
        require_environment(parsed("--toolchain", "light"))
    assert str(caught.value) == (f"{tmp_path}/light: no environment built; run `sdcoreml env`")


@pytest.mark.parametrize(
    ("path", "text"),
    [("inside/it", "inside/it"), ("../beside", None), ("/somewhere/else", "/somewhere/else")],
)
def test_a_path_is_told_as_short_as_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, text: str | None
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    whole = (tmp_path / "beside") if text is None else here / path
    assert shorten(whole) == (text or str(whole))


def test_the_channel_is_the_option_s_the_variable_s_or_that_of_the_user_s_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "sdcoreml" / "config.toml"
    own.parent.mkdir()
    own.write_text('[channel]\nurl = "https://own.invalid/forge"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("SDCOREML_CHANNEL", raising=False)
    assert read_source(parsed()).channel == "https://own.invalid/forge"
    monkeypatch.setenv("SDCOREML_CHANNEL", "theirs")
    assert read_source(parsed()).channel == "theirs"
    assert read_source(parsed("--channel", "mine")).channel == "mine"
