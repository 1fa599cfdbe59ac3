"""PSNR values with a special meaning, and the formatting of PSNRs."""

from __future__ import annotations

IDENTICAL = 999.0
"""The PSNR, in dB, recorded for equal results. -999 means that none can be computed."""


def format_db(psnr: float) -> str:
    """Format a PSNR in dB for people: `71.8 dB`, or `exact`."""
    return "exact" if psnr >= IDENTICAL else f"{psnr:.1f} dB"
