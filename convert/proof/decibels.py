"""How near a result is to the one that is wanted, as numbers for files and in words for people."""

from __future__ import annotations

IDENTICAL = 999.0
"""The PSNR, in dB, of results that do not differ at all; negative, of what has no PSNR."""


def said(psnr: float) -> str:
    """A PSNR in dB for people: `71.8 dB`, or `exact`."""
    return "exact" if psnr >= IDENTICAL else f"{psnr:.1f} dB"
