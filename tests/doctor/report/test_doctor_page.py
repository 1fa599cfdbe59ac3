from __future__ import annotations

from dataclasses import replace

from sdcoreml.doctor.core.check import Finding, Status
from sdcoreml.doctor.report import as_page
from tests.doctor.report.reports import REPORT
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
        assert "No errors found, but not all is known" in text_of(as_page(more))


UNKNOWN = tuple(one for one in REPORT.results if one.status is Status.UNKNOWN)
