"""`sdcoreml verify`: a finished folder checked again, alone or against its model."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from convert.certificates.issue import Issuer, title_of
from convert.certificates.store import FILE, load, save
from convert.manifest import read_manifest
from convert.verify import Against, Verification, verify
from convert.worker import Outcome, Runner, Worker
from doctor.backend import asked_backend
from doctor.commands.convert_summary import figures_of
from doctor.errors import UsageError
from doctor.terminal import draw
from envs.build import Options, build
from envs.events import Emit, silent
from lockfiles.toolchain import load_toolchain

SCHEMA = 1
"""Version of what `--json` prints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A runner that builds its environment only if it is asked to run something."""

    toolchain: str

    def run(self, task: str, request: Mapping[str, Any], emit: Emit = silent) -> Outcome:
        """Run the task in the built environment."""
        options = Options(backend=asked_backend())
        environment = build(load_toolchain(self.toolchain), options=options, emit=emit)
        return Worker(python=environment.python).run(task, request, emit)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("bundle", type=Path, help="a folder that sdcoreml convert made")
    parser.add_argument(
        "--against", type=Path, metavar="MODEL", help="prove the numbers against this model again"
    )
    parser.add_argument(
        "--refiner", type=Path, metavar="MODEL", help="with --against: what UnetRefiner is made of"
    )
    depth = parser.add_mutually_exclusive_group()
    depth.add_argument(
        "--fast", action="store_true", help="run a sample of the inputs only, in one precision"
    )
    depth.add_argument(
        "--full", action="store_true", help="run everything, also graphs that are certified"
    )
    depth.add_argument(
        "--certify", action="store_true", help="as --full, and certify the graphs for everybody"
    )
    parser.add_argument(
        "--toolchain", default=os.environ.get("TOOLCHAIN") or "tested", help="default: tested"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON on stdout")


def run(args: argparse.Namespace, runner: Runner | None = None, file: Path = FILE) -> int:
    """Verify one folder; 0 if all is well, 1 if not, 6 if a program computes something else.

    `runner` and `file` (of certificates) are the real ones unless a test has others.
    """
    if args.against is None and (args.fast or args.full or args.certify):
        raise UsageError(
            "--fast, --full and --certify say how to run programs; add --against MODEL"
        )
    against = None
    if args.against is not None:
        certificates = {} if args.full or args.certify else load(file)
        against = Against(
            model=args.against, refiner=args.refiner, certificates=certificates, fast=args.fast
        )
    with draw() as emit:
        result = verify(args.bundle, runner or Environment(toolchain=args.toolchain), against, emit)
    print(json.dumps(as_json(result)) if args.json else summary(result))
    if args.certify and result.passed:
        count = certify(result, args.toolchain, file)
        print(f"{count} graphs certified in {file}", file=sys.stderr if args.json else sys.stdout)
    return 0 if result.passed else 1


def certify(result: Verification, toolchain: str, file: Path) -> int:
    """Add the graphs that were just proved to the file of certificates; returns how many."""
    manifest = read_manifest(result.bundle)
    made_in = manifest["toolchain"]
    issuer = Issuer(
        toolchain=toolchain,
        lock=made_in["lock"] if made_in.get("name") == toolchain and "lock" in made_in else "",
        date=date.today().isoformat(),  # noqa: DTZ011  the day where people are
    )
    issued = (issuer.issue(checked, title_of(manifest)) for checked in result.checked.values())
    new = {item.key: item for item in issued if item is not None}
    save({**load(file), **new}.values(), file)
    return len(new)


def as_json(result: Verification) -> dict[str, Any]:
    """The result for machines."""
    return {
        "schema": SCHEMA,
        "folder": str(result.bundle),
        "passed": result.passed,
        "files": result.files,
        "faults": [
            {"path": str(fault.path), "what": fault.what, "next": fault.next}
            for fault in result.faults
        ],
        "programs": result.checked,
    }


def summary(result: Verification) -> str:
    """The result for people."""
    if result.faults:
        lines = [f"{result.bundle}: {len(result.faults)} problems", *map(str, result.faults)]
        return "\n".join(lines)
    lines = [f"{result.bundle}: {result.files} files as they were written"]
    for name, checked in result.checked.items():
        figures = figures_of(checked)
        proof = checked.get("certificate")
        how = f" (certified in {proof['toolchain']} on {proof['date']})" if proof else ""
        if sample := checked.get("sample"):
            how = f" (a sample: the same graph, drawn and run for {sample}, once)"
        lines.append(f"  {name:<12} {figures}{how}; {checked['audit']['matched']} weights equal")
    if not result.checked:
        lines.append("  numbers not checked: add --against MODEL, the folder it was made from")
    return "\n".join(lines)
