from __future__ import annotations

from dataclasses import replace

import pytest

from sdcoreml.doctor.core.check import Finding, Fix, Status
from tests.doctor.report.reports import REPORT, report_of, warning_of, written

MARKDOWN = """\
## sdcoreml doctor: tested on macos-arm64

- **yes**: this machine can build it
- **no**: this machine cannot convert (PIN001, A, B, C, D, E, F)
- 7 checks: 1 skipped, 2 ok, 1 info, 2 unknown, 1 error

| | check | finding | what to do |
|---|---|---|---|
| error | PIN001 Direct pins | not the tested versions: numpy 2.1.0 (tested 1.23.5) | build the \
environment again<br>`make env 'X=a b'` |
| unknown | GIT001 G | slow |  |
| unknown | GIT002 G | slow |  |
| ignored: known since May | HUB001 H | something |  |
"""


def test_markdown() -> None:
    assert written("markdown") == MARKDOWN


def test_a_machine_without_problems_needs_no_table() -> None:
    well = replace(REPORT, results=REPORT.results[:2], verdicts=())
    assert written("markdown", well) == (
        "## sdcoreml doctor: tested on macos-arm64\n\n- 2 checks: 2 ok\n"
    )


def test_facts_that_are_missing_are_said() -> None:
    nothing = replace(REPORT, toolchain="", target="", results=(), verdicts=())
    assert written("markdown", nothing) == (
        "## sdcoreml doctor: no toolchain on ?\n\n- 0 checks: \n"
    )


@pytest.mark.parametrize(
    ("text", "cell"),
    [("a | b", "a \\| b"), ("two\nlines", "two lines"), ("`code` *bold*", "`code` *bold*")],
)
def test_a_cell_stays_in_its_cell(text: str, cell: str) -> None:
    row = written("markdown", warning_of(text)).splitlines()[-1]
    assert row == f"| warning | PIN001 Direct pins | {cell} |  |"


def test_every_command_is_given() -> None:
    fix = Fix(title="do it", commands=(("rm", "a b"), ("ls",)))
    row = written("markdown", warning_of("x", fix)).splitlines()[-1]
    assert row.endswith("| do it<br>`rm 'a b'`<br>`ls` |")


def test_what_is_well_has_no_row() -> None:
    text = written("markdown", report_of(Finding(status=Status.OK, what="fine"), Status.WARNING))
    assert "fine" not in text
