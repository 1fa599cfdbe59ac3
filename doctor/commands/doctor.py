"""`sdcoreml doctor`: examines this machine and a model, and reports; changes nothing itself."""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import reduce
from pathlib import Path

from sdcoreml.convert.hub.names import HubName
from sdcoreml.convert.models.files import INDEX_NAME
from sdcoreml.doctor.checks import CHECKS
from sdcoreml.doctor.commands.doctor_changes import add_changes, is_plain, redact_here, remember
from sdcoreml.doctor.commands.doctor_options import declare
from sdcoreml.doctor.commands.named_models import fetch_headers_and_name
from sdcoreml.doctor.core import history
from sdcoreml.doctor.core.check import Check, Status
from sdcoreml.doctor.core.config import settings
from sdcoreml.doctor.core.engine import Ignore, Report, Selection, examine, exit_code, names
from sdcoreml.doctor.core.facts import Absent, Facts, Goal
from sdcoreml.doctor.core.fix import apply, cure_lines, plan, plan_lines
from sdcoreml.doctor.core.goal import conclude, relevant
from sdcoreml.doctor.core.subjects import ModelFolder
from sdcoreml.doctor.gather import DEADLINE, DEEP_DEADLINE, Gathered, Request, gather
from sdcoreml.doctor.gather.probe import Probe
from sdcoreml.doctor.report import as_page, write
from sdcoreml.ground.addresses import hide_credentials
from sdcoreml.ground.advice import spell_words
from sdcoreml.ground.errors import SdcoremlError, UsageError
from sdcoreml.ground.places import can_exist
from sdcoreml.lockfiles.toolchain import FILE, find_folder

configure = declare


def run(args: argparse.Namespace) -> int:
    """Examine, print the report, and return its exit code."""
    if args.fix and args.facts and not args.dry_run:
        raise UsageError(
            "--fix cannot change the machine of saved facts", remedy="with --facts add --dry-run"
        )
    if args.fix and args.html:
        raise UsageError(
            "--fix changes what the page would say", remedy="write the page in a run of its own"
        )
    with ExitStack() as looking:
        told = fetch_named_headers(args, looking)
        return _examine(args, told)


def fetch_named_headers(args: argparse.Namespace, looking: ExitStack) -> Callable[[str], str]:
    """Replace models' names in the arguments by paths of downloaded headers, where possible.

    Returns a function that puts the names back into a text. A model that cannot be examined keeps
    its name, with the reason on stderr; a check then reports it.
    """
    changes: list[Callable[[str], str]] = []
    paths = []
    for given in args.paths:
        try:
            path, change = looking.enter_context(fetch_headers_and_name(given))
            changes.append(change)
        except SdcoremlError as error:
            print(f"warning: {hide_credentials(str(error))}", file=sys.stderr)
            path = Path(f"hf:{given}" if isinstance(given, HubName) else f"{given}")
        paths.append(path)
    if paths == args.paths:
        return str
    args.paths = paths
    return lambda text: reduce(lambda said, change: change(said), changes, text)


def _examine(args: argparse.Namespace, told: Callable[[str], str]) -> int:
    if args.save_facts:
        history.require_replaceable(args.save_facts)
    if args.html:
        from sdcoreml.doctor.commands.pages import require_page

        require_page(args.html)
    report, facts = examine_given(args)
    code = exit_code(report, Status(args.fail_on))
    if args.fix:
        return mend(args, report, Selection(ignore=selection_of(args).ignore))
    report = add_changes(args, report, facts)
    if told is str:
        write(report, args.format or "text", sys.stdout)
    else:
        page = io.StringIO()
        write(report, args.format or "text", page)
        sys.stdout.write(told(page.getvalue()))
    if args.html:
        from sdcoreml.doctor.commands.pages import write_page

        write_page(as_page(report, told), args.html)
    if args.save_facts:
        history.write(redact_here(facts), args.save_facts)
    if not code and is_plain(args):
        remember(facts)
    return code


def examine_given(args: argparse.Namespace) -> tuple[Report, Facts]:
    """Examine what the arguments name, and this machine; return the report and its facts.

    Raises:
        UsageError: the arguments contradict each other, or name what is not known.
    """
    selection = selection_of(args)
    checks = tuple(check for check in select_checks(args.goal) if selection.takes(check))
    gathered = gather_facts(args, checks)
    if args.goal == "bundle" and isinstance(gathered.facts.bundle, Absent):
        given = f"{', '.join(map(str, args.paths))} is none" if args.paths else "none was given"
        raise UsageError(
            f"--goal bundle judges a finished folder, and {given}", remedy="give a finished folder"
        )
    return judge(gathered, args.goal, checks, selection), gathered.facts


def gather_facts(args: argparse.Namespace, checks: Sequence[Check]) -> Gathered:
    """Read the facts from a file or gather them: all to save them, else those for the checks."""
    if args.facts:
        return Gathered(facts=history.read(args.facts), costs={}, seconds=0.0)
    request = request_of(args, CHECKS if args.save_facts or args.compare else checks)
    return gather(request, Probe())


