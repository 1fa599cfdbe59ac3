"""PSNR values with a special meaning, and the formatting of PSNRs."""

from __future__ import annotations

import math

IDENTICAL = 999.0
"""The PSNR, in dB, recorded for equal results. -999 means that none can be computed."""


def decibels(span: float, rms: float) -> float:
    """Return the PSNR, in dB, of errors with this root mean square in values with this range."""
    if rms == 0:
        return IDENTICAL
    return 20 * math.log10(span / rms) if span else -IDENTICAL


def format_db(psnr: float) -> str:
    """Format a PSNR in dB for people: `71.8 dB`, or `exact`."""
    return "exact" if psnr >= IDENTICAL else f"{psnr:.1f} dB"
