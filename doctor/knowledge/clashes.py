"""Compares the versions that an entry is about with those that are here.

A condition on a version that is not known counts as fulfilled, unless it is all that an entry has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sdcoreml.doctor.knowledge import Failure
from sdcoreml.ground.names import normalise
from sdcoreml.lockfiles.versions import is_version, satisfies


def find_contradiction(entry: Failure, versions: Mapping[str, str]) -> str:
    """Say which of the versions contradicts the entry's conditions; "" if none does."""
    for name, specifier in entry.when.items():
        have = versions.get(normalise(name))
        if have and is_version(have) and not satisfies(have, specifier):
            return f"{name} {have} here, this needs {specifier}"
    return ""


def find_clashes(entries: Iterable[Failure], versions: Mapping[str, str]) -> tuple[Failure, ...]:
    """Return the entries whose conditions these versions all meet: they are known to fail."""
    return tuple(
        entry
        for entry in entries
        if all(normalise(name) in versions for name in entry.when)
        and not find_contradiction(entry, versions)
    )
