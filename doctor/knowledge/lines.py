"""A line of a log, with its number."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a log as it is read: its number (from 1) and its text."""

    number: int
    text: str
