"""Are there known vulnerabilities in what is locked? uv asks the OSV database; nothing is built."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from envs.errors import UnauditedError
from envs.frozen import Frozen, project, uv_command
from envs.process import run
from envs.reasons import quote

_FOUND = (0, 1)
"""How uv ends when it could ask: nothing is known, or something is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vulnerability:
    """One that is known of a locked version; `fixed` are the versions without it."""

    project: str
    version: str
    name: str
    aliases: tuple[str, ...]
    summary: str
    fixed: tuple[str, ...]
    link: str

    def __str__(self) -> str:
        """Such as `torch 2.2.0: GHSA-... (CVE-...): summary; fixed in 2.6.0`."""
        aliases = f" ({', '.join(self.aliases)})" if self.aliases else ""
        fixed = f"fixed in {', '.join(self.fixed)}" if self.fixed else "no version without it"
        summary = " ".join(self.summary.split())
        return f"{self.project} {self.version}: {self.name}{aliases}: {summary}; {fixed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """How many packages were asked about, and what is known of them."""

    packages: int
    found: tuple[Vulnerability, ...]


def audit(frozen: Frozen, ignore: Sequence[str] = (), service: str = "") -> Audited:
    """Ask about every locked package; `service` is the URL of another OSV service.

    Raises:
        UnauditedError: the service cannot be asked; that says nothing about the packages.
    """
    command = uv_command("audit", "--output-format", "json")
    command += ["--preview-features", "audit-command,json-output"]
    command += ["--service-url", service] if service else []
    for one in ignore:
        command += ["--ignore", one]
    with project(frozen) as folder:
        done = run([*command, "--project", str(folder)], cwd=folder)
    outcome = _read(done.out) if done.code in _FOUND else None
    if outcome is None:
        words = quote(done.err.strip() or done.out.strip()) or f"exit code {done.code}"
        raise UnauditedError(
            f"{frozen.lock.path}: not audited: the vulnerability service cannot be asked; check the"
            f" network and proxy, or name another with --service URL (uv said: {words})"
        )
    return outcome


def _read(text: str) -> Audited | None:
    """What uv printed; None when it is nothing that uv prints."""
    try:
        said = json.loads(text)
        found = tuple(_vulnerability(one) for one in said["vulnerabilities"])
        return Audited(packages=int(said["summary"]["audited_packages"]), found=found)
    except (ValueError, KeyError, TypeError):
        return None


def _vulnerability(said: Mapping[str, Any]) -> Vulnerability:
    return Vulnerability(
        project=said["dependency"]["name"],
        version=said["dependency"]["version"],
        name=said["display_id"],
        aliases=tuple(said["aliases"]),
        summary=said["summary"] or said["description"] or "",
        fixed=tuple(said["fix_versions"]),
        link=said["link"] or "",
    )
