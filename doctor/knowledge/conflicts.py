"""Finds which two requirements exclude each other in the list that pip gives of a conflict.

pip lists every requirement of a project that it met, the harmless ones, too; which of them do not
go together only their versions say. uv, Poetry and conda name the two themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.ground.errors import VersionError
from sdcoreml.ground.names import normalise
from sdcoreml.lockfiles.versions import satisfies

CAUSED = "caused"
"""The group of the patterns that are for pip's list."""

_OWN, _TWO, _TWICE, _NONE = (
    "resolver-own-pin",
    "resolver-two-packages",
    "resolver-asked-twice",
    "resolver-no-release",
)
"""The entries that tell what such a list can say."""

_LONGEST = 400
"""So many lines of a list are looked at: pip gives one for each release that it tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One requirement of the list: the project and its range, and who asks ("" for the user)."""

    text: str
    project: str
    specifier: str
    asker: str

    @property
    def who(self) -> str:
        """Return the asker without its version."""
        return self.asker.partition(" ")[0]


def tell_conflict(
    entry: str, line: int, captured: Mapping[str, str], lines: Sequence[Line]
) -> Mapping[str, str] | None:
    """Add to what a pattern captured who asks for what; None if the list says something else.

    Args:
        entry: the id of the entry whose pattern found the list.
        line: the number of a line of the list.
        captured: what the pattern captured.
        lines: the log's lines.
    """
    if CAUSED not in captured:
        return captured
    at = next((at for at, one in enumerate(lines) if one.number >= line), 0)
    start = next((i for i in range(at, -1, -1) if _HEAD.search(lines[i].text)), at)
    told = find_conflict([one.text for one in lines[start + 1 : start + _LONGEST]])
    return {**captured, **told[1]} if told and told[0] == entry else None


_HEAD = re.compile(r"\bThe conflict is caused by:")


def find_conflict(texts: Sequence[str]) -> tuple[str, Mapping[str, str]] | None:
    """Return which entry tells what a list says, and what its places are filled with."""
    wishes = tuple(_read(texts))
    absent = _find_absent(texts, wishes)
    if absent:
        return _NONE, {"which": absent.text}
    for one, other in _pairs(wishes):
        if one.project != other.project or not _never_meet(one, other, wishes):
            continue
        places = {"which": one.project, "need": one.text, "have": other.text, "seeker": one.asker}
        if not one.asker:
            return _TWICE, places
        return (_TWO, {**places, "other": other.asker}) if other.asker else (_OWN, places)
    projects = {wish.project for wish in wishes}
    return (_NONE, {"which": wishes[0].text}) if len(projects) == 1 else None


def _never_meet(one: Wish, other: Wish, wishes: Sequence[Wish]) -> bool:
    """Return whether no listed release of one's asker goes with any of the other's."""
    if not exclude(one.specifier, other.specifier):
        return False
    ones, others = _list_alike(one, wishes), _list_alike(other, wishes)
    return all(exclude(this, that) for this in ones for that in others)


def _list_alike(wish: Wish, wishes: Sequence[Wish]) -> Sequence[str]:
    """Return the ranges of a project that any release of a wish's asker wants, some of many."""
    if not wish.asker:
        return [wish.specifier]
    alike = (two for two in wishes if two.project == wish.project and two.who == wish.who)
    return list(dict.fromkeys(two.specifier for two in alike))[:_FEW]


def _pairs(wishes: Sequence[Wish]) -> Iterator[tuple[Wish, Wish]]:
    """Yield the pairs of different askers, those first of which the user is one, as the second."""
    asked = list(dict.fromkeys(wish for wish in wishes if not wish.asker))
    others = list(dict.fromkeys(wish for wish in wishes if wish.asker))
    yield from ((one, other) for one in others for other in asked)
    yield from combinations(asked, 2)
    yield from ((one, two) for one, two in combinations(others[:_FEW], 2) if one.who != two.who)


_FEW = 60
"""So many requirements are compared, each with each."""


def _read(texts: Sequence[str]) -> Iterator[Wish]:
    """Yield the requirements of a list, down to its first line that is none."""
    for text in texts:
        found = _WISH.match(text)
        if found is None:
            return
        wanted = _WANTED.match(found["wanted"])
        if wanted:
            specifier = wanted["specifier"].replace(" and ", ",").replace(" ", "")
            specifier = f"=={wanted['file']}" if wanted["file"] else specifier
            yield Wish(
                text=found["wanted"].partition(";")[0].strip().replace(" and ", ","),
                project=normalise(wanted["name"]),
                specifier=specifier,
                asker=found["asker"] or "",
            )


_WISH = re.compile(
    r"(?:[#*\s\u2502|]|\d[\d.]*(?=\s))*"
    r"(?:The user requested (?:\(constraint\) )?|(?P<asker>[\w.-]+(?:\[[^\]]*\])? \S+) depends on )"
    r"(?P<wanted>\S.*)"
)
_WANTED = re.compile(
    r"(?P<name>[A-Za-z][\w.-]*)(?:\[[^\]]*\])?\s*"
    r"(?:(?P<file>\d[\w.+!]*) \(from |\(?)(?P<specifier>(?:[<>=!~]=?[^;@()]*)?)"
)


def _find_absent(texts: Sequence[str], wishes: Sequence[Wish]) -> Wish | None:
    """Return a requirement on a project of which pip says that nothing fits this machine."""
    start = next((at for at, text in enumerate(texts) if _ABSENT in text), len(texts))
    names = {normalise(text.strip(" *#|\u2502")) for text in texts[start + 1 : start + 10]}
    return next((wish for wish in wishes if wish.project in names), None)


_ABSENT = "no matching distributions available for your environment"


def exclude(one: str, other: str) -> bool:
    """Return whether no version is in both of two ranges; False if one cannot be read."""
    both = f"{one},{other}"
    bounds = [version.removesuffix(".*") for version in _VERSION.findall(both)]
    tried = ["0", *bounds, *(f"{bound.partition('+')[0]}.0.1" for bound in bounds)]
    try:
        return not any(satisfies(version, both) for version in tried)
    except VersionError:
        return False


_VERSION = re.compile(r"[<>=!~]=?([\w.+*-]+)")
