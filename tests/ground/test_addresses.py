"""Passwords and tokens in URLs are hidden from messages."""

from __future__ import annotations

import pytest

from sdcoreml.ground.addresses import hide_credentials


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://mirror.invalid/simple", "https://mirror.invalid/simple"),
        ("https://me:pass@mirror.invalid/simple", "https://****@mirror.invalid/simple"),
        ("see http://token@a.invalid/x, please", "see http://****@a.invalid/x, please"),
        ("https://a.invalid/x?token=abc&size=full", "https://a.invalid/x?token=****&size=full"),
        (
            "https://a.invalid/x?a=1&X-Amz-Signature=ab/c",
            "https://a.invalid/x?a=1&X-Amz-Signature=****",
        ),
        ("https://a.invalid/x?api_key=1#top", "https://a.invalid/x?api_key=****#top"),
        ("https://a.invalid/t/abcd-12345678/forge/", "https://a.invalid/t/****/forge/"),
        ("Bearer hf_abcdefghijkl was refused", "Bearer **** was refused"),
        ("mail@host.invalid and a/t/b", "mail@host.invalid and a/t/b"),
        ("https://a.invalid/x?monkey=abc", "https://a.invalid/x?monkey=abc"),
    ],
)
def test_credentials_are_hidden(text: str, shown: str) -> None:
    assert hide_credentials(text) == shown
