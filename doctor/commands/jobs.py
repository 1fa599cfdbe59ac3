"""`sdcoreml jobs`: converts the models that a file lists, each with the options that it says."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from sdcoreml.doctor.commands.convert_values import positive_int
from sdcoreml.doctor.commands.jobs_schema import example
from sdcoreml.doctor.core.backend import add_toolchain
from sdcoreml.ground.errors import ExitCode, UsageError
from sdcoreml.ground.places import as_path

if TYPE_CHECKING:
    from sdcoreml.convert.cache.shelf import Cache
    from sdcoreml.doctor.commands.jobs_batch import Opener
    from sdcoreml.doctor.commands.jobs_run import Result, Run
    from sdcoreml.doctor.core.facts import Goal
    from sdcoreml.envs.kept.store import Environment
    from sdcoreml.ground.events import Emit, Event
    from sdcoreml.lockfiles.toolchain import Toolchain

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
    parser.add_argument(
        "--retry-failed",
        action="store_true",
        help="make only what the last run of this file did not",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print a line of JSON on stdout for each event, and the results in the last",
    )
    parser.add_argument(
        "--install",
        action="store_true",
        help="put each finished folder into Mochi Diffusion's folders, as convert --install does",
    )
    add_toolchain(parser)
    parser.add_argument(
        "--workers",
        type=positive_int,
        metavar="N",
        help="processes that share the work of a conversion (default: one for each core, as far as"
        " memory allows)",
    )
    parser.add_argument(
        "--cluster",
        metavar="FOLDER",
        help="let other machines make the folders: the folder of a cluster, from `sdcoreml worker"
        " --new-cluster FOLDER`",
    )


def run(args: argparse.Namespace) -> int:
    """Make the folders of a job file, plan them, or print an example of one."""
    if args.example == (args.file is not None):
        raise UsageError("give one job file, or --example", remedy="see `sdcoreml jobs --help`")
    if args.example:
        print(example(), end="")
        return ExitCode.FINE
    return plan(args) if args.plan else make(args)


def plan(args: argparse.Namespace) -> int:
    """Print what would be made, without writing, building or downloading anything."""
    from sdcoreml.doctor.commands.jobs_batch import Opener, open_batches
    from sdcoreml.doctor.commands.jobs_file import read_job_file
    from sdcoreml.doctor.commands.jobs_plan import as_data, as_text, plan_jobs
    from sdcoreml.doctor.commands.jobs_room import MeasuredRoom
    from sdcoreml.doctor.commands.preflight import address
    from sdcoreml.doctor.gather.toolchain import measured
    from sdcoreml.doctor.report.terminal import draw
    from sdcoreml.lockfiles.toolchain import load_toolchain

    file = read_job_file(args.file)
    toolchain = load_toolchain(args.toolchain)
    with draw() as emit, ExitStack() as stack:
        opener = Opener(into=file.into, run=_run_wide(args), stack=stack, emit=emit)
        batches = open_batches(file, opener)
        run = _finder(args, opener, emit)
        known = measured(address(toolchain))
        checks = {"is_there": run.is_there} if run else {}
        refuse = MeasuredRoom(measured=known).refuse
        planned = plan_jobs(file.path, batches, known, refuse=refuse, **checks)
    if args.json:
        print(json.dumps({"schema": SCHEMA, "plan": as_data(planned)}))
    else:
        print("\n".join(as_text(planned)))
    return ExitCode.PROBLEMS if planned.refused else ExitCode.FINE


def _finder(args: argparse.Namespace, opener: Opener, emit: Emit) -> Run | None:
    """Return a run that tells which folders are there; `None` without the environment."""
    from sdcoreml.convert.cache.shelf import open_cache
    from sdcoreml.doctor.commands.preflight import find_environment

    toolchain, environment = find_environment(args.toolchain)
    if environment is None:
        return None
    return open_run(args, toolchain, environment, opener, open_cache(emit))


def _run_wide(args: argparse.Namespace) -> dict[str, object]:
    """Return the arguments that are the same for all conversions of a run."""
    install = {"install": True} if args.install else {}
    return {"toolchain": args.toolchain, "workers": args.workers, **install}


def open_run(
    args: argparse.Namespace,
    toolchain: Toolchain,
    environment: Environment,
    opener: Opener,
    cache: Cache | None,
) -> Run:
    """Return a run in an environment."""
    from sdcoreml.convert.jobs.prove import ProofPolicy
    from sdcoreml.convert.jobs.workshop import Workshop
    from sdcoreml.convert.worker import Worker
    from sdcoreml.doctor.commands.convert import provenance
    from sdcoreml.doctor.commands.convert_environment import is_replacement
    from sdcoreml.doctor.commands.examine import BESIDES_MODEL, preflight
    from sdcoreml.doctor.commands.jobs_room import MeasuredRoom
    from sdcoreml.doctor.commands.jobs_run import Run
    from sdcoreml.doctor.commands.preflight import address, require_able
    from sdcoreml.doctor.gather.machine import workers
    from sdcoreml.doctor.gather.probe import Probe
    from sdcoreml.doctor.gather.toolchain import measured

    def require(goal: Goal) -> None:
        require_able(preflight(goal, toolchain=address(toolchain), families=BESIDES_MODEL))

    shop = Workshop(
        runner=Worker(python=environment.python),
        toolchain=provenance(environment, toolchain),
        policy=ProofPolicy(certified_only=is_replacement(toolchain, args.toolchain)),
        workers=args.workers or workers(Probe()),
        cache=cache,
    )
    emit = opener.emit
    return Run(
        shop=shop,
        opener=opener,
        toolchain=toolchain,
        require_able=require,
        emit=emit,
        room=MeasuredRoom(measured=measured(address(toolchain))),
    )


def make(args: argparse.Namespace) -> int:
    """Make the folders of a job file that are not there yet, and say what became of each."""
    from sdcoreml.convert.cache.shelf import open_cache
    from sdcoreml.doctor.commands.convert import needs_torch
    from sdcoreml.doctor.commands.convert_environment import choose_environment
    from sdcoreml.doctor.commands.jobs_batch import Opener, open_batches
    from sdcoreml.doctor.commands.jobs_file import read_job_file
    from sdcoreml.doctor.commands.jobs_left import choose_rest, read_left, remember
    from sdcoreml.doctor.core.backend import choose_backend
    from sdcoreml.doctor.report.event_lines import EventLines
    from sdcoreml.doctor.report.terminal import draw
    from sdcoreml.envs.building.build import BuildOptions
    from sdcoreml.envs.cluster.dask import find_dask
    from sdcoreml.envs.cluster.folder import find_cluster
    from sdcoreml.envs.kept.users import use
    from sdcoreml.ground.advice import command
    from sdcoreml.ground.places import environments_folder

    cluster = find_cluster(args.cluster) if args.cluster else None
    if cluster and args.install:
        remedy = f"install them afterwards: {command('jobs', args.file, '--install')}"
        raise UsageError("a cluster's workers cannot install folders here", remedy=remedy)
    # Other machines know no current folder of ours.
    file = read_job_file(args.file.absolute() if cluster else args.file)
    with draw() as shown, ExitStack() as stack:
        emit = _both(shown, EventLines(sys.stdout)) if args.json else shown
        cache = open_cache(emit)
        left = read_left(file, cache) if args.retry_failed else None
        opener = Opener(into=file.into, run=_run_wide(args), stack=stack, emit=emit)
        batches = open_batches(file, opener)
        if left is not None:
            batches = choose_rest(file, batches, left)
        needs = next(filter(None, (needs_torch(batch.args) for batch in batches)), "")
        options = BuildOptions(backend=choose_backend())
        toolchain, environment = choose_environment(args.toolchain, emit, options, None, needs)
        stack.enter_context(use(environment.path))

        run = open_run(args, toolchain, environment, opener, cache)
        dask = find_dask(environments_folder(), emit) if cluster else None

        def do() -> tuple[Result, ...]:
            if cluster and dask:
                from sdcoreml.doctor.commands import jobs_cluster

                return jobs_cluster.make(run, batches, file, cluster, dask)
            return run.make(batches)

        results = remember(file, batches, cache, do)
    return tell(results, as_json=args.json)


def tell(results: Sequence[Result], *, as_json: bool) -> int:
    """Print what became of each folder; return 1 unless all are there."""
    from sdcoreml.doctor.commands.jobs_run import table

    print(json.dumps(results_as_data(results)) if as_json else "\n".join(table(results)))
    return ExitCode.FINE if all(one.is_there for one in results) else ExitCode.PROBLEMS


def results_as_data(results: Sequence[Result]) -> dict[str, object]:
    """Return what `--json` prints at the end of a run."""
    from sdcoreml.doctor.commands.jobs_run import as_data

    return {"schema": SCHEMA, "event": "table", "results": as_data(results)}


def _both(one: Emit, other: Emit) -> Emit:
    def emit(event: Event) -> None:
        one(event)
        other(event)

    return emit
