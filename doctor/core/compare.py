"""Compares two sets of facts: of two machines, or of this run and the last good one.

The changes that have broken most conversions come first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sdcoreml.doctor.core.facts import Facts
from sdcoreml.ground.codec import to_plain

SUSPECTS = (
    "facts.environment.installed.",
    "facts.environment.",
    "facts.lock.",
    "facts.toolchain.",
    "facts.xcode.",
    "facts.system.",
    "facts.host.",
    "facts.checkout.",
    "facts.model.",
    "facts.memory.",
)
"""The fields in order of suspicion: versions first, free memory last."""

RESTLESS = frozenset({"available", "free", "swap_free", "files_free", "quota_used"})
"""Fields that change from minute to minute; only a large difference counts."""

NO_NEWS = frozenset({"facts.verification.depth", "facts.verification.owners"})
"""Fields to ignore: about the examination itself, or repeated elsewhere."""

QUESTIONS = ("goal", "output", "volumes")
SUBJECTS = ("model", "bundle", "checkout")
_LARGE = 0.5
_LONGEST = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class FactChange:
    """A field in which two sets of facts differ; None for a value that is missing."""

    place: str
    before: object
    after: object

    def __str__(self) -> str:
        name = self.place.removeprefix("facts.")
        return f"{name}: {_show(self.before)} -> {_show(self.after)}"


def find_changes(before: Facts, after: Facts) -> tuple[FactChange, ...]:
    """Return every difference, the likeliest culprits first.

    The goal, the output folder and the volumes are not compared; models, finished folders and
    checkouts only if their path is the same in both.
    """
    asked = dict.fromkeys(QUESTIONS)
    for name in SUBJECTS:
        if getattr(before, name) != getattr(after, name) and not _is_same_path(before, after, name):
            asked[name] = None
    one, other = ({**to_plain(facts), **asked} for facts in (before, after))
    found = _differences(one, other, "facts")
    return tuple(sorted(found, key=lambda change: (_suspicion(change.place), change.place)))


def _is_same_path(before: Facts, after: Facts, name: str) -> bool:
    paths = {getattr(getattr(facts, name), "path", "") for facts in (before, after)}
    return len(paths) == 1


def _differences(before: object, after: object, place: str) -> Iterator[FactChange]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in {**before, **after}:
            yield from _differences(before.get(name), after.get(name), f"{place}.{name}")
    elif before != after and place not in NO_NEWS and not _is_noise(before, after, place):
        yield FactChange(place=place, before=before, after=after)


def _is_noise(before: object, after: object, place: str) -> bool:
    """Return True for a fluctuating number that changed by less than half."""
    if place.rpartition(".")[2] not in RESTLESS:
        return False
    if not isinstance(before, int) or not isinstance(after, int):
        return False
    return abs(after - before) < _LARGE * max(before, after)


def _suspicion(place: str) -> int:
    return next(
        (rank for rank, start in enumerate(SUSPECTS) if place.startswith(start)), len(SUSPECTS)
    )


def _show(value: object) -> str:
    if value is None:
        return "nothing"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."
    return text or "nothing"
