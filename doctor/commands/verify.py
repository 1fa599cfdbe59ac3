"""`sdcoreml verify`: checks a finished folder again, alone or against its model."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sdcoreml.convert.certificates.store import FILE, load
from sdcoreml.convert.jobs.evidence import evidence
from sdcoreml.convert.jobs.verify import Against, Verification, verify
from sdcoreml.convert.loading.measure import LoadOptions
from sdcoreml.convert.loading.record import LoadReport, Units
from sdcoreml.convert.worker import Outcome, Runner, Worker
from sdcoreml.doctor.commands import verify_coreml
from sdcoreml.doctor.commands.verify_coreml import FindMac, find_mac
from sdcoreml.doctor.core.backend import add_toolchain, choose_backend
from sdcoreml.doctor.report.terminal import draw
from sdcoreml.ground.advice import spell
from sdcoreml.ground.codec import read_field
from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.events import Emit, silent
from sdcoreml.ground.places import as_path
from sdcoreml.lockfiles.toolchain import load_toolchain

SCHEMA = 1
"""The version of the format that `--json` prints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentOnDemand:
    """A runner that builds its environment only when a task is run.

    `args` are the arguments of the command that uses it.
    """

    toolchain: str
    args: argparse.Namespace

    def run(self, task: str, request: Mapping[str, object], emit: Emit = silent) -> Outcome:
        """Run the task in the environment, which is built first if necessary."""
        from sdcoreml.doctor.commands.convert_environment import require_torch
        from sdcoreml.envs.building.build import BuildOptions, build

        options = BuildOptions(backend=choose_backend())
        toolchain = load_toolchain(self.toolchain)
        parts = read_field(request, "packages", tuple[dict[str, object], ...], ())
        if parts:
            names = ", ".join(str(part["component"]) for part in parts)
            require_torch(toolchain, f"running what no certificate proves ({names})", self.args)
        environment = build(toolchain, options=options, emit=emit)
        return Worker(python=environment.python).run(task, request, emit)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("bundle", type=as_path, help="a folder that sdcoreml convert made")
    parser.add_argument(
        "--against",
        type=as_path,
        metavar="MODEL",
        help="prove the numbers against this model again",
    )
    parser.add_argument(
        "--refiner",
        type=as_path,
        metavar="MODEL",
        help="with --against: what UnetRefiner is made of",
    )
    parser.add_argument(
        "--tokenizer",
        type=as_path,
        metavar="FOLDER",
        help="with --against FILE: the tokenizer that convert was given with it",
    )
    depth = parser.add_mutually_exclusive_group()
    depth.add_argument(
        "--fast", action="store_true", help="run a sample of the inputs only, in one precision"
    )
    depth.add_argument(
        "--full", action="store_true", help="run everything, also graphs that are certified"
    )
    verify_coreml.configure(parser)
    add_toolchain(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON on stdout")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What verifying a folder found; `report` is what Core ML itself said, if it was asked."""

    result: Verification
    report: LoadReport | None = None

    @property
    def as_one(self) -> Verification:
        """The verification, with what Core ML computes wrongly among its faults."""
        more = self.report.faults if self.report else ()
        return replace(self.result, faults=(*self.result.faults, *more))

    @property
    def exit_code(self) -> int:
        """0 if the folder passes, 1 if not, 6 if a program's output is wrong."""
        return int(not self.result.passed) or (self.report.exit_code if self.report else 0)


def run(
    args: argparse.Namespace,
    runner: Runner | None = None,
    file: Path = FILE,
    mac: FindMac = find_mac,
) -> int:
    """Verify one folder, and print what was found; return the exit code.

    Tests pass their own `runner`, `file` of certificates, and `mac`.
    """
    with draw() as emit:
        found = examine(args, emit, runner, file, mac)
    result, report = found.result, found.report
    if args.json:
        told = {} if report is None else {"coreml": verify_coreml.as_json(report)}
        print(json.dumps({**as_json(result), **told}))
    else:
        first = [] if report is None else [verify_coreml.summary(args.bundle, report)]
        print("\n".join((*first, summary(result, is_loaded=report is not None))))
    if args.share and report:
        verify_coreml.share(args.bundle, report, args.share)
    return found.exit_code


def examine(
    args: argparse.Namespace,
    emit: Emit,
    runner: Runner | None = None,
    file: Path = FILE,
    mac: FindMac = find_mac,
) -> Verified:
    """Verify one folder, as the arguments say.

    Raises:
        UsageError: the arguments contradict each other.
        SdcoremlError: the folder or the model cannot be read.
    """
    verify_coreml.require_asked(args)
    machine = verify_coreml.require_mac(mac) if args.through else None
    against = _against(args, file)
    runner = runner or EnvironmentOnDemand(toolchain=args.toolchain, args=args)
    result = verify(args.bundle, runner, against, emit)
    report = None
    if machine and result.passed:
        options = LoadOptions(machine=machine, units=Units(args.units) if args.units else None)
        toolchain = load_toolchain(args.toolchain)
        report = verify_coreml.load(args.bundle, options, toolchain, runner, emit)
    return Verified(result=result, report=report)


def _against(args: argparse.Namespace, file: Path) -> Against | None:
    """Return the model to compare with, and how; `None` if none is given."""
    if args.against is None and (args.fast or args.full):
        raise UsageError(
            "--fast and --full need a model to compare with", remedy="add --against MODEL"
        )
    if args.tokenizer and (args.against is None or args.against.is_dir()):
        raise UsageError(
            "--tokenizer is for a single file; a folder has its own", remedy="add --against FILE"
        )
    if args.full:
        from sdcoreml.doctor.commands.convert_environment import require_torch

        require_torch(load_toolchain(args.toolchain), "running every program", args)
    if args.against is None:
        return None
    return Against(
        model=args.against,
        refiner=args.refiner,
        tokenizer=args.tokenizer,
        certificates={} if args.full else load(file),
        fast=args.fast,
        issued=load(file),
    )


def as_json(result: Verification) -> dict[str, object]:
    """Convert the result to plain values for JSON."""
    return {
        "schema": SCHEMA,
        "folder": str(result.bundle),
        "passed": result.passed,
        "files": result.files,
        "absent": list(result.absent),
        "notes": list(result.notes),
        "faults": [
            {"path": str(fault.where), "what": fault.what, "next": spell(fault.remedy)}
            for fault in result.faults
        ],
        "programs": {name: proof.as_json() for name, proof in result.checked.items()},
    }


def summary(result: Verification, *, is_loaded: bool = False) -> str:
    """Return the result as text; `is_loaded` if Core ML's own results are printed before."""
    if result.faults:
        count = len(result.faults)
        problems = "1 problem" if count == 1 else f"{count} problems"
        lines = [f"{result.bundle}: {problems}", *map(str, result.faults)]
        return "\n".join((*lines, *(f"  note: {note}" for note in result.notes)))
    lines = [f"{result.bundle}: {result.files} files as they were written"]
    if result.absent:
        lines.append(f"  absent by choice: {', '.join(result.absent)}; apps load what is compiled")
    for name, proof in result.checked.items():
        lines.append(f"  {name:<12} {evidence(proof)}")
    if not result.checked and not is_loaded:
        lines.append("  numbers not checked: add --against MODEL, the folder it was made from")
    lines += [f"  note: {note}" for note in result.notes]
    return "\n".join(lines)
