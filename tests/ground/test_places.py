"""`sdcoreml.ground.places` expands `~` in paths that people type."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from sdcoreml.ground.errors import BadInputError, UsageError
from sdcoreml.ground.places import (
    ROOT,
    as_path,
    can_exist,
    environments_folder,
    expand_home,
    home_folder,
    is_checkout,
    user_folder,
)


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("~", "/home/me"),
        ("~/Mochi Diffusion/models", "/home/me/Mochi Diffusion/models"),
        ("models/~", "models/~"),
        ("./~/models", "~/models"),
        ("a$b", "a$b"),
    ],
)
def test_a_tilde_in_front_is_the_home_folder(text: str, path: str) -> None:
    assert expand_home(text) == Path(path)


def test_a_home_that_nobody_has_is_refused_with_the_way_to_mean_a_file() -> None:
    with pytest.raises(UsageError) as raised:
        expand_home("~no-such-user/x")
    assert str(raised.value) == (
        "~no-such-user/x: no home folder is known for it; a file of that name is ./~no-such-user/x"
    )
    with pytest.raises(argparse.ArgumentTypeError, match=r"\./~no-such-user/x"):
        as_path("~no-such-user/x")


def test_an_empty_path_is_not_the_current_folder() -> None:
    with pytest.raises(UsageError, match=r"a path is empty; the current folder is \."):
        expand_home("")
    with pytest.raises(argparse.ArgumentTypeError, match="a path is empty"):
        as_path("")


def test_the_environments_may_be_in_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDCOREML_ENVS", "~/envs")
    assert environments_folder() == Path("/home/me/envs")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("loop", "loop: links that lead in a circle; give another path"),
        ("loop/below", "loop/below: links that lead in a circle; give another path"),
        ("a\0b", "no file can have this name"),
        ("a/" * 300, "more than 256 folders within each other; give another path"),
    ],
)
def test_a_path_that_nothing_can_be_done_with_is_refused_at_the_door(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(BadInputError, match=said):
        expand_home(text)


def test_in_a_checkout_environments_lie_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SDCOREML_ENVS", raising=False)
    assert is_checkout()
    assert environments_folder() == ROOT / ".envs"


def test_an_installed_wheel_keeps_them_in_the_users_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SDCOREML_ENVS", raising=False)
    monkeypatch.setattr("sdcoreml.ground.places.ROOT", tmp_path)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", "/home/me/data")
    assert not is_checkout()
    assert environments_folder() == Path("/home/me/data/sdcoreml/envs")


def test_without_a_home_nothing_is_looked_for_and_no_folder_is_called_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*_: object) -> None:
        raise KeyError("no such user")

    for name in ("HOME", "XDG_DATA_HOME", "SDCOREML_ENVS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    assert not (home_folder() / ".pyenv").exists()
    monkeypatch.setattr("sdcoreml.ground.places.ROOT", tmp_path)
    with pytest.raises(
        UsageError, match=r"\bno home folder is known for this user; say where with"
    ):
        environments_folder()
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="say where with SDCOREML_X=/a/folder"):
        user_folder("SDCOREML_X", "cache")


def test_what_is_kept_for_a_user_is_where_a_variable_says_or_the_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for kind in ("CACHE", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", f"/home/me/{kind.lower()}")
    monkeypatch.delenv("SDCOREML_X", raising=False)
    assert user_folder("SDCOREML_X", "cache") == Path("/home/me/cache/sdcoreml")
    assert user_folder("SDCOREML_X", "data", "a") == Path("/home/me/data/sdcoreml/a")
    assert user_folder("SDCOREML_X", "state", "a") == Path("/home/me/state/sdcoreml/a")
    monkeypatch.setenv("SDCOREML_X", "/elsewhere")
    assert user_folder("SDCOREML_X", "state", "a") == Path("/elsewhere")


@pytest.mark.parametrize("name", ["/dev/null", "file"])
def test_a_variable_that_names_no_folder_is_told(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    monkeypatch.setenv("SDCOREML_ENVS", name)
    with pytest.raises(UsageError) as raised:
        environments_folder()
    assert str(raised.value) == (
        f"SDCOREML_ENVS={name}: is not a folder; name a folder, or unset it"
    )


def test_as_many_folders_as_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert expand_home("a/" * 256) == Path("a/" * 256)
    with pytest.raises(BadInputError, match="more than 256 folders within each other"):
        expand_home("a/" * 257)


def test_what_no_file_system_could_hold(tmp_path: Path) -> None:
    assert can_exist(tmp_path)
    assert can_exist(tmp_path / "gone")
    assert not can_exist(tmp_path / ("a" * 300))


def test_a_checkout_has_its_makefile_and_how_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdcoreml.ground.places.ROOT", tmp_path)
    (tmp_path / "Makefile").touch()
    assert not is_checkout()
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs/bootstrap.sh").touch()
    assert is_checkout()
    (tmp_path / "Makefile").unlink()
    assert not is_checkout()


def test_a_relative_folder_of_environments_is_of_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SDCOREML_ENVS", "envs")
    assert environments_folder() == tmp_path / "envs"
    monkeypatch.setenv("SDCOREML_ENVS", "a" * 300)
    assert environments_folder() == tmp_path / ("a" * 300)
    assert as_path("x") == Path("x")
