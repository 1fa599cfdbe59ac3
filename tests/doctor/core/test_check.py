from __future__ import annotations

import pytest

from sdcoreml.doctor.core.check import (
    CheckFamily,
    Findings,
    Fix,
    Status,
    check,
    error,
    info,
    ok,
    warning,
)
from sdcoreml.doctor.core.facts import (
    System,
)
from sdcoreml.doctor.core.tools import Git, Hub

FIX = Fix(title="do it")


def test_severities_rise_in_the_order_of_the_report() -> None:
    ranks = [status.rank for status in Status]
    assert ranks == sorted(ranks)
    assert [status.value for status in Status] == [
        *("skipped", "ok", "info", "unknown", "warning", "error")
    ]


def test_a_fact_for_the_family_s_line_is_no_more_than_that() -> None:
    found = ok("8 cores")
    assert (found.status, found.what, found.why, found.fix) == (Status.OK, "8 cores", "", None)


@pytest.mark.parametrize(
    ("make", "status"),
    [(info, Status.INFO), (warning, Status.WARNING), (error, Status.ERROR)],
)
def test_a_finding_keeps_all_that_it_was_given(make: object, status: Status) -> None:
    assert callable(make)
    found = make("what", why="Why.", fix=FIX, where="/there")
    assert (found.status, found.what, found.why) == (status, "what", "Why.")
    assert (found.fix, found.where, found.evidence) == (FIX, "/there", {})


def test_evidence_goes_with_what_has_consequences() -> None:
    for make in (warning, error):
        assert make("what", why="Why.", evidence={"free": "1"}).evidence == {"free": "1"}


def test_docstring_is_title_and_page() -> None:
    @check("TST001", CheckFamily.SYSTEM)
    def well(system: System) -> Findings:
        """All is well.

        And here is
            why.

        A second paragraph.
        """
        yield ok(system.name)

    assert (well.id, well.family) == ("TST001", CheckFamily.SYSTEM)
    assert well.title == "All is well"
    assert well.page == "And here is\nwhy.\n\nA second paragraph."


def test_a_title_may_be_all_there_is() -> None:
    @check("TST001", CheckFamily.SYSTEM)
    def well(system: System) -> Findings:
        """All is well."""
        yield ok(system.name)

    assert (well.title, well.page) == ("All is well", "")


def test_a_check_without_docstring_is_refused() -> None:
    def silent(system: System) -> Findings:
        return [ok(system.name)]

    with pytest.raises(TypeError, match="TST009 needs a docstring"):
        check("TST009", CheckFamily.GIT)(silent)


def test_what_a_check_looks_at_are_its_parameters() -> None:
    @check("TST001", CheckFamily.GIT)
    def one(system: System, hub: Hub, git: Git | None = None) -> Findings:
        """Looks at three facts."""
        local = system.cores
        yield ok(f"{local} {hub.cache} {git}")

    assert one.needs == ("system", "hub", "git")
    assert one.optional == {"git"}


def test_a_check_is_called_with_its_facts_in_their_order() -> None:
    @check("TST001", CheckFamily.GIT)
    def one(system: str, hub: str) -> Findings:
        """Reports its arguments."""
        yield ok(f"{system} before {hub}")

    assert [found.what for found in one("a", "b")] == ["a before b"]
    assert one.optional == frozenset()


def test_the_headings_of_a_report() -> None:
    assert [family.value for family in CheckFamily] == [
        *("System", "Python", "Pins", "Environment", "Native code", "Git", "Xcode", "Disk"),
        *("Memory", "Hub", "Model", "Bundle"),
    ]
