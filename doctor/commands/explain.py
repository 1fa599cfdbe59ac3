"""`sdcoreml explain`: prints the page of a check or of a known failure, or the list of checks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby

from sdcoreml.doctor.checks import CHECKS
from sdcoreml.doctor.core.check import Check
from sdcoreml.doctor.core.engine import names
from sdcoreml.doctor.knowledge import Failure, entries, fill
from sdcoreml.doctor.report.layout import wrap
from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.visible import without_filter


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("names", nargs="*", metavar="ID", help="a check, family or failure")
    parser.add_argument("--markdown", action="store_true", help="write every page as one document")


def run(args: argparse.Namespace) -> int:
    """Print the pages of the given checks and failures, or the list of all checks."""
    if args.markdown:
        from sdcoreml.doctor.report.reference import document

        without_filter(sys.stdout).write(document(CHECKS, entries()))
    elif args.names:
        print("\n\n".join("\n".join(page(name)) for name in args.names))
    else:
        print("\n".join(listing(CHECKS)))
    return 0


def listing(checks: Iterable[Check]) -> Iterator[str]:
    """Yield the list of checks by family: id and title."""
    for family, group in groupby(checks, key=lambda check: check.family):
        yield family.value
        for check in group:
            yield f"  {check.id}  {check.title}"


def page(name: str) -> Iterator[str]:
    """Yield the page of one check or failure, or the checks of a family."""
    several = [one for one in CHECKS if names(name, one)]
    check = next((one for one in CHECKS if one.id == name.upper()), None)
    entry = next((one for one in entries() if one.id == name.lower()), None)
    if check:
        yield from of_check(check)
    elif entry:
        yield from of_entry(entry)
    elif several:
        yield from listing(several)
    else:
        near = [one.id for one in entries() if name.lower() in one.id]
        hint = f"perhaps {', '.join(near[:3])}" if near else "`sdcoreml explain` lists the checks"
        raise UsageError(f"no check or failure is named {name}", remedy=hint)


def of_check(check: Check) -> Iterator[str]:
    """Yield a check's title, its explanation, and the failures that it predicts."""
    yield f"{check.id}  {check.title}"
    yield from wrap("        ", f"{check.family.value}; looks at {', '.join(check.needs)}")
    for paragraph in filter(None, check.page.split("\n\n")):
        yield ""
        yield from wrap("", paragraph)
    prevents = [entry.id for entry in entries() if check.id in entry.checks]
    if prevents:
        yield ""
        yield from wrap("", "Finds in time: " + ", ".join(prevents))


def of_entry(entry: Failure) -> Iterator[str]:
    """Yield a failure's symptoms, its cause and its remedy."""
    yield f"{entry.id}  ({entry.role.value})"
    yield ""
    yield f"    {entry.example}"
    yield ""
    conditions = ", ".join(f"{name} {versions}" for name, versions in entry.when.items())
    rows = {
        "cause": fill(entry.cause),
        "do": fill(entry.fix),
        "when": conditions,
        "checks": ", ".join(entry.checks),
        "seen": ", ".join(entry.seen),
    }
    for label, text in rows.items():
        if text:
            yield from wrap(f"{label:<8}", text)
    for case in entry.cases:
        yield ""
        yield from wrap(f"{'if':<8}", case.example)
        for label, text in (("cause", fill(case.cause)), ("do", fill(case.fix))):
            if text:
                yield from wrap(f"{label:<8}", text)
