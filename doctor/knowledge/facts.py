"""Finds what a log says anywhere that a cause in one of its lines may have to name.

The line that tells why a build failed does not say of what package; another line of the log does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.ground.names import normalise

_NAME = (
    r"(?P<name>(?!(?:the|an?|your|and|module|target|project|scheme|gem|installable|wheel)\b)"
    r"[A-Za-z0-9][\w.-]*?(?:==[\w.]+)?)"
)
_BUILDING = (
    r"(?:Failed building (?:wheel|editable) for|Building wheel for|Running setup\.py \w+ for"
    r"|Failed to (?:download and )?build|Could not build wheels for)"
)
_FACTS: Mapping[str, tuple[str, ...]] = {
    "built": (
        rf"{_BUILDING} `?{_NAME}(?=[`\s,(]|$)",
        rf"[/\\]pip-(?:install|req-build|wheel)-\w+[/\\]{_NAME}_[0-9a-f]{{32}}[/\\]",
        rf"based projects \({_NAME}[,)]",
        rf"Failed to (?:build|fetch wheel): {_NAME}(?=\s|$)",
        rf"^[│\s]*╰─> {_NAME}\s*$",
        rf"hint: .*`{_NAME}@[\w.]+` depends on",
        # Of the module that is compiled, its folder at the top is the package.
        rf"(?<![\w./\\-]){_NAME}/(?:[\w.-]+/)*[\w.-]+\.cp(?:ython-)?3\d+t?d?-\w+",
    ),
}
"""The groups that causes may have, and where a log says what belongs there, the best first."""

_COMPILED = {
    group: tuple(re.compile(wording) for wording in wordings) for group, wordings in _FACTS.items()
}


def find_facts(lines: Sequence[Line]) -> Mapping[str, str]:
    """Return what the lines of a log say for causes that do not capture it themselves."""
    found: dict[str, str] = {}
    if source := find_source(lines):
        found["built"] = f"{source.project}=={source.version}"
    for group, wordings in _COMPILED.items():
        for wording in wordings:
            said = next(filter(None, (wording.search(line.text) for line in lines)), None)
            if said:
                found[group] = said["name"].rstrip(".")
                break
    if source and found["built"] == source.project:
        found["release"] = source.version
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The source of a release that pip took, and the line in which it says so."""

    line: Line
    project: str
    version: str


def find_source(lines: Sequence[Line]) -> Source | None:
    """Return the source whose build failed first, if pip says which one it took."""
    end = next((at for at, line in enumerate(lines) if _FAILED.search(line.text)), 0)
    taken = [
        Source(line=line, project=found["project"], version=found["version"])
        for line in lines[:end]
        if (found := _TAKEN.match(line.text))
    ]
    built = next(filter(None, (_OF.search(line.text) for line in lines[max(0, end - 1) :])), None)
    named = [one for one in taken if built and normalise(one.project) == normalise(built["name"])]
    if named or built:
        return named[-1] if named else None
    return taken[-1] if taken else None


_FAILED = re.compile(
    r"error: subprocess-exited-with-error|\bCommand errored out with exit status"
    r"|\b(?:wheel|editable|metadata)\b.*(?: \.\.\. error|: finished with status 'error')\s*$"
)
_TAKEN = re.compile(
    r"\s*(?:Using cached|Downloading) (?:\S*/)?(?P<project>[A-Za-z0-9][\w.-]*?)"
    r"-(?P<version>\d[\w.+]*?)\.(?:tar\.gz|zip|tar\.bz2)\b"
)
_OF = re.compile(rf"{_BUILDING} `?{_NAME}(?=[`\s,(]|$)")
