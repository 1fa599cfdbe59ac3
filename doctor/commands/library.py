"""`sdcoreml library`: lists what is in a folder of models, and what apps make of each.

The checks are those of `sdcoreml doctor`, on facts that are read from descriptions only.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sdcoreml.convert.deliver.mochi import find_mochi, is_there
from sdcoreml.doctor.checks import CHECKS
from sdcoreml.doctor.commands.library_text import as_text
from sdcoreml.doctor.core.check import Check, CheckFamily, Finding
from sdcoreml.doctor.core.engine import examine
from sdcoreml.doctor.core.facts import Facts
from sdcoreml.doctor.core.library import (
    CRASHES_272,
    HIDES_NEXT,
    Entry,
    Judged,
    Kind,
    Twins,
    find_twins,
    judge_entry,
    pair,
)
from sdcoreml.doctor.gather import Request, gather
from sdcoreml.doctor.gather.library import Shelf, read_shelf
from sdcoreml.doctor.gather.probe import Probe
from sdcoreml.ground.advice import spell
from sdcoreml.ground.errors import BadInputError, ExitCode
from sdcoreml.ground.places import as_path, can_exist, home_folder

SCHEMA = 1
"""Version of the format that `--json` prints."""

_OF_FOLDERS: tuple[Check, ...] = tuple(one for one in CHECKS if one.family is CheckFamily.BUNDLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedShelf:
    """A folder of models, its entries with verdicts, and what sharing equal weights would save."""

    path: Path
    entries: tuple[Judged, ...]
    twins: tuple[Twins, ...]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "folders",
        nargs="*",
        type=as_path,
        metavar="FOLDER",
        help="a folder of Core ML models (default: Mochi Diffusion's own, and its ControlNets)",
    )
    parser.add_argument("--json", action="store_true", help="print the list as JSON")


def run(args: argparse.Namespace) -> int:
    """Print what is in each folder; return 1 if something in them cannot be loaded by any app."""
    for path in args.folders:
        if not can_exist(path) or not path.is_dir():
            raise BadInputError("no such folder", where=path, remedy="give a folder of models")
    facts = gather(Request(groups=("system",)), Probe()).facts
    shelves = judge([read_shelf(path) for path in args.folders or folders_of_mochi()], facts)
    if args.json:
        print(json.dumps({"schema": SCHEMA, "folders": [as_data(shelf) for shelf in shelves]}))
    else:
        for shelf in shelves:
            sys.stdout.write("".join(f"{line}\n" for line in as_text(*_parts(shelf))))
    judged = (one for shelf in shelves for one in shelf.entries if one.apps)
    fails = any(all(app.runs == "no" for app in one.apps) for one in judged)
    return ExitCode.PROBLEMS if fails else ExitCode.FINE


def _parts(shelf: JudgedShelf) -> tuple[Path, Sequence[Judged], Sequence[Twins]]:
    return shelf.path, shelf.entries, shelf.twins


def folders_of_mochi() -> tuple[Path, ...]:
    """Return Mochi Diffusion's folders.

    Raises:
        BadInputError: they are not on this machine.
    """
    found = find_mochi(home_folder())
    if not is_there(found.models):
        raise BadInputError(
            "Mochi Diffusion's folder of models is not there",
            where=found.models,
            remedy="name a folder: `sdcoreml library FOLDER`",
        )
    return (found.models, *([found.nets] if is_there(found.nets) else []))


def judge(shelves: Sequence[Shelf], facts: Facts) -> tuple[JudgedShelf, ...]:
    """Run the doctor's checks of finished folders on each entry, and draw the verdicts.

    ControlNets are paired with the models of all folders.
    """
    paired = iter(pair([_judge(entry, facts) for shelf in shelves for entry in shelf.entries]))
    return tuple(
        JudgedShelf(
            path=shelf.path,
            entries=tuple(next(paired) for _ in shelf.entries),
            twins=tuple(find_twins(shelf.weights)),
        )
        for shelf in shelves
    )


def _judge(entry: Entry, facts: Facts) -> Judged:
    if entry.bundle is None:
        return judge_entry(entry, ())
    report = examine(replace(facts, bundle=entry.bundle), _OF_FOLDERS)
    return judge_entry(entry, report.results)


def as_data(shelf: JudgedShelf) -> Mapping[str, object]:
    """Convert a folder's entries to plain values for JSON; sizes in bytes and pixels."""
    return {
        "path": str(shelf.path),
        "entries": [_entry(one) for one in shelf.entries],
        "sharing_saves": sum(one.saves for one in shelf.twins),
        "alike": [
            {"saves": one.saves, "files": [file.path for file in one.files]} for one in shelf.twins
        ],
    }


def _entry(judged: Judged) -> Mapping[str, object]:
    entry = judged.entry
    width, height = entry.size
    return {
        "name": entry.name,
        "path": entry.path,
        "link": entry.link or None,
        "kind": entry.kind.value,
        "family": entry.family.name.lower(),
        "width": width or None,
        "height": height or None,
        "attention": entry.attention or None,
        "storage": entry.storage or None,
        "bytes": entry.nbytes,
        "made_by": entry.maker or None,
        "macos": judged.macos or None,
        "apps": [
            {"name": one.target, "runs": one.runs, "reason": one.reason} for one in judged.apps
        ],
        "fits": list(judged.fits) if entry.kind is Kind.NET else None,
        "hidden_by_next_mochi": judged.has(HIDES_NEXT) if judged.apps else None,
        "crashes_macos_27_2": judged.has(CRASHES_272) if judged.apps else None,
        "reason": entry.reason or None,
        "next": spell(entry.remedy) or None,
        "findings": [_finding(*one) for one in judged.findings],
    }


def _finding(check: str, finding: Finding) -> Mapping[str, object]:
    fix = finding.fix.title if finding.fix else ""
    return {
        "id": check,
        "status": finding.status.value,
        "what": finding.what,
        "next": spell(fix) or None,
    }
