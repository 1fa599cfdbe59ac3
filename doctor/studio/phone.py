"""Whether an iPhone or iPad can hold what would be made for one, as far as it was measured.

Sources: Apple's README of ml-stable-diffusion (what it runs on at least; halves below 1 GB for the
Neural Engine, unless 6 bits or fewer), and off-grid-ai/OGAM#613 of 2026-07-25: Apple's own SDXL for
iOS took 7.11 GB where iOS lets an app have 4.86 GB of the 12 GB of an iPhone 17 Pro Max.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sdcoreml.convert.models.family import Family
from sdcoreml.doctor.studio.wording import say

HALF = 1_000_000_000
"""The most bytes of a half that phones load, if it has more than `FEW` bits."""

FEW = 6
TOOK, ALLOWED = 7_110_000_000, 4_860_000_000
"""Bytes that SDXL took on a phone, and that the phone with the most memory allows an app."""

_LARGE = frozenset({Family.SDXL, Family.SDXL_REFINER})


def judge_phone(
    family: Family, bits: int, programs: Iterable[tuple[str, int]]
) -> Mapping[str, object]:
    """Return a verdict for the page; `programs` are names and bytes of what would be made.

    A plan names a UNet that is made in halves once, as a whole.
    """
    if family in _LARGE:
        return {"verdict": "bad", "what": say("phone.xl", took=TOOK, allowed=ALLOWED)}
    half = max((size for name, size in programs if "Unet" in name), default=0) // 2
    if bits > FEW and half > HALF:
        what, remedy = say("phone.half", bytes=half, most=HALF), say("phone.half.remedy", bits=FEW)
        return {"verdict": "open", "what": what, "remedy": remedy}
    return {"verdict": "good", "what": say("phone.holds", bytes=half)}
