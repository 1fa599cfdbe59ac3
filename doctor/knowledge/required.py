"""Says who is too new where a function wants an argument that it is not given.

It is the other way round than with one that it does not know: what has the argument since a release
is at least that one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sdcoreml.doctor.knowledge import Confidence
from sdcoreml.doctor.knowledge.dating import ANY_CLASS, Asked, Dating, Side

REQUIRED = "required"
"""The group of a pattern whose line says that an argument is missing."""


def say_required(
    project: str, asker: str, asked: Asked, dating: Dating
) -> Mapping[str, str] | None:
    """Say which side is too new, by the releases whose function has an argument; None if neither.

    Args:
        project: the one that has the function.
        asker: the project that calls it; "" if it is not known.
        asked: the argument, and the function (`owner`).
        dating: which releases have it.
    """
    who = asker or "the code that ran"
    call = asked.owner.removeprefix(f"{ANY_CLASS}.")
    match dating.side:
        case Side.OLD:
            return {
                "skew": f"{project} is newer than {who}: since {dating.since} {call} takes"
                f" {asked.name}, which it is not given",
                "tested": f"Use a newer release of {who}, or a model that was saved for it; or"
                " install",
                "cure": f"{project} before {dating.since}:"
                f" `pip install '{project}<{dating.since}'`",
                "confidence": Confidence.LIKELY.value,
            }
        case Side.NEW:
            return {
                "skew": f"{project} is older than {who}: before {dating.until} {call} wants"
                f" {asked.name}, which it is not given",
                "tested": "Install",
                "cure": f"{project} {dating.until} or newer: `pip install -U {project}`",
                "confidence": Confidence.LIKELY.value,
            }
        case _:
            return say_unfit(project, asker, asked.name, call)


def say_unfit(project: str, asker: str, name: str, call: str) -> Mapping[str, str]:
    """Say that a project's function wants what it is not given, nobody knows since when."""
    who = asker or "the code that ran"
    if _PRIVATE.search(call):
        return {
            "skew": f"{project} is most likely newer than {who}: {call} is an inner function of"
            f" {project}, which changes with its releases, and this one wants {name}, which is"
            " not given",
            "tested": "Update the code that calls it (a custom node, extension or script) to its"
            " newest, which may know it; or install",
            "cure": f"the {project} of that code's time",
            "confidence": Confidence.LIKELY.value,
        }
    return {
        "skew": f"{call or 'A function'} of this {project} wants {name}, which {who} does not give:"
        " the two were written for different releases of each other, or the call lacks it",
        "tested": "Install",
        "cure": f"the {project} that {who} was made for, or a newer release of {who}",
        "confidence": Confidence.GUESS.value,
    }


_PRIVATE = re.compile(r"^[A-Z]\w+\._(?!_)\w+$")
"""A method that a class keeps to itself, which others call all the same."""
