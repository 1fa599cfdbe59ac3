"""Says who is too new where a function wants an argument that it is not given.

It is the other way round than with one that it does not know: what has the argument since a release
is at least that one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sdcoreml.doctor.knowledge import Confidence
from sdcoreml.doctor.knowledge.dating import ANY_CLASS, Asked, Dating, Side
from sdcoreml.doctor.knowledge.exceptions import Raised
from sdcoreml.doctor.knowledge.releases import Releases
from sdcoreml.doctor.knowledge.stages import EXTENSION

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


def is_always_asked(releases: Releases, asked: Asked) -> bool:
    """Return whether each release that has a function has an argument of it.

    Of a class this says little: what makes its object is mostly a model's configuration.
    """
    having, lacking = releases.parameter(asked.owner, asked.name)
    is_function = asked.is_parameter and not asked.owner.endswith("__init__")
    return is_function and bool(having) and not lacking & ~having


def say_left_out(project: str, asked: Asked, raised: Raised | None) -> Mapping[str, str]:
    """Say that a call lacks what the function takes in each of its releases."""
    extension = _find_extension(raised)
    who = f"the extension {extension}" if extension else "the code that ran"
    call = asked.owner.removeprefix(f"{ANY_CLASS}.")
    return {
        "skew": f"{who} calls {call} of {project} without {asked.name}: each release that has"
        f" {call} has this argument, so that the call itself is written wrongly, and no other"
        f" {project} cures it",
        "tested": "Update",
        "cure": f"{who} to its newest, or write {asked.name}=... into the call that the frame"
        " above the error shows, and report it to its author",
        "confidence": Confidence.GUESS.value,
    }


def _find_extension(raised: Raised | None) -> str:
    """Return the extension whose code an exception passed through last; "" if it did not."""
    steps = reversed(raised.steps if raised else ())
    return next((found["name"] for one in steps if (found := EXTENSION.search(one))), "")


_PRIVATE = re.compile(r"^[A-Z]\w+\._(?!_)\w+$")
"""A method that a class keeps to itself, which others call all the same."""
