from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from sdcoreml.doctor.core.runs import RunLog, TimedStep
from sdcoreml.doctor.report.run_page import (
    Picture,
    SheetRow,
    clock,
    picture_section,
    run_page,
    sheet_page,
)
from tests.golden import assert_golden, outline_of
from tests.pages import HOSTILE, read_page, text_of

PNG = b"\x89PNG\r\n\x1a\n"


def picture(title: str) -> Picture:
    return Picture(png=PNG, title=title, lines=("410 MB", "31.4 dB"), steps=(70.5, 61.0))


def test_a_contact_sheet_has_a_row_for_each_prompt() -> None:
    rows = [
        SheetRow(prompt=prompt, pictures=(picture("fp16"), picture("6 bits")))
        for prompt in ("a circle", "a star")
    ]
    page = sheet_page(rows, {"Steps": "20"}).encode()
    said = text_of(page)
    assert read_page(page).elements.count("img") == 4
    assert "The same noise, 2 prompts, and a picture of each folder" in said
    assert said.index("a circle") < said.index("a star")
    assert "6 bits 410 MB 31.4 dB" in said
    assert "Nearness after each of 2 steps" in said
    assert "Steps 20" in said


def test_one_picture_is_no_contact_sheet() -> None:
    said = text_of(sheet_page([SheetRow(prompt="a cat", pictures=(picture("it"),))], {}).encode())
    assert "Picture, drawn by sdcoreml" in said
    assert "The same noise" not in said


def test_each_picture_has_words_in_its_place() -> None:
    (sheet, *_) = picture_section((picture(HOSTILE),)).content
    assert 'alt="Picture: &quot;&#39;&gt;&lt;/title&gt;' in sheet.source
    assert picture_section(()).content == ()


def test_a_prompt_that_is_hostile_stays_text() -> None:
    rows = [SheetRow(prompt=HOSTILE, pictures=(picture(HOSTILE), picture(HOSTILE)))]
    assert text_of(sheet_page(rows, {HOSTILE: HOSTILE}).encode()).count("alert(1)") > 6


def test_times_are_told_as_on_a_clock() -> None:
    assert [clock(seconds) for seconds in (0, 4.25, 59.94, 60, 187, 7_384)] == [
        "0.0 s",
        "4.2 s",
        "59.9 s",
        "1 min 00 s",
        "3 min 07 s",
        "123 min 04 s",
    ]


LOG = RunLog(
    digest="5f",
    folder="/models/cat-split-einsum",
    version="0.1",
    began=datetime(2026, 11, 29, 14, 30, tzinfo=timezone(timedelta(hours=2))),
    seconds=187.0,
    cpu_seconds=59.96,
    memory=2_400_000_000,
    cores=2,
    system="darwin",
    steps=(TimedStep(text="read", seconds=4.25), TimedStep(text="build", seconds=120.0)),
    warnings=("the disk is nearly full",),
)


def test_the_whole_page_of_a_run() -> None:
    assert_golden("run", outline_of(run_page(LOG).encode()))
    quiet = outline_of(run_page(replace(LOG, warnings=(), steps=())).encode())
    assert "Warnings" not in quiet
