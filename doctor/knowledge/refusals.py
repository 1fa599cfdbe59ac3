"""Says which package refused what it was given, by whose code raised the exception."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sdcoreml.doctor.knowledge import Failure
from sdcoreml.doctor.knowledge.exceptions import Raised
from sdcoreml.doctor.knowledge.lines import Line

TOPIC = "family_refusals"


def name_refuser(
    entry: Failure,
    line: Line,
    captured: Mapping[str, str],
    chains: Sequence[Sequence[Raised]],
) -> Mapping[str, str]:
    """Add to what a pattern of these families captured whose code raised the exception.

    A script's is left out: its name tells nobody who reads the cause anything.
    """
    if entry.topic != TOPIC:
        return captured
    code = next(
        (one.code for chain in chains for one in chain if one.start <= line.number <= one.end), ""
    )
    return captured if not code or code.endswith(".py") else {**captured, "refuser": code}
