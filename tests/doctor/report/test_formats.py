"""Properties of all report formats."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from subprocess import run

from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.doctor.core.check import Status
from sdcoreml.doctor.report import FORMATS
from tests.doctor.report.reports import REPORT, warning_of, written


def test_every_format_takes_every_status() -> None:
    for form in FORMATS:
        for status in Status:
            results = tuple(replace(one, status=status) for one in REPORT.results)
            assert written(form, replace(REPORT, results=results)).endswith("\n")


def test_changes_are_told() -> None:
    report = replace(REPORT, compared="the last good run", changes=("system.version: 15 -> 27",))
    assert "changed  this since the last good run\n           system.version: 15 -> 27\n" in (
        written("text", report)
    )
    assert json.loads(written("json", report))["changes"] == ["system.version: 15 -> 27"]


@given(st.text(st.characters()))
def test_any_words_can_be_written_in_every_format(said: str) -> None:
    for form in FORMATS:
        assert written(form, warning_of(said, where=said)).endswith("\n")


def test_json_fits_every_encoding() -> None:
    said = "\N{LATIN SMALL LETTER E WITH ACUTE} \N{GRINNING FACE} \udcff"
    text = written("json", warning_of(said))
    text.encode("ascii")
    assert said in json.dumps(json.loads(text), ensure_ascii=False)


def test_only_the_chosen_format_is_imported() -> None:
    name = "sdcoreml.doctor.report"
    code = f"import sys, {name}; print(*(m for m in sys.modules if {name!r} in m))"
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "sdcoreml.doctor.report\n"
