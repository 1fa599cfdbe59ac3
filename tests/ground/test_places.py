"""`sdcoreml.ground.places`: what `~` stands for in the paths that people type."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.places import as_path, environments_folder, expand_home


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


def test_the_environments_may_be_in_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDCOREML_ENVS", "~/envs")
    assert environments_folder() == Path("/home/me/envs")
