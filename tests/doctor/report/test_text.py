from __future__ import annotations

import io
from dataclasses import replace

import pytest

from doctor.check import Family, Finding, Fix, Status
from doctor.engine import Report, Result, Verdict
from doctor.report import write
from doctor.report.layout import WIDTH, page

FIX = Fix(title="build the environment again", commands=(("make", "env", "X=a b"),), safe=True)
REPORT = Report(
    toolchain="tested",
    target="macos-arm64",
    results=(
        Result(
            id="SYS001",
            family=Family.SYSTEM,
            title="A lock",
            status=Status.OK,
            findings=(Finding(status=Status.OK, what="macOS 15.6 on arm64"),),
        ),
        Result(id="SYS002", family=Family.SYSTEM, title="Native", status=Status.OK),
        Result(
            id="PIN001",
            family=Family.PINS,
            title="Direct pins",
            status=Status.ERROR,
            findings=(
                Finding(
                    status=Status.ERROR,
                    what="not the tested versions: numpy 2.1.0 (tested 1.23.5)",
                    why="Only the tested combination is known to convert; others fail late or "
                    "silently.",
                    fix=FIX,
                ),
                Finding(status=Status.OK, what="three others are fine"),
            ),
        ),
        Result(id="GIT001", family=Family.GIT, title="G", status=Status.UNKNOWN, reason="slow"),
        Result(id="GIT002", family=Family.GIT, title="G", status=Status.UNKNOWN, reason="slow"),
        Result(
            id="XCO001",
            family=Family.XCODE,
            title="X",
            status=Status.SKIPPED,
            reason="only macOS has Xcode",
        ),
        Result(
            id="HUB001",
            family=Family.HUB,
            title="H",
            status=Status.INFO,
            ignored="known since May",
            findings=(Finding(status=Status.WARNING, what="something", why="Because."),),
        ),
    ),
    verdicts=(
        Verdict(goal="env", answer="yes", sentence="this machine can build it", needs=("6 GB",)),
        Verdict(
            goal="convert",
            answer="no",
            sentence="this machine cannot convert",
            because=("PIN001", "A", "B", "C", "D", "E", "F"),
        ),
    ),
    seconds=0.123,
    costs={"git": 0.04, "memory": 0.001, "host": 0.03, "xcode": 0.02},
    left_out=("smoke",),
)

PAGE = """\
ok       System       macOS 15.6 on arm64
error    Pins         see PIN001
unknown  Git          see GIT001, GIT002
skipped  Xcode        only macOS has Xcode
info     Hub          see HUB001

error    PIN001  not the tested versions: numpy 2.1.0 (tested 1.23.5)
         why   Only the tested combination is known to convert; others fail late
               or silently.
         do    build the environment again
         run   make env 'X=a b'

info     HUB001  something
         ignored  known since May
         why   Because.

unknown  GIT001, GIT002
         why   slow

checked  7 checks in 0.12 s: 1 error, 2 unknown, 1 info, 2 ok, 1 skipped
         (slowest: git 0.04 s, host 0.03 s, xcode 0.02 s)
no time  smoke
yes      this machine can build it; it takes 6 GB
no       this machine cannot convert (PIN001, A, B, C, D and 2 more)
"""


def test_the_page() -> None:
    stream = io.StringIO()
    write(REPORT, "text", stream)
    assert stream.getvalue() == PAGE


def test_nothing_is_wider_than_the_page() -> None:
    long = "words of a sentence that goes on and on " * 5
    finding = Finding(status=Status.WARNING, what=long, why=long, fix=Fix(title=long))
    result = replace(REPORT.results[2], findings=(finding,))
    lines = page(replace(REPORT, results=(result,)))
    assert max(len(str(line)) for line in lines) <= WIDTH


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_the_same_words_in_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    write(REPORT, "text", stream)
    assert "\x1b[1;31merror\x1b[0m    PIN001" in stream.getvalue()


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    write(REPORT, "text", stream)
    assert "31m" not in stream.getvalue()
