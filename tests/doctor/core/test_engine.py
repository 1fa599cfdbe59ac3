from __future__ import annotations

from dataclasses import replace

import pytest

from sdcoreml.doctor.checks import CHECKS
from sdcoreml.doctor.core.check import (
    Check,
    CheckFamily,
    Findings,
    Status,
    check,
    error,
    info,
    ok,
    warning,
)
from sdcoreml.doctor.core.engine import (
    Ignore,
    Report,
    Selection,
    examine,
    exit_code,
    names,
)
from sdcoreml.doctor.core.facts import (
    Absent,
    EnvironmentFacts,
    EvidenceFacts,
    System,
    Unknown,
)
from sdcoreml.doctor.core.tools import Git, Hub
from sdcoreml.ground.errors import LockfileError
from tests.doctor.healthy import HEALTHY, PROOF, TOOLCHAIN
from tests.doctor.specimens import SICK, sick


@check("TST001", CheckFamily.SYSTEM)
def well(system: System) -> Findings:
    """All is well.

    And here is
    why.
    """
    yield ok(f"{system.cores} cores")


@check("TST002", CheckFamily.HUB)
def ill(hub: Hub) -> Findings:
    """Something is wrong."""
    yield warning(hub.cache, why="A reason.")
    yield error("worse", why="Another.")


@check("TST003", CheckFamily.GIT)
def crashing(system: System) -> Findings:
    """Falls over."""
    raise ZeroDivisionError(system.name)


@check("TST004", CheckFamily.GIT)
def about_absence(git: Git | None = None) -> Findings:
    """Needs an absent fact."""
    if git is None:
        yield info("no git")


def status(one: Check, **changes: object) -> Status:
    (result,) = examine(replace(HEALTHY, **changes), [one]).results  # type: ignore[arg-type]
    return result.status


def test_facts_are_handed_over_by_name() -> None:
    (result,) = examine(HEALTHY, [well]).results
    assert [finding.what for finding in result.findings] == ["8 cores"]
    assert result.status is Status.OK


def test_a_finding_is_placed_at_its_subject_unless_it_names_a_place() -> None:
    @check("TST009", CheckFamily.ENVIRONMENT)
    def touched(system: System, environment: EnvironmentFacts) -> Findings:
        """It was touched."""
        yield warning(system.name, why="A reason.")
        yield warning("a file", why="A reason.", where="/a/file")
        yield ok(environment.seal)

    (result,) = examine(HEALTHY, [touched]).results
    path = getattr(HEALTHY.environment, "path", "")
    assert [one.where for one in result.findings] == [path, "/a/file", ""]
    assert path


def test_the_worst_finding_is_the_status() -> None:
    assert status(ill) is Status.ERROR


def test_unknown_fact_makes_the_check_unknown_and_says_why() -> None:
    (result,) = examine(replace(HEALTHY, hub=Unknown(reason="disk is slow")), [ill]).results
    assert result.status is Status.UNKNOWN
    assert result.reason == "could not look at hub: disk is slow"


def test_absent_fact_skips_unless_the_check_speaks_of_absence() -> None:
    assert status(ill, hub=Absent(reason="nothing")) is Status.SKIPPED
    assert status(about_absence, git=Absent(reason="no program")) is Status.INFO
    assert status(about_absence, git=Unknown(reason="slow")) is Status.UNKNOWN


def test_a_crash_is_a_finding_and_the_rest_still_runs() -> None:
    crash, after = examine(HEALTHY, [crashing, well]).results
    assert crash.status is Status.UNKNOWN
    assert "ZeroDivisionError: macOS" in crash.findings[0].what
    assert after.status is Status.OK


def test_an_error_of_our_own_is_no_crash_but_the_reason_why_nothing_is_known() -> None:
    @check("TST005", CheckFamily.PINS)
    def unreadable(system: System) -> Findings:
        """Cannot be established."""
        raise LockfileError(f"no reader on {system.name}", remedy="take another Python")

    (result,) = examine(HEALTHY, [unreadable]).results
    assert result.status is Status.UNKNOWN
    assert result.reason == "no reader on macOS; take another Python"
    assert result.findings == ()


