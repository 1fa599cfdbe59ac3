"""Which setting for a mirror takes precedence, as documented in envs/README.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from sdcoreml.envs.mirrors.configuration import Configuration
from sdcoreml.envs.mirrors.mirror import (
    CHANNEL,
    HUB,
    INDEX,
    Mirror,
    Server,
    index_variables,
    mirror_of,
)
from sdcoreml.ground.errors import LockfileError, UsageError

OWN = Configuration(
    path=Path("/settings/config.toml"),
    addresses={
        "index": "https://own.invalid/simple/",
        "channel": "own-forge",
        "hub": "https://hub.invalid/",
    },
)
NOTHING = Configuration(path=Path("/settings/config.toml"))


@pytest.mark.parametrize(
    ("given", "environ", "address", "by"),
    [
        ("", {}, "https://own.invalid/simple/", "[index] of /settings/config.toml"),
        ("", {"PIP_INDEX_URL": "https://p.invalid"}, "https://p.invalid", "$PIP_INDEX_URL"),
        (
            "",
            {"PIP_INDEX_URL": "https://p.invalid", "UV_INDEX_URL": "https://u.invalid"},
            "https://u.invalid",
            "$UV_INDEX_URL",
        ),
        (
            "",
            {"UV_INDEX_URL": "https://u.invalid", "UV_DEFAULT_INDEX": "work=https://d.invalid"},
            "https://d.invalid",
            "$UV_DEFAULT_INDEX",
        ),
        (
            "file:///mirror/simple",
            {"UV_DEFAULT_INDEX": "https://d.invalid"},
            "file:///mirror/simple",
            "--index",
        ),
    ],
)
def test_an_option_comes_before_variables_and_those_before_the_user_s_file(
    given: str, environ: Mapping[str, str], address: str, by: str
) -> None:
    assert mirror_of(INDEX, given, environ, OWN) == Mirror(address=address, by=by)


@pytest.mark.parametrize(
    ("server", "environ", "address"),
    [
        (CHANNEL, {}, "own-forge"),
        (CHANNEL, {"SDCOREML_CHANNEL": "other"}, "other"),
        (HUB, {}, "https://hub.invalid"),
        (HUB, {"HF_ENDPOINT": "https://h.invalid/"}, "https://h.invalid"),
    ],
)
def test_channels_and_hubs_are_said_likewise(
    server: Server, environ: Mapping[str, str], address: str
) -> None:
    assert mirror_of(server, "", environ, OWN).address == address


def test_where_nobody_says_another_the_usual_server_is_asked() -> None:
    assert mirror_of(INDEX, "", {"PIP_INDEX_URL": " "}, NOTHING) == Mirror()
    assert str(Mirror()) == "the usual one"


def test_what_is_no_address_is_refused_by_the_name_of_who_said_it() -> None:
    with pytest.raises(UsageError, match=r"^\$HF_ENDPOINT: mirror is not an address; give one"):
        mirror_of(HUB, "", {"HF_ENDPOINT": "mirror"}, NOTHING)
    wrong = Configuration(path=Path("/c.toml"), addresses={"index": "ftp://a.invalid"})
    with pytest.raises(LockfileError, match=r"^\[index\] of /c.toml: ftp://a.invalid is no"):
        mirror_of(INDEX, "", {}, wrong)


def test_passwords_are_not_shown() -> None:
    mirror = mirror_of(INDEX, "https://me:secret@a.invalid/simple", {}, NOTHING)
    assert mirror.address == "https://me:secret@a.invalid/simple"
    assert str(mirror) == "https://****@a.invalid/simple (by --index)"


def test_installers_are_told_by_variables() -> None:
    environ = {"UV_INDEX_URL": "https://u.invalid"}
    both = {"UV_DEFAULT_INDEX": "https://u.invalid", "PIP_INDEX_URL": "https://u.invalid"}
    assert index_variables("", environ) == both
    assert index_variables("https://g.invalid", environ)["PIP_INDEX_URL"] == "https://g.invalid"
