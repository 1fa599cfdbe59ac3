"""Values of what can be chosen on the page, and of what was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from sdcoreml.doctor.studio.bench import Table
from sdcoreml.doctor.studio.wording import Text, title, why
from sdcoreml.ground.errors import Fault

Kind: TypeAlias = Literal["one", "many", "file"]
"""How a group is answered: with one option, with any number of them, or with files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file or folder that was chosen, and the strength that it has, if it has any."""

    path: Path
    scale: float | None = None


Chosen: TypeAlias = str | int | Sequence[str] | Sequence[File]
"""What was chosen in a group: an option's value, several of them, or files."""

Choices: TypeAlias = Mapping[str, Chosen]


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One thing to choose. `size` are the bytes of the folder, `cost` is what it was measured."""

    value: str | int
    title: Text
    sentence: Text
    is_recommended: bool = False
    size: int | None = None
    cost: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A question. `value` is what is chosen; of files, it is their number.

    Of files, `takes` says whether a file or a folder is asked for.
    """

    key: str
    kind: Kind
    value: Chosen
    options: tuple[Option, ...] = ()
    is_folded: bool = False
    is_many: bool = False
    has_scale: bool = False
    takes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """All groups, and what was chosen: as a table of a job file.

    `changed` says which choices were given up, since what was chosen before them excludes them.
    `refused` is why a file that was chosen cannot be used.
    """

    groups: tuple[Group, ...]
    table: Table
    changed: tuple[Text, ...] = ()
    refused: Fault | None = None


def as_data(offer: Offer) -> dict[str, object]:
    """Convert an offer to plain values for JSON. What files were chosen is not told again."""
    return {
        "groups": [_group(one) for one in offer.groups],
        "changed": [*offer.changed],
    }


def _group(group: Group) -> dict[str, object]:
    data: dict[str, object] = {
        "key": group.key,
        "title": title(group.key),
        "sentence": why(group.key),
        "kind": group.kind,
        "is_folded": group.is_folded,
    }
    if group.kind == "file":
        about = {"is_many": group.is_many, "has_scale": group.has_scale, "takes": group.takes}
        return {**data, **about, "options": []}
    value = group.value if isinstance(group.value, str | int) else list(group.value)
    return {**data, "value": value, "options": [_option(one) for one in group.options]}


def _option(option: Option) -> dict[str, object]:
    return {
        "value": option.value,
        "title": option.title,
        "sentence": option.sentence,
        "is_recommended": option.is_recommended,
        **({} if option.size is None else {"size": option.size}),
        **({"cost": option.cost} if option.cost else {}),
    }
