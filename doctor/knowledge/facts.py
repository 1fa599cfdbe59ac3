"""Finds what a log says anywhere that a cause in one of its lines may have to name.

The line that tells why a build failed does not say of what package; another line of the log does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sdcoreml.doctor.knowledge.lines import Line

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
        rf"^[│\s]*╰─> {_NAME}\s*$",
        rf"hint: .*`{_NAME}@[\w.]+` depends on",
        # Of the module that is compiled, its folder at the top is the package.
        rf"(?<![\w./\\-]){_NAME}/(?:[\w.-]+/)*[\w.-]+\.cp(?:ython-)?3\d+t?d?-\w+",
    ),
}
"""The groups that causes may have, and where a log says what belongs there, the best first."""

_SOURCE = re.compile(
    r"(?:Using cached|Downloading) (?:\S*/)?([A-Za-z0-9][\w.-]*?)-(\d[\w.]*)"
    r"\.(?:tar\.gz|zip)[^\n]*\n"
    r"(?:(?![^\n]*Collecting )[^\n]*\n){0,6}?"
    r"[^\n]*(?:Getting requirements to build wheel|Preparing metadata)[^\n]*(?:error|exit)"
)
"""The source that pip fetched last before it could not even ask how it is built."""

_COMPILED = {
    group: tuple(re.compile(wording) for wording in wordings) for group, wordings in _FACTS.items()
}


def find_facts(lines: Sequence[Line]) -> Mapping[str, str]:
    """Return what the lines of a log say for causes that do not capture it themselves."""
    found: dict[str, str] = {}
    if source := _SOURCE.findall("\n".join(line.text for line in lines)):
        found["built"] = "==".join(source[-1])
    for group, wordings in _COMPILED.items():
        for wording in wordings:
            said = next(filter(None, (wording.search(line.text) for line in lines)), None)
            if said:
                found[group] = said["name"].rstrip(".")
                break
    return found
