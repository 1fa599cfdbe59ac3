from __future__ import annotations

from dataclasses import replace

import pytest

from sdcoreml.doctor.core.check import Finding, Fix, Status
from tests.doctor.report.reports import REPORT, report_of, warning_of, written

GITHUB = """\
::error title=PIN001 Direct pins::not the tested versions: numpy 2.1.0 (tested 1.23.5)%0AOnly the \
tested combination is known to convert; others fail late or silently.%0Abuild the environment \
again%0Amake env 'X=a b'
::warning title=GIT001 G::slow
::warning title=GIT002 G::slow
::notice title=HUB001 H::something%0ABecause.
::notice title=env::this machine can build it
::notice title=convert::this machine cannot convert
"""


def test_github() -> None:
    assert written("github") == GITHUB


def test_github_properties_are_escaped() -> None:
    result = REPORT.results[2]
    finding = replace(result.findings[0], where="/a,b:c", what="100 %")
    report = replace(REPORT, results=(replace(result, findings=(finding,)),), verdicts=())
    assert written("github", report).startswith("::error file=/a%2Cb%3Ac,title=PIN001 ")
    assert "::100 %25%0A" in written("github", report)


@pytest.mark.parametrize(
    ("status", "level"),
    [
        (Status.ERROR, "::error "),
        (Status.WARNING, "::warning "),
        (Status.UNKNOWN, "::warning "),
        (Status.INFO, "::notice "),
    ],
)
def test_each_severity_has_its_annotation(status: Status, level: str) -> None:
    text = written("github", report_of(Finding(status=status, what="x")))
    assert text == f"{level}title=PIN001 Direct pins::x\n"


def test_what_is_well_is_no_annotation() -> None:
    finding = Finding(status=Status.OK, what="fine")
    assert written("github", report_of(finding)) == ""
    assert written("github", report_of(finding, Status.WARNING)) == ""


def test_an_ignored_error_is_a_notice() -> None:
    ignored = report_of(Finding(status=Status.ERROR, what="x"), Status.INFO, "judged")
    assert written("github", ignored) == "::notice title=PIN001 Direct pins::x\n"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("50 %", "50 %25"),
        ("%0A", "%250A"),
        ("two\nlines", "two%0Alines"),
        ("two\r\nlines", "two%0D%0Alines"),
        ("a: b, c", "a: b, c"),
        ("::error::", "::error::"),
    ],
)
def test_a_message_stays_in_its_line(text: str, escaped: str) -> None:
    assert written("github", warning_of(text)) == (
        f"::warning title=PIN001 Direct pins::{escaped}%0AWhy.\n"
    )


def test_commands_can_be_pasted() -> None:
    fix = Fix(title="do it", commands=(("rm", "a b"), ("ls",)))
    assert written("github", warning_of("x", fix)).endswith("%0Ado it%0Arm 'a b'%0Als\n")
