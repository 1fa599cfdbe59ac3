"""Saves, publishes and compares the facts of `sdcoreml doctor`."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from sdcoreml.doctor.core import history
from sdcoreml.doctor.core.check import Status
from sdcoreml.doctor.core.engine import Report
from sdcoreml.doctor.core.facts import Facts
from sdcoreml.ground.errors import BadInputError
from sdcoreml.ground.places import home_folder


def is_plain(args: argparse.Namespace) -> bool:
    """Return True if this run examined this whole machine; only such runs are kept as good ones."""
    return not (args.facts or args.select or args.goal)


def redact_here(facts: Facts) -> Facts:
    """Return the facts without private details of this machine and user."""
    import platform

    from sdcoreml.doctor.core.redact import redact, secrets_here

    return redact(facts, secrets_here(os.environ, home_folder(), platform.node()))


def add_changes(args: argparse.Namespace, report: Report, facts: Facts) -> Report:
    """Add the changes since the given facts, or since the last good run, to the report."""
    if args.compare:
        before: Facts | None = redact_here(history.read(args.compare))
        facts, name = redact_here(facts), args.compare
    elif is_plain(args) and report.count(Status.ERROR):
        path = last_good(facts)
        before, name = history.read_if_any(path), f"the last good run{describe_day(path)}"
    else:
        return report
    if before is None:
        return report
    from sdcoreml.doctor.core.compare import find_changes

    return replace(report, compared=name, changes=tuple(map(str, find_changes(before, facts))))


def describe_day(path: Path) -> str:
    """Return when a file of facts was written, in words, or ""."""
    try:
        moment = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
    except OSError:
        return ""
    return f", {moment.astimezone():%d %b %Y %H:%M}"


def remember(facts: Facts) -> None:
    """Save these facts as those of the last good run, if the folder of environments exists."""
    path = last_good(facts)
    if path.parent.is_dir():
        with suppress(BadInputError):  # the folder is not writable
            history.write(facts, path)


def last_good(facts: Facts) -> Path:
    """Return the path for the facts of the last good run with the same toolchain."""
    from sdcoreml.ground.places import environments_folder

    return environments_folder() / history.LAST_GOOD.format(getattr(facts.toolchain, "name", ""))
