"""PSNR values with a special meaning, and how a PSNR is written for people."""

from __future__ import annotations

IDENTICAL = 999.0
"""The PSNR, in dB, recorded for equal results; its negative means that none can be computed."""


def format_db(psnr: float) -> str:
    """A PSNR in dB for people: `71.8 dB`, or `exact`."""
    return "exact" if psnr >= IDENTICAL else f"{psnr:.1f} dB"
