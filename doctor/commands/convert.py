"""`sdcoreml convert`: examines the machine, builds the environment if needed, and converts."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sdcoreml.convert.bundle.judgement import Judgement, Ruling
from sdcoreml.convert.cache.shelf import open_cache
from sdcoreml.convert.jobs.manifest import MadeIn, read_manifest
from sdcoreml.convert.jobs.opening import with_refiner
from sdcoreml.convert.jobs.plan import Job, require_buildable
from sdcoreml.convert.jobs.staging import require_output
from sdcoreml.convert.jobs.steps import convert_models
from sdcoreml.convert.jobs.unpacked import draft, prepare_model
from sdcoreml.convert.jobs.workshop import Workshop
from sdcoreml.convert.models.files import INDEX_NAME
from sdcoreml.convert.models.layout import Model
from sdcoreml.convert.worker import Worker
from sdcoreml.doctor.commands.convert_crash import explain_crash
from sdcoreml.doctor.commands.convert_deliver import (
    app_of,
    deliver,
    fault_of,
    require_deliverable,
    require_for_comfyui,
)
from sdcoreml.doctor.commands.convert_environment import (
    choose_environment,
    is_replacement,
    require_torch,
)
from sdcoreml.doctor.commands.convert_ingredients import ingredients_of, judge_ingredients
from sdcoreml.doctor.commands.convert_jobs import jobs_of, policy_of
from sdcoreml.doctor.commands.convert_options import declare
from sdcoreml.doctor.commands.convert_plan import (
    MACHINE,
    ConversionPlan,
    as_data,
    as_text,
    bytes_of,
    plan_conversion,
)
from sdcoreml.doctor.commands.convert_preflight import goal_of
from sdcoreml.doctor.commands.convert_summary import SCHEMA, Converted, lines, results
from sdcoreml.doctor.commands.convert_upstream import (
    CAVEAT,
    adapt,
    convert_upstream,
    wants_upstream,
)
from sdcoreml.doctor.commands.examine import BESIDES_MODEL, preflight
from sdcoreml.doctor.commands.named_models import by_name, fetch_headers, fetch_model
from sdcoreml.doctor.commands.preflight import address, require_able
from sdcoreml.doctor.commands.verify_coreml import FindMac, find_mac, load_finished
from sdcoreml.doctor.core import runs
from sdcoreml.doctor.core.backend import choose_backend
from sdcoreml.doctor.core.overall import Expected, begin, end, expect
from sdcoreml.doctor.core.runs import Recorder
from sdcoreml.doctor.core.workplaces import BUILD, RESULTS
from sdcoreml.doctor.gather.machine import workers
from sdcoreml.doctor.gather.probe import Probe
from sdcoreml.doctor.gather.toolchain import measured
from sdcoreml.doctor.report.terminal import draw
from sdcoreml.envs.building.build import BuildOptions
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.kept.users import use
from sdcoreml.envs.mirrors.mirror import index_variables
from sdcoreml.ground.aside import folder_aside, keep_nothing
from sdcoreml.ground.errors import (
    BadInputError,
    FetchError,
    UnableError,
    UnsafePickleError,
    UsageError,
)
from sdcoreml.ground.events import Emit, Event
from sdcoreml.ground.outputs import require_known
from sdcoreml.lockfiles.toolchain import Toolchain, load_toolchain

SAMPLE = Path(BUILD) / "sample"
configure = declare


def run(args: argparse.Namespace, mac: FindMac = find_mac) -> int:
    """Convert one model, or report what a conversion would make.

    On a Mac (`mac`; tests pass their own), what was made is loaded at the end.
    """
    if args.sample == (args.model is not None):
        raise UsageError(
            "give one model, a folder or a file, or --sample",
            remedy="see `sdcoreml convert --help`",
        )
    os.environ.update(index_variables(args.index) if args.index else {})
    try:
        if args.plan:
            return plan(args)
        made = convert(args, mac)
    except (BadInputError, FetchError, UnsafePickleError, UsageError, UnableError) as error:
        if args.json:
            ruling = Ruling(can="no", fault=error.fault)
            print(json.dumps({"schema": SCHEMA, "verdict": ruling.as_json(), "results": []}))
        raise
    return tell(made, as_json=args.json)


def plan(args: argparse.Namespace) -> int:
    """Print what would be made, without writing, building or downloading anything."""
    given = args.model
    with draw() as emit:
        planned = work_out_plan(args, emit)
    if args.json:
        verdict = planned.judgement.ruling.as_json()
        text = json.dumps({"schema": SCHEMA, "verdict": verdict, "plan": as_data(planned.plan)})
    else:
        text = "\n".join((*as_text(planned.plan), *([CAVEAT] if wants_upstream(args) else [])))
    print(by_name(text, planned.path, given))
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a conversion would make, and the judgement of its model, which was read from `path`."""

    plan: ConversionPlan
    judgement: Judgement
    path: Path


