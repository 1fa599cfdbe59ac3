"""`sdcoreml doctor`: examine, report, judge; nothing is changed."""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from doctor import history
from doctor.check import Check, Status
from doctor.checks import CHECKS
from doctor.config import settings
from doctor.engine import Ignore, Report, Selection, examine, exit_code, names
from doctor.errors import UsageError
from doctor.facts import Absent, Facts, Job
from doctor.fix import apply, plan, planned, told
from doctor.gather import DEADLINE, Gathered, Request, gather
from doctor.goal import GOALS, conclude, relevant
from doctor.probe import Probe
from doctor.report import FORMATS, write

HELP = "examine the machine, the toolchain, a model or a finished folder"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="a model, a finished folder, or an upstream checkout",
    )
    parser.add_argument(
        "--goal", choices=GOALS, help="judge this goal alone, with the checks it needs"
    )
    parser.add_argument(
        "--toolchain",
        default=os.environ.get("TOOLCHAIN") or "tested",
        help="which toolchain (default: tested)",
    )
    parser.add_argument("--output", default="", metavar="FOLDER", help="where the result would go")
    parser.add_argument(
        "--attention", default="SPLIT_EINSUM", help="attention layout of the conversion"
    )
    parser.add_argument(
        "--size", default="", metavar="WxH", help="image size in pixels, such as 512x768"
    )
    parser.add_argument(
        "--select",
        action="extend",
        type=words,
        default=[],
        metavar="ID,...",
        help="run only these checks or families",
    )
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="ID=REASON",
        help="demote what this check or family finds; the reason is shown",
    )
    parser.add_argument(
        "--deep",
        action="store_true",
        help="hash every file of the environment, import the pins in it",
    )
    parser.add_argument(
        "--fail-on",
        choices=[status.value for status in (Status.INFO, Status.WARNING, Status.ERROR)],
        default=Status.ERROR.value,
        help="exit 1 from this severity on (default: error)",
    )
    parser.add_argument(
        "--budget", type=seconds, default=0.0, metavar="SECONDS", help="leave out what takes longer"
    )
    parser.add_argument("--facts", metavar="FILE", help="judge the facts in a file instead")
    parser.add_argument("--save-facts", metavar="FILE", help="save the facts, without private data")
    parser.add_argument(
        "--compare", metavar="FILE", help="say what differs from the facts in a file"
    )
    parser.add_argument("--fix", action="store_true", help="run the safe fixes, then check again")
    parser.add_argument("--dry-run", action="store_true", help="with --fix: only show the plan")
    group = parser.add_mutually_exclusive_group()
    for name in FORMATS:
        group.add_argument(
            f"--{name}", dest="format", action="store_const", const=name, help=f"write {name}"
        )


def run(args: argparse.Namespace) -> int:
    """Examine, print, and return the exit code of what was found."""
    if args.fix and args.facts and not args.dry_run:
        raise UsageError("--fix mends this machine; with --facts it can only plan: add --dry-run")
    selection = selected(args)
    checks = tuple(check for check in chosen(args.goal) if selection.takes(check))
    gathered = looked(args, checks)
    report = judge(gathered, args.goal, checks, selection)
    code = exit_code(report, Status(args.fail_on))
    if args.fix:
        return mend(args, report, Selection(ignore=selection.ignore))
    report = compared(args, report, gathered.facts)
    write(report, args.format or "text", sys.stdout)
    if args.save_facts:
        history.write(public(gathered.facts), Path(args.save_facts))
    if not code and is_plain(args):
        remember(gathered.facts)
    return code


def looked(args: argparse.Namespace, checks: Sequence[Check]) -> Gathered:
    """The facts of a file, or of this machine: as many as the checks need, all to save them."""
    if args.facts:
        return Gathered(facts=history.read(Path(args.facts)), costs={}, seconds=0.0)
    request = request_of(args, CHECKS if args.save_facts or args.compare else checks)
    return gather(request, Probe())


def is_plain(args: argparse.Namespace) -> bool:
    """Whether this run looked at this machine as a whole: such a one can be the last good run."""
    return not (args.facts or args.select or args.goal)


def public(facts: Facts) -> Facts:
    """The facts without what their owner would not publish."""
    import platform

    from doctor.redact import redacted, secrets_here

    return redacted(facts, secrets_here(os.environ, Path.home(), platform.node()))


def compared(args: argparse.Namespace, report: Report, facts: Facts) -> Report:
    """The report with what changed: since the facts given, or since the last good run."""
    if args.compare:
        before: Facts | None = public(history.read(Path(args.compare)))
        facts, name = public(facts), args.compare
    elif is_plain(args) and report.count(Status.ERROR):
        before, name = history.last_good(_memory()), f"the last good run{on_day(_memory())}"
    else:
        return report
    if before is None:
        return report
    from doctor.compare import changes

    return replace(report, compared=name, changes=tuple(map(str, changes(before, facts))))


def on_day(folder: Path) -> str:
    """When the last good run was, in words; nothing where there was none."""
    try:
        moment = datetime.fromtimestamp((folder / history.LAST_GOOD).stat().st_mtime, timezone.utc)
    except OSError:
        return ""
    return f", {moment.astimezone():%d %b %Y %H:%M}"


