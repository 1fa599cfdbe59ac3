"""Says what the releases that pip lists tell of why the one that is asked for is not among them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.ground.names import normalise
from sdcoreml.lockfiles.versions import is_version, key

_LISTED = re.compile(
    r"satisfies the requirement (?P<asked>[^\n(]+?)"
    r"(?: \(from (?!versions)[^()\n]*(?:\([^()\n]*\))?\))? \(from versions:"
    r" (?P<listed>\d[^)\n]*)(?P<end>\)?)"
)
_OLD_PIP = re.compile(
    r"^\s*Could not find a version that satisfies"
    r"|[Yy]ou are using pip version (?:\d|1\d)\.|^\s*pip (?:\d|1\d)\.[\d.]+ from "
)
"""Before 19.1 pip wrote no ERROR: before its messages; up to 19 it knows few names of platforms."""

_WINDOWS = re.compile(r"\b[A-Za-z]:\\\w|\bwin(?:_amd64|32)\b|\bWindows\b|\bPowerShell\b")
"""Its wheels have had the same names since before there were wheels of anything else."""

_UNSEEN = (
    "this pip is older than 20, and does not see wheels whose names are newer than itself (of"
    " manylinux2010 and later, and macOS 11 and later)"
)
_OLDER = (
    "Use an older Python, one of that release's time (3.10 for most of 2022 and 2023; conda create"
    " -n old python=3.7 brings older ones), or ask for {oldest} or newer. `sdcoreml env` brings"
    " Python 3.10 and versions that were tested."
)
_BOUND = re.compile(r"(?P<operator>===?|>=|<=|~=|<|>)\s*(?P<version>\d[\w.+]*)")
_NEAR = 3


def find_listing(line: int, lines: Sequence[Line]) -> Mapping[str, str]:
    """Return what the list at a line says, for the place `listing`, and what to do `instead`."""
    near = (one.text for one in lines if abs(one.number - line) <= _NEAR)
    found = next(filter(None, map(_LISTED.search, near)), None)
    bound = _find_bound(found["asked"]) if found else None
    if found is None or bound is None or not is_version(bound["version"]):
        return {}
    listed = sorted(_read(found["listed"]), key=key)
    if not listed:
        return {}
    asked, oldest, newest = key(bound["version"]), listed[0], listed[-1]
    if asked < key(oldest) and bound["operator"] in _ONE_OR_OLDER:
        return {
            "listing": f": the oldest for them is {oldest}, so that this Python is too new",
            "instead": _OLDER.format(oldest=oldest),
        }
    if asked > key(newest) and bound["operator"] not in _ONE_OR_OLDER - {"=="}:
        if _is_of_an_old_pip(line, lines):
            shown = f"the newest that pip shows is {newest}, and " if found["end"] else ""
            return {"listing": f": {shown}{_UNSEEN}"}
        python = _LAST.get(_find_name(found["asked"]), {}).get(newest) if found["end"] else ""
        why = (
            f"Python {python} runs, for which it is the last"
            if python
            else "this Python is too old for a newer one, or there is none of that number"
        )
        return {"listing": f": the newest for them is {newest}, so that {why}"}
    return {"listing": f": there are {oldest} to {newest}, and not that one"}


_LAST: Mapping[str, Mapping[str, str]] = {
    "numpy": {"1.19.5": "3.6", "1.21.6": "3.7", "1.24.4": "3.8", "2.0.2": "3.9", "2.2.6": "3.10"},
    "scipy": {"1.5.4": "3.6", "1.7.3": "3.7", "1.10.1": "3.8", "1.13.1": "3.9", "1.15.3": "3.10"},
    "torch": {"1.10.2": "3.6", "1.13.1": "3.7", "2.4.1": "3.8", "2.8.0": "3.9"},
    "pandas": {"1.1.5": "3.6", "1.3.5": "3.7", "2.0.3": "3.8"},
    "scikit-learn": {"0.24.2": "3.6", "1.0.2": "3.7", "1.3.2": "3.8", "1.6.1": "3.9"},
    "matplotlib": {"3.3.4": "3.6", "3.5.3": "3.7", "3.7.5": "3.8", "3.9.4": "3.9"},
    "pillow": {"8.4.0": "3.6", "9.5.0": "3.7", "10.4.0": "3.8", "11.3.0": "3.9"},
    "transformers": {"4.18.0": "3.6", "4.30.2": "3.7", "4.46.3": "3.8"},
    "diffusers": {"0.21.4": "3.7"},
}
"""The last releases that exist for a Python: where pip's list ends with one, that Python runs."""


def _find_name(asked: str) -> str:
    name = re.match(r"[\w.-]+", asked.strip())
    return normalise(name[0]) if name else ""


def _find_bound(asked: str) -> re.Match[str] | None:
    """Return what a requirement asks for at least, or else its first bound."""
    bounds = list(_BOUND.finditer(asked))
    lower = (one for one in bounds if not one["operator"].startswith("<"))
    return next(lower, next(iter(bounds), None))


def _is_of_an_old_pip(line: int, lines: Sequence[Line]) -> bool:
    said = any(
        _OLD_PIP.search(one.text)
        for one in lines
        if abs(one.number - line) <= _NEAR or "pip" in one.text
    )
    return said and not any(_WINDOWS.search(one.text) for one in lines)


_ONE_OR_OLDER = frozenset({"==", "===", "<", "<=", "~="})


def _read(listed: str) -> Iterator[str]:
    yield from (one for one in map(str.strip, listed.split(",")) if is_version(one))
