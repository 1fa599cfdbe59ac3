"""Removes private data from facts: home folders, user and host names, tokens.

Facts contain paths and output of programs, both of which can include names. Every string in them is
rewritten, keys included, before the facts leave the machine. A placeholder takes the place of
private text, so that the form of a path and the meaning of a message remain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.doctor.core.facts import Facts
from sdcoreml.ground.codec import from_plain, to_plain

_TOKENS = re.compile(
    r"\b(?:hf|ghp|gho|ghs|github_pat|glpat|sk|xox[abp])[_-][A-Za-z0-9_-]{8,}"
    r"|(?<=://)[^/@\s]+@"
    r"|\beyJ[\w-]{10,}\.[\w-]+\.[\w-]+"
)
_HOMES = re.compile(r"(?P<base>/(?:home|Users|var/home)/)(?P<user>[^/\s'\":]+)")
_SHORTEST = 3
"""The shortest name to replace: shorter ones occur inside words. Home paths are always replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """The private names of this machine and its user."""

    homes: tuple[str, ...]
    names: tuple[str, ...]


def secrets_here(environ: Mapping[str, str], home: Path, host: str) -> Secrets:
    """Collect the home folder, the user's names and the host name from the environment."""
    users = (environ.get(name, "") for name in ("USER", "LOGNAME", "SUDO_USER"))
    names = dict.fromkeys((*users, home.name, host, host.partition(".")[0]))
    return Secrets(
        homes=(str(home),),
        names=tuple(name for name in names if len(name) >= _SHORTEST and name not in COMMON),
    )


COMMON = frozenset({"root", "home", "user", "Users", "localhost", "runner", "ubuntu", "admin"})
"""Names that are not replaced: they are common in paths and reveal nothing."""


def redact(facts: Facts, secrets: Secrets) -> Facts:
    """Return the facts with private data replaced in every string."""
    return from_plain(Facts, _rewrite(to_plain(facts), secrets), "facts")


def _rewrite(value: object, secrets: Secrets) -> object:
    if isinstance(value, str):
        return clean(value, secrets)
    if isinstance(value, Mapping):
        return {clean(key, secrets): _rewrite(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_rewrite(item, secrets) for item in value]
    return value


def clean(text: str, secrets: Secrets) -> str:
    """Replace home folders, names and tokens in a text."""
    text = _TOKENS.sub("(token)", text)
    for home in _longest_first(secrets.homes):
        text = re.sub(rf"(?<![\w.-]){re.escape(home)}(?![\w.-])", "~", text)
    text = _HOMES.sub(r"\g<base>(user)", text)
    for name in _longest_first(secrets.names):
        whole = rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])"
        text = re.sub(whole, "(name)", text, flags=re.IGNORECASE)  # as hosts are written
    return text


def _longest_first(words: Iterable[str]) -> list[str]:
    """Sort names by length, the longest first, since a long one may contain a shorter one."""
    return sorted(filter(None, words), key=len, reverse=True)
