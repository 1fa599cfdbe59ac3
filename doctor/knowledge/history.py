"""Reads history.toml: since or until when projects have a name that others ask them for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sdcoreml.lockfiles.table import read_table


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Since and until when (the first version without it) projects have a name.

    `projects` are the names of the distributions by those of their modules, `others` those of them
    that other programs use as much; `again` tells when a name that was gone came back.
    """

    projects: Mapping[str, str]
    others: Mapping[str, str]
    since: Mapping[tuple[str, str], str]
    until: Mapping[tuple[str, str], str]
    again: Mapping[tuple[str, str], str]


@cache
def history() -> History:
    """Read history.toml."""
    table = read_table(Path(__file__).with_suffix(".toml"))
    others = table.table("others").mapping()
    projects = {**table.table("projects").mapping(), **others}
    since, until, again = (dict[tuple[str, str], str]() for _ in range(3))
    for row in table.tables("change"):
        project = row.get("project", str)
        bound = row.get("since", str, "") or row.get("until", str, "")
        for name in row.strings("names"):
            (since if "since" in row.values else until)[project, name] = bound
            if "again" in row.values:
                again[project, name] = row.get("again", str)
    table.finish()
    return History(projects=projects, others=others, since=since, until=until, again=again)


def find_package(project: str) -> str:
    """Return the folder that a project's code is in: that by which it is imported."""
    package = project.replace("-", "_")
    known = history().projects
    if package in known:
        return package
    found = next((module for module, one in known.items() if one == project), package)
    return found.partition(".")[0]