def test_commands_are_told_of_a_toolchain_that_is_not_its_default() -> None:
    def commands(name: str, toolchain: str) -> tuple[tuple[str, ...], ...]:
        facts = replace(SICK[name], toolchain=replace(TOOLCHAIN, name=toolchain))
        (result,) = examine(facts, CHECKS, Selection(select=(name,))).results
        assert result.findings[0].fix
        return result.findings[0].fix.commands

    assert commands("ENV001", "tested") == (("sdcoreml", "env"),)
    assert commands("ENV001", "current") == (("sdcoreml", "env", "--toolchain", "current"),)
    assert commands("PIN001", "current") == (
        ("sdcoreml", "env", "repair", "--toolchain", "current"),
    )
    assert commands("GIT003", "current") == commands("GIT003", "tested")


def test_commands_are_told_of_the_backend_as_of_the_toolchain() -> None:
    def commands(check: str, **asked: str) -> tuple[tuple[str, ...], ...]:
        facts = replace(SICK[check], toolchain=replace(TOOLCHAIN, **asked))  # type: ignore[arg-type]
        (result,) = examine(facts, CHECKS, Selection(select=(check,))).results
        assert result.findings[0].fix
        return result.findings[0].fix.commands

    assert commands("ENV001", backend="conda") == (("sdcoreml", "env", "--backend", "conda"),)
    both = commands("ENV001", backend="conda", name="light")
    assert both == (("sdcoreml", "env", "--toolchain", "light", "--backend", "conda"),)
    unproven = replace(PROOF, lock_digest="another")
    facts = sick(evidence=EvidenceFacts(proofs=(unproven,)))
    facts = replace(facts, toolchain=replace(TOOLCHAIN, backend="conda"))
    (result,) = examine(facts, CHECKS, Selection(select=("ENV007",))).results
    assert result.findings[0].fix
    assert result.findings[0].fix.commands[0][-2:] == ("--backend", "conda")


def test_selection_by_id_prefix_and_family() -> None:
    def chosen(*words: str) -> list[str]:
        report = examine(HEALTHY, [well, ill, crashing], Selection(select=words))
        return [result.id for result in report.results]

    assert chosen() == ["TST001", "TST002", "TST003"]
    assert chosen("tst002") == ["TST002"]
    assert chosen("hub", "TST001") == ["TST001", "TST002"]
    assert chosen("TST") == ["TST001", "TST002", "TST003"]
    assert not names("TS", well)


def test_ignoring_demotes_and_keeps_the_reason() -> None:
    selection = Selection(ignore=(Ignore(what="TST002", reason="judged"),))
    report = examine(HEALTHY, [well, ill], selection)
    assert [result.status for result in report.results] == [Status.OK, Status.INFO]
    assert report.results[1].ignored == "judged"
    assert report.results[1].findings, "it stays in the report"
    assert report.results[0].ignored == ""


@pytest.mark.parametrize(
    ("statuses", "fail_on", "code"),
    [
        ((), Status.ERROR, 0),
        ((Status.OK, Status.SKIPPED, Status.INFO), Status.ERROR, 0),
        ((Status.WARNING,), Status.ERROR, 0),
        ((Status.WARNING,), Status.WARNING, 1),
        ((Status.INFO,), Status.INFO, 1),
        ((Status.ERROR,), Status.ERROR, 1),
        ((Status.UNKNOWN, Status.OK), Status.ERROR, 3),
        ((Status.UNKNOWN, Status.ERROR), Status.ERROR, 1),
        ((Status.UNKNOWN,), Status.INFO, 3),
    ],
)
def test_exit_code(statuses: tuple[Status, ...], fail_on: Status, code: int) -> None:
    result = examine(HEALTHY, [well]).results[0]
    results = tuple(replace(result, status=one) for one in statuses)
    assert exit_code(Report(toolchain="", target="", results=results), fail_on) == code


