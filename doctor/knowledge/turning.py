"""Turns a dating round where a log states a version that nobody has looked into.

The table of a package's releases begins somewhere. A name that its newest releases lack was removed
from them; but a version from before the table had it not yet, and one from behind it has it no
more, whatever the table says of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from sdcoreml.doctor.knowledge import Confidence
from sdcoreml.doctor.knowledge.asking import FAILS
from sdcoreml.doctor.knowledge.releases import read_releases
from sdcoreml.lockfiles.versions import is_version, key


def turn(project: str, name: str, told: Mapping[str, str], stated: str) -> Mapping[str, str]:
    """Return what is told of a name that a package lacks, the other way round if that is so.

    Args:
        project: the package.
        name: what it was asked for.
        told: what is known of it: `skew`, `cure`, and which versions fail.
        stated: the version that the log names; "" if it names none.
    """
    fails = told.get(FAILS, "")
    releases = read_releases(project) if fails and is_version(stated) else None
    if releases is None:
        return told
    first, last = releases.versions[0], releases.versions[-1]
    short = name.rpartition(".")[2]
    if fails.startswith(">=") and key(stated) < key(first):
        until = fails.removeprefix(">=").partition(",")[0]
        return {
            **told,
            "skew": f"{project} is too old: {stated} has no {short} yet, which {first} and newer"
            f" have, and which {until} removed again",
            "cure": f"{project} {first} or newer, before {until}: the one that belongs to what is"
            " beside it (each torch has its own torchvision and torchaudio)",
            FAILS: f"<{first}",
            "confidence": Confidence.LIKELY.value,
        }
    if fails.startswith("<") and key(stated) > key(last):
        return {
            **told,
            "skew": f"{project} {stated} is newer than the code that asks for {short}, which was"
            f" in {last}",
            "cure": f"{project} {last} or older",
            FAILS: f">{last}",
            "confidence": Confidence.GUESS.value,
        }
    return told
