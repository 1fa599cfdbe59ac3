"""The origin of a model that was given by name, as recorded in the manifest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedFrom:
    """The model's name, exact revision, stated licence, and address.

    Each is "" if unknown.
    """

    name: str
    revision: str = ""
    licence: str = ""
    address: str = ""
