"""Sizes in words, one way everywhere."""

from __future__ import annotations

_UNITS = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def amount(size: float) -> str:
    """Bytes in words, decimal as on a disk's label: "512 bytes", "19 MB", "6.2 GB"."""
    for unit, scale in _UNITS:
        if abs(size) >= scale:
            digits = 1 if scale >= _UNITS[1][1] else 0
            return f"{size / scale:.{digits}f} {unit}"
    return f"{size:.0f} bytes"
