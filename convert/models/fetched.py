"""Where a model came from that was named, not given: for the manifest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedFrom:
    """The model's name, the exact revision, the licence that its page states, and an address.

    Each is "" where nobody said it.
    """

    name: str
    revision: str = ""
    licence: str = ""
    address: str = ""
