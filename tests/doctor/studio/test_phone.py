from __future__ import annotations

from sdcoreml.convert.models.family import Family
from sdcoreml.doctor.studio.phone import judge_phone
from sdcoreml.doctor.studio.wording import say

SD1 = [("TextEncoder", 2_460_000_000), ("Unet", 1_780_000_000), ("VAEDecoder", 99_000_000)]
WIDE = [("Unet", 2_600_000_000)]


def test_halves_that_a_phone_loads_are_told_with_their_size() -> None:
    found = judge_phone(Family.SD1, 16, SD1)
    assert found == {"verdict": "good", "what": say("phone.holds", bytes=890_000_000)}


def test_a_half_that_is_too_large_needs_fewer_bits() -> None:
    found = judge_phone(Family.SD2_V, 8, WIDE)
    half = say("phone.half", bytes=1_300_000_000, most=1_000_000_000)
    assert (found["verdict"], found["what"]) == ("open", half)
    assert found["remedy"] == say("phone.half.remedy", bits=6)
    assert judge_phone(Family.SD2_V, 6, WIDE)["verdict"] == "good"


def test_sdxl_takes_more_than_any_phone_gives() -> None:
    found = judge_phone(Family.SDXL, 4, WIDE)
    assert found["verdict"] == "bad"
    assert found["what"] == say("phone.xl", took=7_110_000_000, allowed=4_860_000_000)
