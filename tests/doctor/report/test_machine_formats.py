from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import fromstring

from doctor.check import Status
from doctor.engine import Report
from doctor.report import FORMATS, write
from tests.doctor.report.test_text import REPORT


def written(form: str, report: Report = REPORT) -> str:
    stream = io.StringIO()
    write(report, form, stream)
    return stream.getvalue()


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


def test_junit() -> None:
    root = fromstring(written("junit"))  # noqa: S314  our own output
    assert root.tag == "testsuites"
    suites = {suite.get("name"): suite.attrib for suite in root}
    assert suites["Pins"]["failures"] == "1"
    assert suites["Git"]["errors"] == "2"
    assert suites["Xcode"]["skipped"] == "1"
    (failure,) = root.iter("failure")
    assert failure.get("message") == "not the tested versions: numpy 2.1.0 (tested 1.23.5)"
    assert next(root.iter("testcase")).get("name") == "SYS001 A lock"


def test_sarif() -> None:
    log: dict[str, Any] = json.loads(written("sarif"))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == [result.id for result in REPORT.results]
    first, *_, last = run["results"]
    assert (first["ruleId"], first["level"]) == ("PIN001", "error")
    assert first["message"]["text"].startswith("not the tested versions: numpy 2.1.0 (tested 1.23")
    assert first["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "pyproject.toml"
    assert last["suppressions"] == [{"kind": "external", "justification": "known since May"}]


def test_sarif_places() -> None:
    result = REPORT.results[2]
    finding = replace(result.findings[0], where="/data/a b")
    report = replace(REPORT, results=(replace(result, findings=(finding,)),))
    (one,) = json.loads(written("sarif", report))["runs"][0]["results"]
    place = one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert place == "file:///data/a%20b"


def test_every_format_takes_every_status() -> None:
    for form in FORMATS:
        for status in Status:
            results = tuple(replace(one, status=status) for one in REPORT.results)
            assert written(form, replace(REPORT, results=results)).endswith("\n")


def test_changes_are_told() -> None:
    report = replace(REPORT, compared="the last good run", changes=("system.version: 15 -> 27",))
    assert "compared changed since the last good run\n           system.version: 15 -> 27\n" in (
        written("text", report)
    )
    assert json.loads(written("json", report))["changes"] == ["system.version: 15 -> 27"]
