from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.doctor.core.check import (
    CheckFamily,
    Finding,
    Fix,
    Status,
)
from sdcoreml.doctor.core.engine import GoalVerdict, Report, Result
from sdcoreml.doctor.report.layout import WIDTH, page
from tests.doctor.report.reports import REPORT, report_of, warning_of


def lines(report: Report) -> list[str]:
    return [str(line) for line in page(report)]


def result(name: str, status: Status, *findings: Finding, reason: str = "") -> Result:
    return Result(
        id=name, family=CheckFamily.DISK, title="T", status=status, findings=findings, reason=reason
    )


def report(*results: Result) -> Report:
    return Report(toolchain="tested", target="linux-x86_64", results=results)


def test_nothing_is_wider_than_the_page() -> None:
    long = "words of a sentence that goes on and on " * 5
    finding = Finding(status=Status.WARNING, what=long, why=long, fix=Fix(title=long))
    result = replace(REPORT.results[2], findings=(finding,))
    lines = page(replace(REPORT, results=(result,)))
    assert max(len(str(line)) for line in lines) <= WIDTH


def fact(what: str) -> Finding:
    return Finding(status=Status.OK, what=what)


@pytest.mark.parametrize(
    ("results", "line"),
    [
        ([result("DSK001", Status.OK)], "ok       Disk         1 check"),
        (
            [result("DSK001", Status.OK, fact("20 GB free")), result("DSK002", Status.OK)],
            "ok       Disk         20 GB free",
        ),
        (
            [result("DSK001", Status.OK, fact("20 GB free"), fact("a local disk"))],
            "ok       Disk         20 GB free; a local disk",
        ),
        (
            [result("DSK001", Status.SKIPPED, reason="no model"), result("DSK002", Status.OK)],
            "ok       Disk         2 checks",
        ),
        (
            [result(f"DSK00{n}", Status.SKIPPED, reason=f"no {n}") for n in (1, 2)],
            "skipped  Disk         no 1",
        ),
        (
            [result("DSK001", Status.INFO), result("DSK002", Status.WARNING)],
            "warning  Disk         see DSK001, DSK002",
        ),
        (
            [result("DSK001", Status.UNKNOWN), result("DSK002", Status.INFO)],
            "unknown  Disk         see DSK001, DSK002",
        ),
    ],
)
def test_a_family_is_one_line(results: list[Result], line: str) -> None:
    assert lines(report(*results))[0] == line


def test_a_family_with_much_to_see_is_folded_under_itself() -> None:
    found = lines(report(*(result(f"DSK{n:03}", Status.ERROR) for n in range(12))))
    assert found[:2] == [
        "error    Disk         see DSK000, DSK001, DSK002, DSK003, DSK004, DSK005,",
        "                      DSK006, DSK007, DSK008, DSK009, DSK010, DSK011",
    ]


def test_commands_are_never_folded_and_can_be_pasted() -> None:
    command = ("make", "env", "ARGS=" + "--index https://mirror.invalid/simple " * 4)
    found = lines(warning_of("What.", Fix(title="do it", commands=(command, ("ls", "it's")))))
    quoted = "'ARGS=" + "--index https://mirror.invalid/simple " * 4 + "'"
    assert f"         run   make env {quoted}" in found
    assert """         run   ls 'it'"'"'s'""" in found


def test_paths_are_not_broken_at_their_hyphens() -> None:
    path = "/models/" + "stable-diffusion-" * 6 + "v1"
    assert f"warning  PIN001  {path}" in lines(warning_of(path))


def test_a_finding_that_is_well_is_not_told_beside_the_ill() -> None:
    ill = Finding(status=Status.WARNING, what="ill")
    found = lines(report(result("DSK001", Status.WARNING, fact("well"), ill)))
    assert "warning  DSK001  ill" in found
    assert not any("well" in line for line in found)


def test_what_is_unknown_for_one_reason_is_told_once() -> None:
    found = lines(
        report(
            result("DSK001", Status.UNKNOWN, reason="slow"),
            result("DSK002", Status.UNKNOWN, reason="no right"),
            result("DSK003", Status.UNKNOWN, reason="slow"),
        )
    )
    assert found[1:7] == [
        *("", "unknown  DSK001, DSK003", "         why   slow"),
        *("", "unknown  DSK002", "         why   no right"),
    ]


def test_ignored_findings_are_said_with_who_judged_them() -> None:
    finding = Finding(status=Status.ERROR, what="old", fix=Fix(title="mend it"))
    found = lines(report_of(finding, Status.INFO, "judged on 3 May"))
    assert found[2:5] == [
        "info     PIN001  old",
        "         ignored  judged on 3 May",
        "         do    mend it",
    ]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ((), ["changed  nothing since the last good run", ""]),
        (("a: 1 -> 2",), ["changed  this since the last good run", "           a: 1 -> 2", ""]),
        (
            tuple(f"c{n}" for n in range(10)),
            [
                "changed  this since the last good run",
                *(f"           c{n}" for n in range(8)),
                "           and 2 more",
                "",
            ],
        ),
    ],
)
def test_the_first_suspects_are_named_and_the_rest_counted(
    changes: tuple[str, ...], told: list[str]
) -> None:
    found = lines(replace(report(), compared="the last good run", changes=changes))
    assert found[1 : 1 + len(told)] == told
    assert len(found) == 2 + len(told)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "checked  0 checks: none"),
        ({"seconds": 1.5}, "checked  0 checks in 1.50 s: none"),
        (
            {"costs": {"a": 0.1, "b": 0.4, "c": 0.2, "d": 0.3}},
            "checked  0 checks: none (slowest: b 0.40 s, d 0.30 s, c 0.20 s)",
        ),
    ],
)
def test_the_tally_says_what_took_the_longest(changes: dict[str, object], line: str) -> None:
    assert lines(replace(report(), **changes))[1] == line  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("verdict", "line"),
    [
        (GoalVerdict(goal="env", answer="yes", sentence="it can"), "yes      it can"),
        (
            GoalVerdict(goal="env", answer="unknown", sentence="it may", because=("A",)),
            "unknown  it may (A)",
        ),
        (
            GoalVerdict(goal="env", answer="no", sentence="never", because=tuple("ABCDE")),
            "no       never (A, B, C, D, E)",
        ),
        (
            GoalVerdict(goal="env", answer="no", sentence="never", because=tuple("ABCDEF")),
            "no       never (A, B, C, D, E and 1 more)",
        ),
        (
            GoalVerdict(goal="env", answer="yes", sentence="it can", needs=("1 GB", "2 minutes")),
            "yes      it can; it takes 1 GB, 2 minutes",
        ),
    ],
)
def test_verdicts_come_last(verdict: GoalVerdict, line: str) -> None:
    assert lines(replace(report(), verdicts=(verdict,)))[-1] == line


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=200)


@given(words, words, words)
def test_whatever_is_said_each_label_starts_its_line(what: str, why: str, title: str) -> None:
    finding = Finding(status=Status.ERROR, what=what, why=why, fix=Fix(title=title))
    for line in page(report_of(finding)):
        assert len(line.label) < 9
        assert "\n" not in line.text
        assert str(line) == str(line).rstrip()
