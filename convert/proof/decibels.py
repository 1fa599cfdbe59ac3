"""PSNRs that stand for something else, and how a PSNR is written for people."""

from __future__ import annotations

IDENTICAL = 999.0
"""Written as the PSNR, in dB, of equal results; its negative, where no PSNR can be computed."""


def format_db(psnr: float) -> str:
    """A PSNR in dB for people: `71.8 dB`, or `exact`."""
    return "exact" if psnr >= IDENTICAL else f"{psnr:.1f} dB"
