"""An odd input: its name, how to make it, what it is, and the right verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, TypeAlias

Build: TypeAlias = Callable[[Path], Path]
"""Makes the input in an empty folder; returns the path to give as MODEL."""


class Can(Enum):
    """Whether a model can be converted, which every command should answer."""

    YES = "yes"
    HEADERS = "headers"
    NO = "no"


class Why(Enum):
    """Why a model cannot be converted, which the message should say."""

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
    """One odd input.

    `can` is the verdict on the facts, whatever the code says today; `also` is another that does no
    harm. `says` is what a person must read somewhere (a regular expression, in any case) for a
    right result not to be a silent one. `makes` is what a conversion must have made, by the keys of
    `survey.made`. `options` are those of `convert`; the verdict is of the conversion with them, and
    `alone` that of the model, which is all that `inspect` and `doctor` are told (`None`: either).
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
    """A case that cannot be converted."""
    return Case(name=name, build=build, truth=truth, can=Can.NO, why=why, **more)


def yes(name: str, build: Build, truth: str, **more: Any) -> Case:
    """A case that can be converted."""
    return Case(name=name, build=build, truth=truth, **more)
