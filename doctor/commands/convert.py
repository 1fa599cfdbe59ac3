"""`sdcoreml convert`: the doctor's preflight, the tested environment, then the conversion in it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from convert.certificates.store import load
from convert.compress import parse_recipe
from convert.errors import ConvertError, NoSpaceError, WorkerError
from convert.job import ATTENTIONS, Job, convert_model, open_model, plan
from convert.models.layout import Model
from convert.proof import Judge
from convert.staging import staged
from convert.verify import read_manifest
from convert.worker import Runner, Worker
from doctor.check import Family
from doctor.commands.diagnose import page
from doctor.diagnosis import diagnose
from doctor.engine import Report
from doctor.errors import UsageError
from doctor.facts import Job as Goal
from doctor.goal import preflight
from doctor.knowledge import entries
from doctor.terminal import draw
from envs.build import build
from envs.events import Emit, Event
from envs.store import Environment
from lockfiles.toolchain import Toolchain, load_toolchain

METHODS = ("kmeans", "uniform", "linear")
TARGETS = ("macOS13", "macOS14", "macOS15")
HELP = "turn a Stable Diffusion folder into a checked Core ML folder"
SAMPLE = Path("build") / "sample"
SCHEMA = 1
"""Version of what `--json` prints."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", nargs="?", type=Path, help="a diffusers folder")
    parser.add_argument(
        "--sample", action="store_true", help="make a small model of random weights and convert it"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER", help="default: models/NAME_ATTENTION_WxH"
    )
    parser.add_argument(
        "--attention",
        choices=[name.lower().replace("_", "-") for name in ATTENTIONS],
        default="split-einsum",
        help="split-einsum for the Neural Engine (default), original for the GPU",
    )
    parser.add_argument(
        "--toolchain", default=os.environ.get("TOOLCHAIN") or "tested", help="default: tested"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    _add_choices(parser)


def _add_choices(parser: argparse.ArgumentParser) -> None:
    """Declare what may be chosen about the programs themselves."""
    parser.add_argument(
        "--size",
        action="append",
        default=[],
        type=pixels,
        metavar="WxH",
        help="image size in pixels, a folder for each; repeat it for more (default: the model's)",
    )
    parser.add_argument(
        "--controlled",
        action="store_true",
        help="also a ControlledUnet, which takes a ControlNet's residuals",
    )
    parser.add_argument(
        "--clip-skip",
        type=int,
        default=1,
        metavar="N",
        help="2 leaves out the text encoder's last block, 3 the last two",
    )
    parser.add_argument(
        "--bits",
        type=int,
        choices=(1, 2, 4, 6, 8),
        help="compress text encoders and UNets to palettes of so many bits",
    )
    parser.add_argument(
        "--method",
        choices=METHODS,
        default=METHODS[0],
        help="with --bits: cluster the weights (kmeans, default), equal steps, or 8-bit integers",
    )
    parser.add_argument(
        "--recipe",
        type=Path,
        metavar="JSON",
        help="compress as this file says: method, bits, and bits of single layers",
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="run every program, also those whose graph is certified",
    )
    parser.add_argument(
        "--target",
        choices=TARGETS,
        default=TARGETS[0],
        help=f"oldest system to run on (default: {TARGETS[0]})",
    )


def run(args: argparse.Namespace) -> int:
    """Convert one model; the result is a finished folder or an error, never a part of one."""
    if args.sample == (args.model is not None):
        raise UsageError("give a model folder or --sample; see sdcoreml convert --help")
    with draw() as emit:
        if args.model:
            open_model(args.model)  # what is wrong with it is said before gigabytes are fetched
        toolchain = load_toolchain(args.toolchain)
        environment = build(toolchain, emit=emit)
        worker = Worker(python=environment.python)
        model = open_model(args.model or sample(worker, emit))
        jobs = jobs_of(args, model, provenance(environment, toolchain), judge_of(args, toolchain))
        emit(Event(kind="step", text="examine this machine for the job"))
        require_able(preflight(goal_of(jobs[0]), toolchain=args.toolchain))
        with explained():
            folders = [convert_model(job, worker, emit) for job in jobs]
    manifests = {folder: read_manifest(folder) for folder in folders}
    if args.json:
        results = [{"folder": str(folder), "manifest": manifests[folder]} for folder in folders]
        print(json.dumps({"schema": SCHEMA, "results": results}))
    else:
        print("\n".join((*(summary(*item) for item in manifests.items()), *verdicts(manifests))))
    return 0


def pixels(text: str) -> tuple[int, int]:
    """Width and height of an image from `WxH`.

    Raises:
        argparse.ArgumentTypeError: it is something else, or no multiple of 8.
    """
    width, _, height = text.lower().partition("x")
    if width.isdecimal() and height.isdecimal() and not int(width) % 8 and not int(height) % 8:
        return int(width), int(height)
    raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxHEIGHT in multiples of 8, as 512x768")


def recipe_of(args: argparse.Namespace) -> Mapping[str, Any] | None:
    """The compression that was asked for, if any.

    Raises:
        UsageError: a file and bits at once, or a file that is no recipe.
    """
    if args.recipe is None:
        return {"method": args.method, "bits": args.bits} if args.bits else None
    if args.bits:
        raise UsageError("--recipe says how many bits; leave --bits out")
    try:
        fields = dict(json.loads(args.recipe.read_bytes()).items())
        parse_recipe(fields)
    except (OSError, ValueError, TypeError, AttributeError, ConvertError) as error:
        raise UsageError(f"{args.recipe}: not a recipe ({error}); see --help") from error
    return fields


def judge_of(args: argparse.Namespace, toolchain: Toolchain) -> Judge:
    """By what this run's programs are proved."""
    reason = "" if "torch" in toolchain.pins else f"the toolchain {toolchain.name} has no torch"
    return Judge(certificates={} if args.full else load(), reason=reason)


def jobs_of(
    args: argparse.Namespace, model: Model, toolchain: Mapping[str, Any], judge: Judge
) -> tuple[Job, ...]:
    """A job for each size; those after the first share what they have in common with it."""
    if args.output and len(args.size) > 1:
        raise UsageError("--output names one folder; with several --size leave it out")
    sizes = [{"width": width // 8, "height": height // 8} for width, height in args.size] or [{}]
    recipe = recipe_of(args)
    jobs: list[Job] = []
    for size in sizes:
        job = plan(
            model,
            args.output,
            args.attention.upper().replace("-", "_"),
            toolchain,
            controlled=args.controlled,
            clip_skip=args.clip_skip,
            target=args.target,
            recipe=recipe,
            **size,
        )
        siblings = tuple(other.output for other in jobs)
        jobs.append(replace(job, siblings=siblings, judge=judge))
    return tuple(jobs)


@contextmanager
def explained() -> Iterator[None]:
    """Read a dead child's last words with the knowledge of known failures."""
    try:
        yield
    except WorkerError as error:
        if matches := diagnose(error.log, entries()):
            print("\n".join(page(matches)), file=sys.stderr)
        raise


def sample(runner: Runner, emit: Emit) -> Path:
    """The sample model, made once: it appears complete or not at all."""
    if not SAMPLE.exists():
        with staged(SAMPLE) as folder:
            runner.run("sample", {"path": str(folder.resolve())}, emit)
    return SAMPLE


def provenance(environment: Environment, toolchain: Toolchain) -> Mapping[str, Any]:
    """The toolchain, as the manifest records it; `drift` says that Python is not the tested one."""
    return {
        "name": environment.toolchain,
        "seal": environment.seal,
        "lock": environment.lock_digest,
        "target": environment.target,
        "python": environment.interpreter.version,
        "tested_python": toolchain.python.version,
        "drift": environment.drift,
    }


def goal_of(job: Job) -> Goal:
    """The conversion, in the doctor's words."""
    return Goal(
        goal="convert",
        model=str(job.model.path),
        output=str(job.output),
        attention=job.options.attention,
        height=8 * job.options.height,
        width=8 * job.options.width,
    )


def require_able(report: Report) -> None:
    """Stop when the doctor says no, with the first of its reasons.

    Raises:
        NoSpaceError: only the disk stands in the way.
        ConvertError: something else does.
    """
    verdict = report.verdicts[0]
    blocking = [result for result in report.results if result.id in verdict.because]
    if verdict.answer != "no" or not blocking:
        return
    finding = max(blocking[0].findings, key=lambda finding: finding.status.rank)
    remedy = finding.fix.title if finding.fix else finding.why
    more = f"; {len(blocking) - 1} more, `sdcoreml doctor` lists them" if blocking[1:] else ""
    error = (
        NoSpaceError if {result.family for result in blocking} == {Family.DISK} else ConvertError
    )
    raise error(f"{finding.what} ({blocking[0].id}); {remedy}{more}")


def remark(checked: Mapping[str, Any]) -> str:
    """How the weights stand to the checkpoint's, and whose word stands for the figures."""
    said = [f"{checked['audit']['matched']} weights equal"]
    if checked.get("fidelity"):
        cost = min(item["psnr"] for item in checked["fidelity"])
        said = [f"compressed weights leave {cost:.1f} dB"]
    if "certificate" in checked:
        said.append(f"graph certified on {checked['certificate']['date']}")
    return ", ".join(said)


def verdicts(manifests: Mapping[Path, Mapping[str, Any]]) -> tuple[str, ...]:
    """How far the compiled folders are proven, each sentence once, and where compilers differ."""
    compiled = [
        (name, program["compiled"])
        for manifest in manifests.values()
        for name, program in manifest["programs"].items()
    ]
    sentences = dict.fromkeys(outcome["verdict"] for _, outcome in compiled)
    found = (f"{name}: {what}" for name, outcome in compiled for what in outcome["differences"])
    return (*sentences, *dict.fromkeys(found))


def summary(folder: Path, manifest: Mapping[str, Any]) -> str:
    """What was made and how well it was checked, for people."""
    unchecked = [p for p in manifest["programs"].values() if "unchecked" in p["checked"]]
    how = "weights audited, numbers not checked" if unchecked else "each checked against its module"
    lines = [f"{folder}: {len(manifest['programs'])} programs, {how}"]
    for name, program in manifest["programs"].items():
        worst: dict[str, float] = {}
        for output in program["checked"]["outputs"]:
            worst[output["mode"]] = min(output["psnr"], worst.get(output["mode"], output["psnr"]))
        figures = ", ".join(f"{psnr:.1f} dB in {mode}" for mode, psnr in worst.items())
        figures = figures or program["checked"].get("unchecked", "")
        lines.append(f"  {name:<12} {figures}; {remark(program['checked'])}")
    toolchain = manifest["toolchain"]
    drift = f" (drift: tested with {toolchain['tested_python']})" if toolchain["drift"] else ""
    lines.append(f"  toolchain    {toolchain['name']}, Python {toolchain['python']}{drift}")
    return "\n".join(lines)
