"""The doctor's report for the page: findings with fixes, of which a button runs only our own."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from sdcoreml.doctor.checks import CHECKS
from sdcoreml.doctor.core.check import Check, CheckFamily, Finding, Fix, Status, error
from sdcoreml.doctor.core.engine import GoalVerdict, Report, Result
from sdcoreml.doctor.studio.doctoring import (
    CHECK,
    KEY,
    OWN,
    as_data,
    choose_mend,
    examine_machine,
    find_mend,
)
from sdcoreml.ground.errors import UsageError

HOSTILE = "<b>\x1b[2J\u202e" + "x" * 5_000


def result(name: str, *fixes: Fix | None, status: Status = Status.ERROR) -> Result:
    findings = tuple(Finding("broken", status=status, fix=fix) for fix in fixes)
    family = CheckFamily.ENVIRONMENT
    return Result(id=name, family=family, title="A check", status=status, findings=findings)


def report(*results: Result) -> Report:
    return Report(toolchain="tested", target="linux-x86_64", results=results)


def found(one: Report) -> list[dict[str, Any]]:
    data: dict[str, Any] = json.loads(json.dumps(as_data(one)))
    findings: list[dict[str, Any]] = data["findings"]
    return findings


BUILD = Fix("build it", commands=(("sdcoreml", "env"),), safe=True)


def test_a_safe_command_of_ours_has_a_key_by_which_it_is_found_again() -> None:
    one = report(result("ENV001", None, BUILD))
    first, second = found(one)
    assert "fix" not in first
    assert second["fix"]["command"] == "sdcoreml env"
    mend = choose_mend(second["fix"]["key"], one)
    assert (mend.title, mend.words, mend.check) == ("Build it", ("env",), "ENV001")


@pytest.mark.parametrize(
    ("fix", "is_run"),
    [
        (BUILD, True),
        (Fix("anew", commands=(("sdcoreml", "env", "--no-cache"),)), True),
        (Fix("anew", commands=(("sdcoreml", "env", "build", "--fresh"),)), True),
        (Fix("compile", commands=(("sdcoreml", "compile", "/home/me/x.mlpackage"),)), False),
        (Fix("prove", commands=(("sdcoreml", "env", "prove"),)), False),
        (Fix("repair", commands=(("make", "upstream"),), safe=True), False),
        (Fix("licence", commands=(("sudo", "xcodebuild", "-license", "accept"),)), False),
        (Fix("two", commands=(("sdcoreml", "env"), ("sdcoreml", "env")), safe=True), False),
        (Fix("by hand"), False),
    ],
)
def test_a_button_runs_what_is_safe_or_ours_and_the_rest_is_shown(fix: Fix, is_run: bool) -> None:  # noqa: FBT001
    (finding,) = found(report(result("ENV001", fix)))
    assert ("key" in finding["fix"]) is is_run
    assert bool(finding["fix"]["command"]) is bool(fix.commands)


def test_a_key_of_another_command_or_place_runs_nothing() -> None:
    one = report(result("ENV001", BUILD))
    (finding,) = found(one)
    key = finding["fix"]["key"]
    other = Fix("build it", commands=(("sdcoreml", "env", "repair"),), safe=True)
    for again in (report(), report(result("ENV001", other)), report(result("ENV002", BUILD))):
        with pytest.raises(UsageError, match="no longer"):
            choose_mend(key, again)
    for wrong in ("", "ENV001", "ENV001.0.", f"{key}; rm -rf /", HOSTILE, key.upper()):
        with pytest.raises(UsageError, match="no such fix"):
            find_mend(wrong)


def test_a_finding_has_its_place_and_whether_its_fix_is_safe() -> None:
    at = error("broken", why="it fell", fix=BUILD, where="/a/file")
    one = replace(result("ENV001", None), findings=(at, error("gone", why="lost")))
    first, second = found(report(one))
    assert first.pop("fix").items() >= {"title": "Build it", "is_safe": True}.items()
    assert first == {
        "id": "ENV001",
        "title": "A check",
        "family": "Environment",
        "status": "bad",
        "what": "Broken",
        "why": "It fell",
        "where": "/a/file",
    }
    assert "where" not in second


def test_what_needs_attention_comes_first_and_each_status_has_a_word() -> None:
    results = [result(f"AAA00{n}", None, status=one) for n, one in enumerate(Status)]
    skipped = Result(
        id="BBB001", family=CheckFamily.GIT, title="B", status=Status.SKIPPED, reason="not given"
    )
    said = found(report(skipped, *results))
    assert [one["status"] for one in said][:5] == ["bad", "warn", "unknown", "info", "ok"]
    assert {"id": "BBB001", "why": "Not given"}.items() <= said[5].items()


def test_the_heading_is_what_was_found_and_not_what_the_check_demands() -> None:
    nothing = Result(id="BBB001", family=CheckFamily.GIT, title="It is clean", status=Status.OK)
    broken, clean = found(report(result("ENV001", BUILD), nothing))
    assert (broken["what"], broken["title"]) == ("Broken", "A check")
    assert broken["fix"]["title"] == "Build it"
    assert "what" not in clean


def test_hostile_texts_come_out_short_and_plain() -> None:
    fix = Fix(HOSTILE, commands=(("sdcoreml", "convert", HOSTILE),))
    finding = error(HOSTILE, why=HOSTILE, fix=fix, where=f"/{HOSTILE}")
    one = Result(
        id="MOD001",
        family=CheckFamily.MODEL,
        title="T",
        status=Status.ERROR,
        findings=(finding,),
    )
    verdict = GoalVerdict(goal="convert", answer="no", sentence=HOSTILE, needs=(HOSTILE,))
    data = as_data(Report(toolchain=HOSTILE, target="", results=(one,), verdicts=(verdict,)))
    text = json.dumps(data, ensure_ascii=False)
    assert not {"\x1b", "\u202e"} & {*text}
    assert len(text) < 6_000
    assert found(Report(toolchain="", target="", results=(one,)))[0]["fix"]["command"] == ""


def test_this_machine_is_examined_by_one_check_alone() -> None:
    one = examine_machine(select="SYS001")
    assert [each.id for each in one.results] == ["SYS001"]
    for wrong in ("NOT001", "x", "--fix", HOSTILE):
        with pytest.raises(UsageError):
            examine_machine(select=wrong)


@pytest.mark.parametrize("check", CHECKS, ids=lambda one: one.id)
def test_the_fix_of_every_check_can_be_found_by_its_key(check: Check) -> None:
    one = report(result(check.id, BUILD))
    (finding,) = found(one)
    assert choose_mend(finding["fix"]["key"], one).check == check.id
    assert KEY.fullmatch(finding["fix"]["key"])
    assert CHECK.fullmatch(check.id)


def test_commands_that_are_ours_are_still_suggested_by_a_check() -> None:
    pages = {one.id for one in CHECKS}
    assert "ENV001" in pages
    assert all(words[0] == "env" for words in OWN)


def test_all_that_is_told_of_a_report() -> None:
    verdict = GoalVerdict(
        goal="convert",
        answer="no",
        sentence="this machine cannot convert",
        because=("ENV001", "DSK001"),
        needs=("4 GB of disk", "`sdcoreml env`"),
    )
    fix = Fix("build it", commands=(("sdcoreml", "env"), ("sdcoreml", "env", "which")))
    report = Report(
        toolchain="tested", target="x", results=(result("ENV001", fix),), verdicts=(verdict,)
    )
    assert as_data(report) == {
        "verdicts": [
            {
                "goal": "convert",
                "answer": "no",
                "sentence": "This machine cannot convert",
                "because": ["ENV001", "DSK001"],
                "needs": ["4 GB of disk", "`sdcoreml env`"],
            }
        ],
        "findings": [
            {
                "id": "ENV001",
                "title": "A check",
                "family": "Environment",
                "status": "bad",
                "what": "Broken",
                "why": "",
                "fix": {
                    "title": "Build it",
                    "command": "sdcoreml env && sdcoreml env which",
                    "is_safe": False,
                },
            }
        ],
        "toolchain": "tested",
    }


def test_only_so_many_findings_are_told() -> None:
    many = found(report(*[result(f"AAA{number:03}", None) for number in range(401)]))
    assert len(many) == 400
