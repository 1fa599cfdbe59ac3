"""The description of an odd input: its name, how to make it, and the right verdict on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, TypeAlias

Build: TypeAlias = Callable[[Path], Path]
"""A function that makes the input in an empty folder; it returns the path to pass as MODEL."""


class Can(Enum):
    """Whether a model can be converted: the verdict on which all commands must agree."""

    YES = "yes"
    HEADERS = "headers"
    NO = "no"


class Why(Enum):
    """The reason why a model cannot be converted, which the error message must give."""

    NOTHING = ""
    ADD_ON = "not a model by itself, but something to convert another model with"
    COMPONENT = "one component of a model"
    CONFIG = "a configuration that no builder makes, or that the weights contradict"
    DAMAGED = "a damaged file"
    DOWNLOAD = "an interrupted or unfinished download"
    FAMILY = "another family of models"
    FINISHED = "a Core ML model already"
    FORMAT = "weights in a format that nothing here reads"
    INCOMPLETE = "a component is missing"
    NOT_A_MODEL = "no model at all"
    OPTION = "an option that does not go with the model"
    SCHEDULE = "a noise schedule that no app has"
    TASK = "inputs that no app feeds"
    TOKENIZER = "a tokenizer that the app cannot use"
    UNREADABLE = "nothing that can be opened and read"
    UNSAFE = "a pickle that names code"
    VALUES = "weights that are not finite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One odd input, and what the commands must say about it.

    `truth` says what the input is. `can` is the right verdict, whatever the code says today;
    `also` is another acceptable verdict. `says` is a regular expression (ignoring case) that the
    output must match. `makes` is what a conversion must produce: keys of `survey.made` and their
    values. `options` are options of `convert`, and `can` is the verdict with them; `alone` is the
    verdict of `inspect` and `doctor`, which see the model without these options (`None`: any
    verdict).
    """

    name: str
    build: Build
    truth: str
    can: Can = Can.YES
    why: Why = Why.NOTHING
    also: Can | None = None
    says: str = ""
    family: str = ""
    makes: Mapping[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    alone: Can | None = Can.YES


def no(name: str, build: Build, why: Why, truth: str, **more: Any) -> Case:
    """Return a case of an input that cannot be converted."""
    return Case(name=name, build=build, truth=truth, can=Can.NO, why=why, **more)


def yes(name: str, build: Build, truth: str, **more: Any) -> Case:
    """Return a case of an input that can be converted."""
    return Case(name=name, build=build, truth=truth, **more)
