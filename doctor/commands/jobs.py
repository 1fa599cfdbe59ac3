"""`sdcoreml jobs`: converts the models that a file lists, each with the options that it says."""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack

from sdcoreml.doctor.commands.jobs_schema import example
from sdcoreml.doctor.core.backend import add_toolchain
from sdcoreml.ground.errors import ExitCode, UsageError
from sdcoreml.ground.places import as_path

SCHEMA = 1
"""The version of the format that `--json` prints."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "file",
        nargs="?",
        type=as_path,
        metavar="FILE",
        help="a TOML file of models and options; its keys are the options of convert",
    )
    parser.add_argument(
        "--plan",
        action="store_true",
        help="say what would be made, from what, and what it takes; write nothing",
    )
    parser.add_argument(
        "--example",
        action="store_true",
        help="print a file to begin with, which editors complete by its schema",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    add_toolchain(parser)


def run(args: argparse.Namespace) -> int:
    """Plan the conversions of a job file, or print an example of one."""
    if args.example == (args.file is not None):
        raise UsageError("give one job file, or --example", remedy="see `sdcoreml jobs --help`")
    if args.example:
        print(example(), end="")
        return ExitCode.FINE
    if not args.plan:
        raise UsageError("jobs only plans so far", remedy="add --plan")
    return plan(args)


def plan(args: argparse.Namespace) -> int:
    """Print what would be made, without writing, building or downloading anything."""
    from sdcoreml.doctor.commands.jobs_batch import Opener, open_batches
    from sdcoreml.doctor.commands.jobs_file import read_job_file
    from sdcoreml.doctor.commands.jobs_plan import as_data, as_text, plan_jobs
    from sdcoreml.doctor.commands.preflight import address
    from sdcoreml.doctor.gather.toolchain import toolchain as measures
    from sdcoreml.doctor.report.terminal import draw
    from sdcoreml.lockfiles.toolchain import load_toolchain

    file = read_job_file(args.file)
    toolchain = load_toolchain(args.toolchain)
    with draw() as emit, ExitStack() as stack:
        run_wide = {"toolchain": args.toolchain}
        opener = Opener(into=file.into, run=run_wide, stack=stack, emit=emit)
        batches = open_batches(file, opener)
        planned = plan_jobs(file.path, batches, measures(address(toolchain)))
    if args.json:
        print(json.dumps({"schema": SCHEMA, "plan": as_data(planned)}))
    else:
        print("\n".join(as_text(planned)))
    return ExitCode.PROBLEMS if planned.refused else ExitCode.FINE
