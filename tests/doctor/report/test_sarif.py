from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from sdcoreml.doctor.core.check import Finding, Status
from sdcoreml.doctor.core.engine import Report
from tests.doctor.report.reports import REPORT, report_of, warning_of, written


def results(report: Report) -> list[dict[str, Any]]:
    (run,) = json.loads(written("sarif", report))["runs"]
    found: list[dict[str, Any]] = run["results"]
    return found


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


@pytest.mark.parametrize(
    ("status", "level"),
    [
        (Status.ERROR, "error"),
        (Status.WARNING, "warning"),
        (Status.UNKNOWN, "warning"),
        (Status.INFO, "note"),
    ],
)
def test_each_severity_has_its_level(status: Status, level: str) -> None:
    (one,) = results(report_of(Finding(status=status, what="What", why="Why.")))
    assert (one["level"], one["message"]) == (level, {"text": "What. Why."})


def test_what_is_well_is_no_result() -> None:
    assert results(report_of(Finding(status=Status.OK, what="fine"), Status.WARNING)) == []


def test_a_check_that_could_not_look_is_a_result_with_its_reason() -> None:
    slow = [one for one in results(REPORT) if one["ruleId"] == "GIT001"]
    assert [(one["level"], one["message"]["text"]) for one in slow] == [("warning", "slow")]


@pytest.mark.parametrize(
    ("where", "uri"),
    [
        ("", "pyproject.toml"),
        ("unet/config.json", "unet/config.json"),
        ("/data/a b#c", "file:///data/a%20b%23c"),
        ("/data/\N{LATIN SMALL LETTER E WITH ACUTE}", "file:///data/%C3%A9"),
        ("/data/\udcff", "file:///data/%FF"),
    ],
)
def test_every_result_has_a_place(where: str, uri: str) -> None:
    (one,) = results(warning_of("What", where=where))
    (place,) = one["locations"]
    assert place == {"physicalLocation": {"artifactLocation": {"uri": uri}}}


def test_nothing_is_suppressed_that_nobody_judged() -> None:
    assert "suppressions" not in results(warning_of("What"))[0]


def test_the_log_names_its_schema_and_tool() -> None:
    log = json.loads(written("sarif"))
    assert log["$schema"].endswith("sarif-2.1.0.json")
    driver = log["runs"][0]["tool"]["driver"]
    assert driver["name"] == "sdcoreml"
    assert driver["rules"][0] == {"id": "SYS001", "shortDescription": {"text": "A lock"}}
