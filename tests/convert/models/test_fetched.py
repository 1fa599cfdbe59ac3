from __future__ import annotations

from sdcoreml.convert.models.fetched import FetchedFrom


def test_what_is_not_known_is_empty() -> None:
    found = FetchedFrom(name="a/cat")
    assert (found.revision, found.licence, found.address) == ("", "", "")
