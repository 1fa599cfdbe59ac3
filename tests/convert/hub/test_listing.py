"""What a hub says of a model's files becomes names in a cache only if it can be one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sdcoreml.convert.hub.listing import HubFile, licence_of
from sdcoreml.convert.hub.listing import _read_file as read_file

SHA256, GIT = "a" * 64, "b" * 40


def row(path: str = "unet/config.json", **said: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"rfilename": path, "lfs": None, "size": 7, "blob_id": GIT, **said})


def lfs(**said: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"size": 9, "sha256": SHA256, **said})


@pytest.mark.parametrize(
    ("said", "file"),
    [
        (row(), HubFile(path="unet/config.json", size=7, sha256="", git=GIT)),
        (row(lfs=lfs()), HubFile(path="unet/config.json", size=9, sha256=SHA256, git=GIT)),
        (row(size=None), HubFile(path="unet/config.json", size=0, sha256="", git=GIT)),
        (
            row(size=(1 << 62) - 1),
            HubFile(path="unet/config.json", size=(1 << 62) - 1, sha256="", git=GIT),
        ),
        (row(size=0), HubFile(path="unet/config.json", size=0, sha256="", git=GIT)),
        (row(blob_id=None), HubFile(path="unet/config.json", size=7, sha256="", git="")),
        (row(lfs=lfs(sha256=None)), HubFile(path="unet/config.json", size=9, sha256="", git=GIT)),
    ],
)
def test_a_row_is_a_file(said: SimpleNamespace, file: HubFile) -> None:
    assert read_file(said) == file


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (row(""), "a file lies outside of the model: ''"),
        (row("a\nb"), r"a file lies outside of the model: 'a\nb'"),
        (row("../x"), "a file lies outside of the model: '../x'"),
        (row("a/../../x"), "a file lies outside of the model: 'a/../../x'"),
        (row("/etc/x"), "a file lies outside of the model: '/etc/x'"),
        (row(size=-1), "unet/config.json has the size -1"),
        (row(size="9"), "unet/config.json has the size '9'"),
        (row(size=1 << 62), f"unet/config.json has the size {1 << 62}"),
        (row(blob_id="xyz"), "unet/config.json has a hash that is none"),
        (row(blob_id=GIT[1:]), "unet/config.json has a hash that is none"),
        (row(lfs=lfs(sha256=f"../{SHA256[3:]}")), "unet/config.json has a hash that is none"),
    ],
)
def test_a_row_that_is_no_file(said: SimpleNamespace, why: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  its whole text is compared
        read_file(said)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ({}, ""),
        ({"license": "mit"}, "mit"),
        ({"license": "other", "license_name": "stable-community"}, "stable-community"),
        ({"license": "other"}, "other"),
        ({"license": ["mit", "openrail"]}, "mit, openrail"),
        ({"license_name": "own"}, "own"),
        ({"license": "mit", "license_name": "own"}, "mit"),
    ],
)
def test_the_licence_is_the_name_that_the_card_states(card: dict[str, Any], licence: str) -> None:
    assert licence_of(card) == licence