def work_out_plan(args: argparse.Namespace, emit: Emit) -> Planned:
    """Work out what a conversion would make, from headers and configs alone.

    Raises:
        SdcoremlError: nothing can be made.
    """
    if args.model is None:
        raise UsageError("--plan needs a model", remedy="give a folder or a file")
    with fetch_headers(args.model, emit) as args.model:
        ingredients = ingredients_of(args)
        judgement = judge_ingredients(args)
        judgement.require_convertible()
        model = with_refiner_of(draft(ingredients, emit, judgement), args)
        jobs = read_jobs(args, model)
        toolchain = address(load_toolchain(args.toolchain))
        machine = preflight(goal_of(jobs), toolchain=toolchain, families=MACHINE)
        planned = plan_conversion(ingredients, judgement, jobs, measured(toolchain), machine)
    return Planned(plan=planned, judgement=judgement, path=args.model)


def convert(args: argparse.Namespace, mac: FindMac) -> Converted:
    """Convert one model to finished folders, and show how far that is."""
    with draw() as progress:
        return make(args, progress, mac)


def tell(made: Converted, *, as_json: bool) -> int:
    """Print what became of a conversion, and return its exit code.

    Raises:
        SdcoremlError: a sound folder could not be installed; all that was made is printed before.
    """
    print(json.dumps(results(made)) if as_json else "\n".join(lines(made)))
    if made.withheld and not made.exit_code:
        raise next(iter(made.withheld.values()))
    return made.exit_code


def make(args: argparse.Namespace, progress: Emit, mac: FindMac = find_mac) -> Converted:
    """Convert one model to finished folders; an error leaves nothing incomplete behind.

    Raises:
        SdcoremlError: a folder could not be made.
    """
    if needs := needs_torch(args):
        require_torch(load_toolchain(args.toolchain), needs, args)
    emit = Recorder(progress)
    cache = open_cache(emit)
    with ExitStack() as unpacked:
        if args.sample:
            args.model = sample(emit)
        # Report faults in the model or the options before downloading gigabytes.
        jobs = read_jobs(args, unpacked.enter_context(open_model(args, emit)))
        options = BuildOptions(backend=choose_backend())
        wanted = goal_of(jobs)
        toolchain, environment = choose_environment(args.toolchain, emit, options, wanted, needs)
        unpacked.enter_context(use(environment.path))  # between two children, too
        worker = Worker(python=environment.python)
        emit(Event(kind="step", text="examine this machine for the job"))
        require_able(preflight(wanted, toolchain=address(toolchain), families=BESIDES_MODEL))
        workshop = Workshop(
            runner=worker,
            toolchain=provenance(environment, toolchain),
            policy=replace(
                policy_of(args, toolchain), certified_only=is_replacement(toolchain, args.toolchain)
            ),
            force=args.force,
            keeps_packages=args.packages == "keep",
            workers=args.workers or workers(Probe()),
            cache=cache,
        )
        with explain_crash(address(toolchain)):
            if wants_upstream(args):
                folders, comparisons = convert_upstream(args, jobs, workshop, toolchain, emit)
            else:
                folders, comparisons = convert_watched(jobs, workshop, emit), ()
        loaded = load_finished(folders, toolchain, worker, emit, mac)
    made = Converted(
        manifests={folder: read_manifest(folder) for folder in folders},
        comparisons=comparisons,
        loaded=loaded,
        app=app_of(args),
    )
    runs.keep(emit.log(folder, manifest.digest) for folder, manifest in made.manifests.items())
    return install(args, made, emit)


