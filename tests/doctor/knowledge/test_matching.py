from __future__ import annotations

from dataclasses import replace

from sdcoreml.doctor.knowledge import Confidence, Failure, Role, entries
from sdcoreml.doctor.knowledge.cases import Case
from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.matching import Log, tell
from sdcoreml.doctor.knowledge.ranking import Match
from sdcoreml.doctor.knowledge.searching import Found
from sdcoreml.doctor.knowledge.skew import Skew
from sdcoreml.doctor.knowledge.structure import Structure

BASE = replace(
    entries()[0],
    id="oven-cold",
    topic="pins",
    role=Role.CAUSE,
    pattern="no (?P<said>\\w+)",
    when={},
    confidence=Confidence.CERTAIN,
    cause="{said|something} is missing",
    fix="get {said|it}",
    cases=(),
)


def read(
    entry: Failure, *texts: str, said: str = "coal", torch: str = "2.0", builds: bool = False
) -> Match | None:
    lines = tuple(Line(number=at, text=text) for at, text in enumerate(texts, start=1))
    log = Log(
        lines=lines,
        structure=Structure(builds=frozenset({1}) if builds else frozenset()),
        skew=Skew(text="\n".join(texts), chains=(), versions={"torch": torch}),
        own=frozenset(),
        facts={},
    )
    return tell(entry, Found(line=lines[0], captured={"said": said}), log)


def test_what_was_captured_stands_in_its_place() -> None:
    match = read(BASE, "no coal")
    assert match is not None
    assert (match.cause, match.fix, match.line) == ("coal is missing", "get coal", 1)
    assert match.confidence is Confidence.CERTAIN


def test_the_log_decides_which_case_it_is() -> None:
    case = Case(
        pattern="",
        confidence="",
        example="",
        beside="by night",
        cause="the shop is closed",
        fix="wait",
    )
    entry = replace(BASE, cases=(case,))
    by_day, by_night = read(entry, "no coal"), read(entry, "no coal", "by night")
    assert by_day is not None
    assert by_night is not None
    assert (by_day.cause, by_night.cause) == ("coal is missing", "The shop is closed")


def test_a_version_that_does_not_fit_makes_it_a_guess() -> None:
    match = read(replace(BASE, when={"torch": "<2"}), "no coal")
    assert match is not None
    assert match.confidence is Confidence.GUESS
    assert match.doubt == "torch 2.0 here, this needs <2"


def test_what_pip_builds_in_says_nothing_of_the_environment() -> None:
    entry = replace(BASE, id="torch-missing-in-venv")
    assert read(entry, "no coal", builds=True) is None
    assert read(entry, "no coal") is not None
