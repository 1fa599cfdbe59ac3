"""Says what the releases that pip lists tell of why the one that is asked for is not among them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.lockfiles.versions import is_version, key

_LISTED = re.compile(
    r"satisfies the requirement (?P<asked>[^\n(]+?) \(from versions: (?P<listed>\d[^)\n]*)"
)
_BOUND = re.compile(r"(?P<operator>===?|>=|<=|~=|<|>)\s*(?P<version>\d[\w.+]*)")
_NEAR = 3


def find_listing(line: int, lines: Sequence[Line]) -> Mapping[str, str]:
    """Return what the list at a line says, for the place `listing`; nothing if there is none."""
    near = (one.text for one in lines if abs(one.number - line) <= _NEAR)
    found = next(filter(None, map(_LISTED.search, near)), None)
    bound = _BOUND.search(found["asked"]) if found else None
    if found is None or bound is None or not is_version(bound["version"]):
        return {}
    listed = sorted(_read(found["listed"]), key=key)
    if not listed:
        return {}
    asked, oldest, newest = key(bound["version"]), listed[0], listed[-1]
    if asked < key(oldest) and bound["operator"] in _ONE_OR_OLDER:
        return {"listing": f": the oldest for them is {oldest}, so that this Python is too new"}
    if asked > key(newest) and bound["operator"] not in _ONE_OR_OLDER - {"=="}:
        why = "this Python is too old for a newer one, or there is none of that number"
        return {"listing": f": the newest for them is {newest}, so that {why}"}
    return {"listing": f": there are {oldest} to {newest}, and not that one"}


_ONE_OR_OLDER = frozenset({"==", "===", "<", "<=", "~="})


def _read(listed: str) -> Iterator[str]:
    yield from (one for one in map(str.strip, listed.split(",")) if is_version(one))
