"""Says in words why a package does not know a name: as an option, a setting, or misspelled."""

from __future__ import annotations

from collections.abc import Mapping

from sdcoreml.doctor.knowledge import Confidence
from sdcoreml.doctor.knowledge.dating import Asked
from sdcoreml.doctor.knowledge.exceptions import Raised


def say_setting(asker: str, asked: Asked) -> Mapping[str, str]:
    """Say where a setting is that objects of older releases passed on from their config."""
    who = asker or "the code that ran"
    return {
        "skew": f"diffusers keeps {asked.name} of {asked.owner} in its config, from which only"
        f" older releases pass it on to {who}",
        "tested": "In that code, write",
        "cure": f".config.{asked.name} in place of .{asked.name}",
        "confidence": Confidence.LIKELY.value,
    }


def say_option(project: str, asker: str, asked: Asked) -> Mapping[str, str]:
    """Say why a class was handed an option that was meant for `from_pretrained`."""
    who = asker or "the code that ran"
    return {
        "skew": f"from_pretrained of this {project} does not know the option {asked.name}, which"
        f" {who} gives it, and hands it on to {asked.owner.partition('.')[0]}: {project} is too new"
        " for that option, or too old",
        "cure": f"the {project} that {who} was made for, or a newer {who}"
        if asker
        else f"the {project} that the code was written for",
        "confidence": Confidence.GUESS.value,
    }


def say_respelled(project: str, asker: str, what: str, near: str) -> Mapping[str, str]:
    """Say how a project spells what was asked for in other capitals."""
    who = asker or "the code that ran"
    return {
        "skew": f"{who} spells a name wrongly: no release of {project} has {what}, and it is"
        f" called {near} there",
        "tested": "Update that code, where it is mended by now, or write",
        "cure": f"{near} in it (in a {project} that is new enough to have it)",
        "confidence": Confidence.LIKELY.value,
    }


def say_own(project: str, asked: Asked, raised: Raised | None) -> Mapping[str, str]:
    """Say that a package calls a function of its own with what that does not take."""
    call, file = asked.owner, raised.file if raised else ""
    return {
        "skew": f"{project} contradicts itself: its file {file} calls {call} with {asked.name},"
        f" which the {call} that is called does not take: this release of {project} has that fault,"
        " files of two of its releases lie mixed, or another program put its own function there",
        "tested": "Install",
        "cure": f"another release of {project} as a whole (python -m pip install --force-reinstall"
        f" {project}==...); if an extension or custom node changes {project}, update that",
        "confidence": Confidence.GUESS.value,
    }
