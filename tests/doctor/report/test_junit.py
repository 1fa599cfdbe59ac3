from __future__ import annotations

from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.doctor.core.check import Finding, Fix, Status
from sdcoreml.doctor.core.engine import Report
from tests.doctor.report.reports import REPORT, report_of, warning_of, written


def tree(report: Report = REPORT) -> Element:
    return fromstring(written("junit", report))  # noqa: S314  our own output


def test_junit() -> None:
    root = tree()
    assert root.tag == "testsuites"
    suites = {suite.get("name"): suite.attrib for suite in root}
    assert suites["Pins"]["failures"] == "1"
    assert suites["Git"]["errors"] == "2"
    assert suites["Xcode"]["skipped"] == "1"
    (failure,) = root.iter("failure")
    assert failure.get("message") == "not the tested versions: numpy 2.1.0 (tested 1.23.5)"
    assert next(root.iter("testcase")).get("name") == "SYS001 A lock"


@pytest.mark.parametrize(
    ("status", "tag", "counted"),
    [
        (Status.ERROR, "failure", "failures"),
        (Status.UNKNOWN, "error", "errors"),
        (Status.WARNING, "system-out", ""),
        (Status.INFO, "system-out", ""),
        (Status.OK, "system-out", ""),
    ],
)
def test_each_status_is_a_kind_of_outcome(status: Status, tag: str, counted: str) -> None:
    finding = Finding(status=status, what="what", why="Why.", fix=Fix(title="do it"))
    (suite,) = tree(report_of(finding))
    (case,) = suite
    (outcome,) = case
    assert (outcome.tag, outcome.text) == (tag, "what\nWhy.\ndo it")
    assert outcome.get("message") == ("what" if counted else None)
    for name in ("failures", "errors", "skipped"):
        assert suite.get(name) == ("1" if name == counted else "0")
    assert suite.get("tests") == "1"


def test_a_skipped_check_says_why() -> None:
    (skipped,) = tree().iter("skipped")
    assert skipped.get("message") == "only macOS has Xcode"


def test_an_ignored_check_says_who_judged_it() -> None:
    finding = Finding(status=Status.ERROR, what="what")
    (case,) = tree(report_of(finding, Status.INFO, "judged on 3 May"))[0]
    assert case[0].text == "ignored: judged on 3 May\nwhat"


def test_a_check_with_nothing_to_say_is_an_empty_case() -> None:
    cases = {case.get("name"): list(case) for case in tree().iter("testcase")}
    assert cases["SYS002 Native"] == []


def test_a_suite_is_a_family_and_a_case_a_check() -> None:
    assert [suite.get("name") for suite in tree()] == ["System", "Pins", "Git", "Xcode", "Hub"]
    case = next(tree().iter("testcase"))
    assert case.attrib == {
        "classname": "doctor.System",
        "name": "SYS001 A lock",
        "time": "0.0000",
    }
    assert tree().attrib == {"name": "sdcoreml doctor", "time": "0.123"}


@pytest.mark.parametrize(
    ("said", "held"),
    [
        ("\x1b[31mred\x1b[0m", "\ufffd[31mred\ufffd[0m"),
        ("a\0b", "a\ufffdb"),
        ("no text: \udcff", "no text: \ufffd"),
        ("<&>\"'", "<&>\"'"),
        ("tab\tand \N{GRINNING FACE}", "tab\tand \N{GRINNING FACE}"),
    ],
)
def test_what_xml_cannot_hold_is_replaced(said: str, held: str) -> None:
    (case,) = tree(warning_of(said))[0]
    assert case[0].text == f"{held}\nWhy."


@given(st.text(st.characters()))
def test_any_words_make_a_document(said: str) -> None:
    assert tree(warning_of(said)).tag == "testsuites"
    assert tree(report_of(Finding(status=Status.ERROR, what=said))).tag == "testsuites"