def test_problems_come_worst_first() -> None:
    report = examine(HEALTHY, [about_absence, crashing, ill, well])
    assert [result.id for result in report.problems()] == ["TST002", "TST003"]


def test_the_report_says_for_what_it_was_made() -> None:
    report = examine(HEALTHY, [well])
    assert (report.toolchain, report.target) == ("tested", "macos-arm64")
    nothing = replace(HEALTHY, toolchain=Unknown(reason="x"), system=Unknown(reason="x"))
    blank = examine(nothing, [well])
    assert (blank.toolchain, blank.target) == ("", "")
    assert report.seconds > 0


def test_absence_comes_before_not_knowing() -> None:
    @check("TST005", CheckFamily.GIT)
    def both(hub: Hub, git: Git) -> Findings:
        """Looks at two facts."""
        yield ok(f"{hub} {git}")

    facts = replace(HEALTHY, hub=Unknown(reason="slow"), git=Absent(reason="no git"))
    (result,) = examine(facts, [both]).results
    assert (result.status, result.reason) == (Status.SKIPPED, "no git")


def test_a_crash_says_how_to_report_it() -> None:
    (crash,) = examine(HEALTHY, [crashing]).results
    (finding,) = crash.findings
    assert finding.why.startswith("This is a bug in sdcoreml")
    assert finding.fix
    assert finding.fix.title.endswith("`sdcoreml doctor --select TST003 --json`")


def test_a_finding_before_a_crash_is_not_half_a_judgement() -> None:
    @check("TST006", CheckFamily.GIT)
    def breaking(system: System) -> Findings:
        """Says something and falls over."""
        yield error(system.name, why="A reason.")
        raise KeyError(system.version)

    (result,) = examine(HEALTHY, [breaking]).results
    assert result.status is Status.UNKNOWN
    assert [finding.what for finding in result.findings] == [
        "the check itself failed: KeyError: '15.6'"
    ]


def test_what_is_well_or_only_informs_needs_no_excuse() -> None:
    ignore = (Ignore(what="TST", reason="judged"),)
    report = examine(HEALTHY, [well], Selection(ignore=ignore))
    assert (report.results[0].status, report.results[0].ignored) == (Status.OK, "")
    facts = replace(HEALTHY, git=Absent(reason="no program"))
    (told,) = examine(facts, [about_absence], Selection(ignore=ignore)).results
    assert (told.status, told.ignored) == (Status.INFO, "")


def test_the_first_reason_given_is_the_one_that_is_kept() -> None:
    entries = (Ignore(what="hub", reason="first"), Ignore(what="TST002", reason="second"))
    assert Selection(ignore=entries).excuse(ill) == "first"
    assert Selection(ignore=entries[1:]).excuse(ill) == "second"
    assert Selection(ignore=entries).excuse(well) == ""


@pytest.mark.parametrize(
    ("word", "is_meant"),
    [
        ("TST002", True),
        ("tst002", True),
        ("TST", True),
        ("Hub", True),
        ("HUB", True),
        ("TST00", False),
        ("TST0021", False),
        ("", False),
        ("002", False),
    ],
)
def test_words_for_a_check(word: str, is_meant: bool) -> None:  # noqa: FBT001  a table
    assert names(word, ill) is is_meant


def test_a_family_of_two_words_is_named_by_either_form() -> None:
    @check("LIB009", CheckFamily.NATIVE)
    def one(system: System) -> Findings:
        """Looks at native code."""
        yield ok(system.name)

    assert names("native code", one)
    assert names("native", one)


def test_statuses_are_counted() -> None:
    report = examine(HEALTHY, [well, ill, crashing])
    assert [report.count(status) for status in Status] == [0, 1, 0, 1, 0, 1]
