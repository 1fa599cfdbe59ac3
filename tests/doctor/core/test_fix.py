from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from sdcoreml.convert.cli import build_parser
from sdcoreml.doctor.checks import CHECKS
from sdcoreml.doctor.cli import parse
from sdcoreml.doctor.core.check import Status
from sdcoreml.doctor.core.engine import (
    Ignore,
    Report,
    Selection,
    examine,
)
from sdcoreml.doctor.core.facts import Facts
from sdcoreml.doctor.core.fix import (
    apply,
    cure_lines,
    plan,
    plan_lines,
)
from tests.doctor.faults import FAULTS
from tests.doctor.healthy import HEALTHY
from tests.doctor.specimens import SICK


def report(facts: Facts, ids: Sequence[str] = ()) -> Report:
    return examine(facts, CHECKS, Selection(select=tuple(ids)))


def test_one_step_for_all_checks_that_ask_for_it() -> None:
    (step,) = plan(report(SICK["PIN001"], ["PINS"]))
    assert step.fix.commands == (("sdcoreml", "env", "repair"),)
    assert step.checks == ("PIN001", "PIN002", "PIN005")
    assert step.fix.safe


def test_a_well_machine_needs_nothing() -> None:
    assert plan(report(HEALTHY)) == ()


def test_what_was_ignored_is_not_mended() -> None:
    selection = Selection(select=("PIN001",), ignore=(Ignore(what="PIN001", reason="on purpose"),))
    assert plan(examine(SICK["PIN001"], CHECKS, selection)) == ()


@pytest.mark.parametrize(
    ("after", "code", "cured"),
    [(HEALTHY, 0, True), (SICK["PIN001"], 0, False), (HEALTHY, 2, False)],
)
def test_the_same_checks_judge_the_cure(after: Facts, code: int, cured: bool) -> None:  # noqa: FBT001
    (step,) = plan(report(SICK["PIN001"], ["PINS"]))
    ran: list[Sequence[str]] = []

    def run(command: Sequence[str]) -> int:
        ran.append(command)
        return code

    cure = apply(step, run, lambda ids: report(after, ids))
    assert ran == [("sdcoreml", "env", "repair")]
    assert [name for name, _ in cure.statuses] == ["PIN001", "PIN002", "PIN005"]
    assert cure.is_cured is cured


def test_the_first_command_that_fails_is_the_last_that_runs() -> None:
    (step,) = plan(report(SICK["GIT003"], ["GIT003"]))
    assert not step.fix.safe, "a checkout moves the user's files"
    ran: list[Sequence[str]] = []

    def run(command: Sequence[str]) -> int:
        ran.append(command)
        return 128

    cure = apply(step, run, lambda ids: report(SICK["GIT003"], ids))
    assert len(ran) == 1
    assert (cure.code, cure.is_cured) == (128, False)


def test_no_fix_with_sudo_or_that_deletes_is_safe() -> None:
    words = {"sudo", "rm", "checkout", "reset", "clean"}
    for facts in SICK.values():
        for result in report(facts).results:
            for finding in result.findings:
                if finding.fix and finding.fix.safe:
                    assert not words & {word for one in finding.fix.commands for word in one}


def commands_of_all_fixes() -> set[tuple[str, ...]]:
    results = (result for facts in SICK.values() for result in report(facts).results)
    fixes = (finding.fix for result in results for finding in result.findings if finding.fix)
    return {command for fix in fixes for command in fix.commands}


def test_every_command_is_one_that_there_is() -> None:
    for command in commands_of_all_fixes():
        match command:
            case ("sdcoreml", *words):
                parse(words)
            case ("python", "-m", "sdcoreml.convert", *words):
                build_parser().parse_args(words)
            case (program, *_):
                assert program in {"git", "sudo"}, command


def test_what_people_read_of_it() -> None:
    (step,) = plan(report(SICK["PIN003"], ["PIN003"]))
    assert list(plan_lines([step])) == [
        "safe     restore the environment to what was sealed and tested (PIN003)",
        "         run   sdcoreml env repair",
    ]
    well = apply(step, lambda command: len(command) * 0, lambda ids: report(HEALTHY, ids))
    ill = apply(step, len, lambda ids: report(SICK["PIN003"], ids))
    assert list(cure_lines([well, ill])) == [
        "cured     PIN003 ok",
        "not cured PIN003 warning (exit code 3)",
    ]
    assert list(plan_lines([])) == ["nothing found that a command could mend"]


def test_unknown_is_not_cured() -> None:
    (step,) = plan(report(SICK["PIN003"], ["PIN003"]))

    def again(ids: Sequence[str]) -> Report:
        found = report(HEALTHY, ids)
        unknown = tuple(replace(one, status=Status.UNKNOWN) for one in found.results)
        return replace(found, results=unknown)

    assert not apply(step, lambda command: len(command) * 0, again).is_cured


SAFE_WORDS = frozenset({"sdcoreml", "git"})
NEVER_SAFE = frozenset({"sudo", "rm", "mv", "checkout", "reset", "clean", "pull", "convert", "gc"})


@pytest.mark.parametrize("name", [*SICK, *FAULTS])
def test_what_could_destroy_is_never_marked_safe(name: str) -> None:
    facts = SICK.get(name) or FAULTS[name]
    for step in plan(examine(facts, CHECKS)):
        for command in step.fix.commands if step.fix.safe else ():
            assert command[0] in SAFE_WORDS
            # `git lfs pull` fetches what pointers stand for; it is not `git pull`.
            assert not NEVER_SAFE & set(" ".join(command).replace("lfs pull", "lfs").split())
