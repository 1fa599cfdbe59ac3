"""Formats sizes, times and counts for messages."""

from __future__ import annotations

_UNITS = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))

_HOURS = 100
"""From this many minutes on, a duration is given in hours."""


def amount(size: float) -> str:
    """Format a number of bytes in decimal units, as on a disk's label: "512 bytes", "6.2 GB"."""
    for unit, scale in _UNITS:
        if round(abs(size) / scale, 3) >= 1:  # or it would read as 1000 of the smaller unit
            digits = 1 if scale >= _UNITS[1][1] else 0
            return f"{size / scale:.{digits}f} {unit}"
    return f"{size:.0f} bytes"


def duration(seconds: float) -> str:
    """Format an estimated time: "less than a minute", "about 7 minutes", "about 3 hours"."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    number, unit = (minutes, "minute") if minutes < _HOURS else (round(minutes / 60), "hour")
    return f"about {number} {unit}" + ("s" if number > 1 else "")


def count_programs(number: int, kind: str = "") -> str:
    """Format a number of programs of a `kind`: "1 program", "3 compiled programs"."""
    return f"{number} {kind}program{'' if number == 1 else 's'}"