def remember(facts: Facts) -> None:
    """Keep these facts as the last good ones, beside the environments (where there are any)."""
    folder = _memory()
    if folder.is_dir():
        with suppress(history.FactsFileError):  # a store that is not ours to write in
            history.write(facts, folder / history.LAST_GOOD)


def _memory() -> Path:
    from envs.store import root

    return root()


def mend(args: argparse.Namespace, report: Report, selection: Selection) -> int:
    """Show the plan, apply what is safe, examine again: 0 when every step cured its checks."""
    steps = plan(report)
    print("\n".join(planned(steps)), flush=True)
    if args.dry_run:
        return exit_code(report, Status(args.fail_on))

    def again(ids: Sequence[str]) -> Report:
        checks = tuple(check for check in CHECKS if check.id in ids)
        return judge(looked(args, checks), None, checks, replace(selection, select=tuple(ids)))

    cures = [apply(step, run_visibly, again) for step in steps if step.fix.safe]
    for line in told(cures):
        print(line)
    return int(len(cures) < len(steps) or not all(cure.is_cured for cure in cures))


def run_visibly(command: Sequence[str]) -> int:
    """Run one command in this checkout, its output on the terminal and nothing to read."""
    here = Path(__file__).parents[2]
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, cwd=here)
    return done.returncode


def chosen(goal: str | None) -> tuple[Check, ...]:
    """All checks, or those that matter for one goal."""
    return relevant(goal) if goal else CHECKS


def judge(
    gathered: Gathered, goal: str | None, checks: Sequence[Check], selection: Selection
) -> Report:
    """The report with the verdicts asked for, or those that the facts allow."""
    facts = gathered.facts
    report = examine(facts, checks, selection)
    report = replace(
        report,
        costs=gathered.costs,
        left_out=gathered.left_out,
        seconds=gathered.seconds + report.seconds,
    )
    if selection.select:
        return report
    return conclude(report, facts, goals=(goal,) if goal else goals_of(facts))


def goals_of(facts: Facts) -> tuple[str, ...]:
    """The goals that a plain run answers: env and convert, and bundle when one was given."""
    bundle = () if isinstance(facts.bundle, Absent) else ("bundle",)
    return ("env", "convert", *bundle)


def request_of(args: argparse.Namespace, checks: Sequence[Check] = CHECKS) -> Request:
    """What to look at: the facts that these checks need, of the paths that were given."""
    kinds = {kind_of(Path(path)): path for path in args.paths}
    if len(kinds) < len(args.paths):
        raise UsageError(
            "two paths of the same kind; examine one model, folder or checkout at a time"
        )
    height, width = size_of(args.size)
    job = Job(
        goal=args.goal or "convert",
        model=kinds.get("model", ""),
        output=args.output,
        attention=args.attention.upper().replace("-", "_"),
        height=height,
        width=width,
    )
    return Request(
        job=job,
        toolchain=args.toolchain,
        bundle=kinds.get("bundle", ""),
        checkout=kinds.get("checkout", "") or configured(),
        deep=args.deep,
        groups=tuple(sorted({name for check in checks for name in check.needs} - {"job"})),
        seconds=args.budget or (max(DEADLINE, 600.0) if args.deep else DEADLINE),
    )


def configured() -> str:
    """The upstream checkout that the environment, or the project in this folder, names."""
    return os.environ.get("SDCOREML_UPSTREAM") or settings(Path.cwd()).checkout


def kind_of(path: Path) -> str:
    """Whether a path is a finished folder, an upstream checkout, or (anything else) a model."""
    if any(path.glob("*.mlmodelc")) or any(path.glob("*.mlpackage")):
        return "bundle"
    if (path / "python_coreml_stable_diffusion").is_dir():
        return "checkout"
    return "model"


def words(text: str) -> list[str]:
    """The words of a list with commas.

    Raises:
        argparse.ArgumentTypeError: there is none in it, which would select everything.
    """
    found = [word.strip() for word in text.split(",") if word.strip()]
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} names no check; sdcoreml explain lists them")
    return found


def seconds(text: str) -> float:
    """A length of time from the command line.

    Raises:
        argparse.ArgumentTypeError: it is no number above zero.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if 0 < value < math.inf:
        return value
    raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds, such as 2 or 0.5")


def size_of(text: str) -> tuple[int, int]:
    """Height and width in pixels from "WIDTHxHEIGHT", zeros for none."""
    if not text:
        return 0, 0
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise UsageError(f"--size {text}: give width and height in pixels, such as 512x768")
    return int(height), int(width)


def selected(args: argparse.Namespace) -> Selection:
    """The selection, every word of it checked against the registry."""
    ignore = (*(_ignore(text) for text in args.ignore), *settings(Path.cwd()).ignore)
    known(word for word in (*args.select, *(entry.what for entry in ignore)))
    return Selection(select=tuple(args.select), ignore=ignore)


def _ignore(text: str) -> Ignore:
    what, _, reason = text.partition("=")
    if not reason.strip():
        raise UsageError(f"--ignore {text}: say why, as in --ignore {what}='judged on 3 May: ...'")
    return Ignore(what=what.strip(), reason=reason.strip())


def known(words: Iterable[str]) -> None:
    """Refuse words that name no check: a misspelt --select would otherwise pass everything."""
    unknown = [word for word in words if not any(names(word, check) for check in CHECKS)]
    if unknown:
        raise UsageError(
            f"no check or family is called {', '.join(unknown)}; sdcoreml explain lists them"
        )