def mend(args: argparse.Namespace, report: Report, selection: Selection) -> int:
    """Show the fixes, apply the safe ones, examine again; return 0 if all checks then pass."""
    steps = plan(report)
    print("\n".join(plan_lines(steps)), flush=True)
    if args.dry_run:
        return exit_code(report, Status(args.fail_on))

    def again(ids: Sequence[str]) -> Report:
        checks = tuple(check for check in CHECKS if check.id in ids)
        return judge(
            gather_facts(args, checks), None, checks, replace(selection, select=tuple(ids))
        )

    cures = [apply(step, run_visibly, again) for step in steps if step.fix.safe]
    for line in cure_lines(cures):
        print(line)
    return int(len(cures) < len(steps) or not all(cure.is_cured for cure in cures))


def run_visibly(command: Sequence[str]) -> int:
    """Run one command in the current folder, its output on the terminal and stdin closed."""
    done = subprocess.run(spell_words(command), check=False, stdin=subprocess.DEVNULL)
    return done.returncode


def select_checks(goal: str | None) -> tuple[Check, ...]:
    """Return all checks, or those that matter for one goal."""
    return relevant(goal, CHECKS) if goal else CHECKS


def judge(
    gathered: Gathered, goal: str | None, checks: Sequence[Check], selection: Selection
) -> Report:
    """Make the report, with verdicts for the given goal, else for all that apply.

    If only selected checks ran, there are no verdicts.
    """
    facts = gathered.facts
    report = examine(facts, checks, selection)
    report = replace(
        report,
        costs=gathered.costs,
        left_out=gathered.left_out,
        seconds=gathered.seconds + report.seconds,
        ruling=facts.model.ruling if isinstance(facts.model, ModelFolder) else None,
    )
    if selection.select:
        return report
    return conclude(report, facts, CHECKS, goals=(goal,) if goal else goals_of(facts))


def goals_of(facts: Facts) -> tuple[str, ...]:
    """Return the goals of a run without --goal: env and convert, and bundle if one was given."""
    bundle = () if isinstance(facts.bundle, Absent) else ("bundle",)
    return ("env", "convert", *bundle)


def request_of(args: argparse.Namespace, checks: Sequence[Check] = CHECKS) -> Request:
    """Return which facts to gather: those that these checks need, for the given paths."""
    kinds = {kind_of(path): str(path) for path in args.paths}
    if args.goal == "convert" and "bundle" in kinds and "model" not in kinds:
        kinds["model"] = kinds.pop("bundle")
    if len(kinds) < len(args.paths):
        raise UsageError("two paths of the same kind were given", remedy="give one of each kind")
    require_toolchain(args.toolchain)
    height, width = size_of(args.size)
    goal = Goal(
        kind=args.goal or "convert",
        model=kinds.get("model", ""),
        output=str(args.output or ""),
        attention=args.attention.upper().replace("-", "_"),
        height=height,
        width=width,
    )
    return Request(
        goal=goal,
        toolchain=args.toolchain,
        bundle=kinds.get("bundle", ""),
        checkout=kinds.get("checkout", ""),
        deep=args.deep,
        groups=tuple(sorted({name for check in checks for name in check.needs} - {"goal"})),
        seconds=DEEP_DEADLINE if args.deep else DEADLINE,
    )


def require_toolchain(name: str) -> None:
    """Raise an error if a toolchain does not exist; a damaged one is left to the checks."""
    folder = find_folder(name)
    if not (folder / FILE).is_file():
        raise UsageError(f"--toolchain {name}: no {FILE} in that folder")


def kind_of(path: Path) -> str:
    """Return "bundle" for a finished folder, "checkout" for an upstream checkout, else "model"."""
    if not can_exist(path) or (path / INDEX_NAME).is_file():
        return "model"
    if any(path.glob("*.mlmodelc")) or any(path.glob("*.mlpackage")):
        return "bundle"
    if (path / "python_coreml_stable_diffusion").is_dir():
        return "checkout"
    return "model"


def size_of(text: str) -> tuple[int, int]:
    """Parse "WIDTHxHEIGHT" into height and width in pixels; zeros for an empty text."""
    if not text:
        return 0, 0
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise UsageError(f"--size {text}: give width and height in pixels, such as 512x768")
    return int(height), int(width)


def selection_of(args: argparse.Namespace) -> Selection:
    """Return the selection of checks; every id and family in it must exist."""
    ignore = (*(_ignore(text) for text in args.ignore), *settings(Path.cwd()).ignore)
    require_known(word for word in (*args.select, *(entry.what for entry in ignore)))
    return Selection(select=tuple(args.select), ignore=ignore)


def _ignore(text: str) -> Ignore:
    what, _, reason = text.partition("=")
    if not reason.strip():
        raise UsageError(f"--ignore {text}: say why, as in --ignore {what}='judged on 3 May: ...'")
    return Ignore(what=what.strip(), reason=reason.strip())


def require_known(words: Iterable[str]) -> None:
    """Raise `UsageError` for unknown ids: a misspelt --select would otherwise run no check."""
    unknown = [word for word in words if not any(names(word, check) for check in CHECKS)]
    if unknown:
        raise UsageError(
            f"no check or family is called {', '.join(unknown)}", remedy="see `sdcoreml explain`"
        )