def convert_watched(jobs: Sequence[Job], workshop: Workshop, emit: Emit) -> tuple[Path, ...]:
    """Convert jobs of one model, and tell how far their folders are."""
    emit(expect(map(_expected, jobs)))
    emit(begin([os.fspath(job.output) for job in jobs]))
    return convert_models(jobs, workshop, emit, lambda job: emit(end(os.fspath(job.output), None)))


def _expected(job: Job) -> Expected:
    size = sum(bytes_of(job, part) for part in job.parts)
    return Expected(folder=os.fspath(job.output), model=os.fspath(job.model.path), bytes=size)


def install(args: argparse.Namespace, made: Converted, emit: Emit) -> Converted:
    """Put what was made where the app looks for it; a folder that Core ML found faulty stays."""
    done = deliver(args, [*made.manifests], emit, lambda one: fault_of(one, made.loaded.get(one)))
    return replace(made, installed=done.installed, withheld=done.withheld)


def needs_torch(args: argparse.Namespace) -> str:
    """Return which parts of the conversion need torch, in words, or ""."""
    if args.full:
        return "running every program"
    return "the upstream converter" if wants_upstream(args) else ""


def read_jobs(args: argparse.Namespace, model: Model) -> tuple[Job, ...]:
    """Return the jobs that the arguments request, after checking converter and outputs."""
    require_for_comfyui(args)
    jobs = adapt(args, jobs_of(args, model))
    for job in jobs:
        require_buildable(job)
        require_output(job.output)
    require_deliverable(args, jobs)
    return jobs


@contextmanager
def open_model(args: argparse.Namespace, emit: Emit) -> Iterator[Model]:
    """Yield the model to convert, with its refiner; a model given by name is downloaded first."""
    checker = vars(args).get("safety_checker", False)
    fetched = fetch_model(args.model, emit, partial(require_plan, args), with_checker=checker)
    with fetched as (args.model, origin):
        require_plan(args, args.model)  # before gigabytes are unpacked
        into = vars(args).get("into", Path())
        near = args.output.parent if args.output else into / RESULTS
        with prepare_model(ingredients_of(args), near, emit) as model:
            yield replace(with_refiner_of(model, args), fetched=origin)


def require_plan(args: argparse.Namespace, path: Path) -> None:
    """Refuse a model or options that cannot be converted, reading only the headers."""
    trial = argparse.Namespace(**{**vars(args), "model": path})
    judgement = judge_ingredients(trial)
    judgement.require_convertible()
    model = draft(ingredients_of(trial), judgement=judgement)
    read_jobs(trial, with_refiner_of(model, trial))


def with_refiner_of(model: Model, args: argparse.Namespace) -> Model:
    """Return the model with the refiner's UNet that the arguments name, if they do."""
    refiner = vars(args).get("refiner_folder")
    return with_refiner(model, refiner) if refiner else model


def sample(emit: Emit) -> Path:
    """Make the sample model if it does not exist yet; return its folder.

    Raises:
        SdcoremlError: CLIP's vocabulary is not on this machine, and cannot be downloaded.
    """
    from sdcoreml.convert.models.sample import is_older_sample, is_sample, write_sample  # numpy
    from sdcoreml.convert.models.vocabulary import vocabulary_folder

    if not is_sample(SAMPLE):
        vocabulary = vocabulary_folder(emit)
        emit(Event(kind="step", text="make the sample model"))
        keep = keep_nothing if is_older_sample(SAMPLE) else require_known
        with folder_aside(SAMPLE, INDEX_NAME, keep) as folder:
            write_sample(folder, vocabulary)
    return SAMPLE


def provenance(environment: Environment, toolchain: Toolchain) -> MadeIn:
    """Return the environment and toolchain in the form that manifests record."""
    return MadeIn(
        name=environment.toolchain,
        seal=environment.seal,
        lock=environment.lock_digest,
        target=environment.target,
        python=environment.interpreter.version,
        tested_python=toolchain.python.version,
        drift=environment.drift,
    )
