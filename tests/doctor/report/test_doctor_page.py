from __future__ import annotations

import re
from dataclasses import replace

from sdcoreml.doctor.core.check import Finding, Fix, Status
from sdcoreml.doctor.report import as_page
from tests.doctor.report.reports import REPORT
from tests.golden import assert_golden, outline_of
from tests.pages import HOSTILE, read_page, text_of


def test_the_verdicts_come_first_and_lead_to_their_checks() -> None:
    page = as_page(REPORT)
    said = text_of(page)
    assert said.index("yes this machine can build it; it takes 6 GB") < said.rindex("What to do")
    assert "error Direct pins PIN001" in said
    assert "make env 'X=a b'" in said
    assert "Ignored: known since May" in said
    assert "SYS001 System ok A lock macOS 15.6 on arm64" in said
    assert "git 0.04 s" in said


def test_a_verdict_links_only_to_checks_on_the_page() -> None:
    assert "#check-PIN001" in read_page(as_page(REPORT)).addresses


def test_names_are_put_back_and_hostile_text_stays_text() -> None:
    odd = Finding(status=Status.ERROR, what="TEMP", why=HOSTILE, evidence={HOSTILE: "TEMP"})
    results = (replace(REPORT.results[2], title=HOSTILE, findings=(odd,)),)
    report = replace(REPORT, results=results, changes=(HOSTILE,), compared=HOSTILE)
    page = as_page(
        replace(report, verdicts=()), lambda text: text.replace("TEMP", "a<b>" + HOSTILE)
    )
    said = text_of(page)
    assert "TEMP" not in said
    assert said.count("alert(1)") >= 6


def test_all_is_well() -> None:
    fine = replace(REPORT, results=REPORT.results[:2], verdicts=(), left_out=())
    said = text_of(as_page(fine))
    assert "All is well" in said
    assert "What to do" not in said
    for more in (
        replace(fine, left_out=("git",)),
        replace(fine, results=(*fine.results, *UNKNOWN)),
    ):
        assert re.search(r"\bNo errors found, but not all is known", text_of(as_page(more)))


UNKNOWN = tuple(one for one in REPORT.results if one.status is Status.UNKNOWN)


def test_the_whole_page() -> None:
    pins, git = REPORT.results[2:4]
    odd = replace(
        pins,
        id="ABC-12",
        status=Status.WARNING,
        findings=(
            Finding(
                status=Status.WARNING,
                what="`git` is old",
                evidence={"git": "2.1"},
                fix=Fix(title="update it", commands=()),
            ),
        ),
    )
    report = replace(
        REPORT,
        results=(*REPORT.results, odd, replace(git, id="GIT003")),
        changes=("a: 1, before 2",),
        compared="before.json",
    )
    assert_golden("doctor", outline_of(as_page(report)))


def test_what_the_title_says() -> None:
    fine, two = REPORT.results[:2], [replace(REPORT.results[2], status=Status.WARNING)] * 2
    said = [
        outline_of(as_page(replace(report, left_out=(), compared="x")))
        for report in (
            replace(REPORT, results=(*fine, *two), verdicts=()),
            replace(REPORT, results=(*fine, *two[:1]), verdicts=()),
            replace(REPORT, results=fine, toolchain=""),
            replace(REPORT, results=REPORT.results[2:3] * 2),
        )
    ]
    titles = (
        "2 warnings, no errors",
        "1 warning, no errors",
        "Not possible here",
        "2 errors",
    )
    for title, page in zip(titles, said, strict=True):
        assert f"h1\n  {title}\n" in page
    assert "toolchain" not in said[2]
    assert "Nothing." in said[2]
    assert "There was no time" not in said[2]
