"""Translates the output of a failed installer into an error with a remedy."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sdcoreml.envs.processes.process import ProcessResult
from sdcoreml.ground.addresses import hide_credentials
from sdcoreml.ground.errors import (
    EnvError,
    InstallError,
    NoSpaceError,
    SdcoremlError,
    UnreachableError,
)

_FRAME = "\N{BOX DRAWINGS LIGHT VERTICAL}\N{BOX DRAWINGS LIGHT VERTICAL AND RIGHT}"
_FRAME += "\N{BOX DRAWINGS LIGHT ARC UP AND RIGHT}\N{BOX DRAWINGS LIGHT HORIZONTAL}"
_FRAME += "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}\N{MULTIPLICATION SIGN} "
_LENGTH = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A kind of failure: the pattern that identifies it, its error, and the remedy."""

    words: str
    error: type[SdcoremlError]
    meaning: str


REASONS = (
    Reason(
        words=r"No space left|os error 28|Disk quota|os error 122|File too large|os error 27",
        error=NoSpaceError,
        meaning="the disk is full; free space and run this again",
    ),
    Reason(
        words=r"[Hh]ash(es)? mismatch|DO NOT MATCH THE HASHES",
        error=InstallError,
        meaning="a package is not the file that was locked: the lock was edited, or another file is"
        " served; restore the lock with git, or ask another index with --index URL",
    ),
    Reason(
        words=r"error sending request|[Dd]ns error|Connection refused|Failed to (fetch|connect)"
        r"|NewConnectionError|Max retries|timed out|ConnectTimeout|Could not fetch URL"
        r"|[Nn]etwork (is |was )?(unreachable|disabled)|connectivity is disabled|ProxyError"
        r"|CERTIFICATE_VERIFY_FAILED|UnknownIssuer",
        error=UnreachableError,
        meaning="the package index cannot be reached; check the network, proxy and certificates"
        " (HTTPS_PROXY, SSL_CERT_FILE), or name a mirror with --index URL",
    ),
    Reason(
        words=r"No solution found|[Nn]o matching distribution|not found in the|no wheels"
        r"|no version of|Could not find a version|Failed to read .?--find-links",
        error=InstallError,
        meaning="a locked package has no wheel for this machine where it was looked for",
    ),
    Reason(
        words=r"Permission denied|Read-only file system|os error 13\b|os error 30\b",
        error=EnvError,
        meaning="a folder is not writable; set SDCOREML_ENVS, or UV_CACHE_DIR, to one that is",
    ),
)


def explain(finished: ProcessResult) -> SdcoremlError:
    """Return the error that a failed installer's output stands for."""
    words = finished.err.strip() or finished.out.strip()
    ending = f"signal {-finished.code}" if finished.code < 0 else f"exit code {finished.code}"
    quoted = quote(words) or ending
    for reason in REASONS:
        if re.search(reason.words, words):
            return reason.error(f"install: {reason.meaning} (the installer said: {quoted})")
    return InstallError(f"install: {ending}: {quoted}", remedy="try again, or --installer pip")


def quote(words: str) -> str:
    """Return an installer's error message in one line, without line-drawing characters."""
    lines = (line.strip(_FRAME).strip() for line in words.splitlines())
    plain = (re.sub(r"^(error|ERROR|cause|Caused by): *", "", line) for line in lines)
    joined = ": ".join(line.rstrip(":") for line in plain if line)
    return hide_credentials(joined)[:_LENGTH]
