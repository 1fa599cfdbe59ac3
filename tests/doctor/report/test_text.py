from __future__ import annotations

import importlib.util
import io
from importlib.machinery import ModuleSpec

import pytest

from sdcoreml.doctor.report import write
from tests.doctor.report.reports import REPORT, written

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

checked  6 checks in 0.12 s: 1 error, 2 unknown, 1 note, 2 well; 1 more had
         nothing to look at (slowest: git 0.04 s, host 0.03 s, xcode 0.02 s)
unknown  no time for smoke
yes      this machine can build it; it takes 6 GB
no       this machine cannot convert (PIN001, A, B, C, D and 2 more)
"""


def test_the_page() -> None:
    assert written("text") == PAGE


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


def test_a_terminal_without_rich_gets_the_plain_page(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec

    def found(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "rich" else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", found)
    stream = Terminal()
    write(REPORT, "text", stream)
    assert stream.getvalue() == PAGE


def test_colour_takes_nothing_from_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    write(REPORT, "text", stream)
    assert stream.getvalue() == PAGE
