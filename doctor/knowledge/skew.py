"""Says which two packages do not belong together when one asks another for what it does not have.

`history.toml` knows since or until when the packages of the toolchain have what others ask them
for. Who asked is told by the last foreign code that the traceback passed through, or by the lazy
import that failed; versions are those installed here, or named in the log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sdcoreml.doctor.knowledge import Confidence, Failure
from sdcoreml.doctor.knowledge.reading import Line
from sdcoreml.doctor.knowledge.structure import Raised
from sdcoreml.ground.names import normalise
from sdcoreml.lockfiles.table import read_table
from sdcoreml.lockfiles.versions import is_version

TOPIC = "family_skew"
_HISTORY = Path(__file__).parent / "history.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Skew:
    """What is known of the packages in a log: its text, its exceptions, the versions installed."""

    text: str
    chains: Sequence[Sequence[Raised]]
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Since and until when (the first version without it) projects have a name.

    `projects` are the names of the distributions by those of their modules.
    """

    projects: Mapping[str, str]
    since: Mapping[tuple[str, str], str]
    until: Mapping[tuple[str, str], str]


@cache
def history() -> History:
    """Read history.toml."""
    table = read_table(_HISTORY)
    projects = table.table("projects").mapping()
    since, until = dict[tuple[str, str], str](), dict[tuple[str, str], str]()
    for row in table.tables("change"):
        project = row.get("project", str)
        bound = row.get("since", str, "") or row.get("until", str, "")
        for name in row.strings("names"):
            (since if "since" in row.values else until)[project, name] = bound
    table.finish()
    return History(projects=projects, since=since, until=until)


def resolve(
    entry: Failure, line: Line, captured: Mapping[str, str], skew: Skew
) -> Mapping[str, str]:
    """Add to what a pattern captured who asked whom for what, if that is the entry's family."""
    if entry.topic != TOPIC or "name" not in captured:
        return captured
    known = history()
    name = captured["name"]
    module = captured.get("module", "").partition("[")[0]
    asked = known.projects.get(module.partition(".")[0]) or _owner(captured, known)
    if not asked:
        return {**captured, "confidence": Confidence.GUESS.value}
    asker = _find_asker(line, asked, skew, known)
    told = _tell(asked, asker, name, module, known)
    pair = [
        f"{one} {version}"
        for one in dict.fromkeys((asker, asked))
        if one and (version := find_version(one, skew))
    ]
    return {
        **captured,
        **told,
        **({"pair": f" ({' with '.join(pair)})"} if pair else {}),
        "asked": asked,
        **({"asker": asker} if asker else {}),
    }


def _owner(captured: Mapping[str, str], known: History) -> str:
    """Return the project whose class or function was called, as history.toml knows it."""
    owner = captured.get("owner", "")
    return next((known.projects[part] for part in owner.split(".") if part in known.projects), "")


def _find_asker(line: Line, asked: str, skew: Skew, known: History) -> str:
    """Return the project that asked: of the exception's last foreign code, or of a lazy import."""
    raised = next(
        (one for chain in skew.chains for one in chain if one.start <= line.number <= one.end), None
    )
    for package in reversed(raised.packages if raised else ()):
        project = known.projects.get(package, normalise(package))
        if project != asked:
            return project
    lazy = re.search(r"Failed to import (?P<name>\w+)\.", skew.text)
    found = known.projects.get(lazy["name"], "") if lazy else ""
    return found if found != asked else ""


def _tell(asked: str, asker: str, name: str, module: str, known: History) -> dict[str, str]:
    """Say which of the two is too old or too new, with the version that changed it if known."""
    short = name.rpartition(".")[2] if name.partition(".")[0] not in {asked, module} else name
    who = asker or "the code that ran"
    since = known.since.get((asked, short)) or known.since.get((asked, name))
    until = known.until.get((asked, short)) or known.until.get((asked, name))
    if since:
        return {
            "skew": f"{asked} is too old: it has {short} since {since}, and {who} asks for it",
            "cure": f"{asked} {since} or newer",
            "confidence": Confidence.CERTAIN.value,
        }
    if until:
        return {
            "skew": f"{asked} is too new: {until} removed {short}, which {who} asks for",
            "cure": f"{asked} before {until}",
            "confidence": Confidence.CERTAIN.value,
        }
    return {
        "skew": f"{who} and {asked} are not made for each other: this {asked} has no {short}",
        "cure": f"the {asked} that {who} was made for",
    }


def find_version(project: str, skew: Skew) -> str:
    """Return a project's version as the log names it, else as it is installed; "" if unknown."""
    spelled = re.escape(project).replace(r"\-", "[-_]")
    found = re.search(
        rf"(?i)(?<![\w./-]){spelled}(?:==|-|\s+version:?\s+|:\s+|\s+v?)`?(\d+(?:\.\d+)+[\w.+]*)",
        skew.text,
    )
    if found and is_version(found[1].rstrip(".")):
        return found[1].rstrip(".")
    return skew.versions.get(project, "")
