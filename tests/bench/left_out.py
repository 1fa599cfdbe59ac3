"""Takes from the knowledge what names a log's cause, and looks at what is said of the log then.

That is what a failure of a new kind meets: its own entry is not there. Nothing may then be said as
certain or likely that no judge ever took for the same. Entries of which a log may have either are
akin: a more general one is not wrong where the special one is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sdcoreml.doctor.knowledge import Confidence, entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.ranking import Match
from tests.bench.diagnose import Judged


def find_misled(logs: Sequence[Judged]) -> Iterator[tuple[Judged, Match]]:
    """Yield the logs that are told another cause as surely, without what names theirs."""
    for log in logs:
        rest = [one for one in entries() if one.id not in log.causes]
        cause = examine(log.text, rest).cause if log.causes else None
        if cause and cause.confidence is not Confidence.GUESS:
            yield log, cause


def find_akin(logs: Sequence[Judged]) -> Mapping[str, frozenset[str]]:
    """Return by the ids of entries those that judges took for the same in some log."""
    together = {name: [log.causes for log in logs if name in log.causes] for name in _names(logs)}
    return {name: frozenset().union(*causes) for name, causes in together.items()}


def _names(logs: Sequence[Judged]) -> frozenset[str]:
    return frozenset(name for log in logs for name in log.causes)


def is_akin(log: Judged, cause: Match, akin: Mapping[str, frozenset[str]]) -> bool:
    """Return whether what is said of a log is what some judge took for the same as its cause."""
    return any(cause.entry.id in akin[name] for name in log.causes)
