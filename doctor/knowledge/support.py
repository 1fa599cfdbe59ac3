"""Says how far a log supports what an entry takes for the cause.

Measured on what public failures were told at first sight: a cause in the line that decides, or in
its exceptions, was right 19 times in 20; one in any other line, 7 times in 10. Of what was wrong in
the deciding line, most told only a symptom: that something is missing or refused, was not built or
was killed. A symptom behind another failure mostly comes from that failure. An absence in a Python
exception was right 29 times in 30; in a line of which nothing else in the log speaks, 25 in 35.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sdcoreml.doctor.knowledge import Confidence, Failure, Symptom
from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.searching import compile_pattern
from sdcoreml.doctor.knowledge.structure import Structure
from sdcoreml.doctor.knowledge.topics import FAMILIES
from sdcoreml.doctor.knowledge.wordings import weigh

_NEAR = 4
"""A message goes on over so many lines."""

_REPORT = re.compile(r"\s*(?:Exception (?:Type|Subtype|Message|Codes)|Termination Reason):")
"""What crash reports say of an end; all of such a report tells of the same crash."""

_END = re.compile(
    r"(?i)(?:abort|trace|BPT) trap|segmentation fault|\babort(?:ed)?\b|\bkilled\b|\bhung up\b"
    r"|\bearly EOF\b|\blinker command failed\b|\bsmudge filter \w+ failed\b"
    r"|\bunexpectedly raised an error\b"
)
"""What only says that a process ended; why, it printed before."""

_OF_BUILDS = frozenset(
    {"family_sources", "family_builds", "family_tools", "family_children", "xcode"}
)
_BEFORE_OUTPUT = re.compile(
    r"error: subprocess-exited-with-error|Command errored out with exit status"
    r"|^\W*(?:python setup\.py \w+|Building (?:wheel|editable)|Preparing metadata"
    r"|Getting requirements|Preparing editable).* did not run successfully"
    r"|\b[Bb]uild backend (?:returned an error|failed to \w+ )|^\W*Call to `[^`]+` failed"
)
"""What pip and uv print of a build that failed, before what the build printed."""

_END_OF_BUILD = re.compile(
    r"(?i:\bcollect2: error: ld returned"
    r"|\bcommand ['\"].*['\"] failed\b|\blinker command failed\b|did not run successfully"
    r"|Failed building (?:wheel|editable)|subprocess-exited|metadata-generation-failed"
    r"|CalledProcessError: Command|ninja: build stopped|^\s*make(?:\[\d+\])?: \*\*\*"
    r"|BUILD FAILED \(|failed with code \d+|\berrors? generated|compilation terminated"
    r"|Failed to (?:download and )?build|build backend (?:returned|failed to \w+ )"
    r"|^\W*Call to `[^`]+` failed"
    r"|too many errors emitted|Configuring incomplete"
    r"|compiling objects for extension|Could not build wheels)"
)
"""What the build of a package says of its end, whatever it lacked."""

_OF_A_CHILD = re.compile(r"RuntimeError: Couldn't (?:install|clone|fetch|checkout|determine) ")
"""With what a launcher reports that its own command failed: the command printed why."""

_COMPILED = re.compile(r":\d+: (?:fatal )?error: |^\s*#error ")
"""A compiler's error: of several the first tells most."""


def find_deciding(
    found: Iterable[tuple[Failure, int]], structure: Structure, since: int = 0
) -> Line | None:
    """Return the line that decides, of entries and the lines that they were found in.

    Where it only tells a symptom and another failure stands before it, that failure's decides;
    `since` is the line of the last command that failed, before which none counts.
    """
    decisive = structure.decisive
    symptoms = (
        earlier
        for entry, line in found
        if entry.symptom
        and _is_same(line, decisive, structure)
        and (earlier := find_earlier(entry, line, structure, since))
    )
    return next(symptoms, decisive)


def find_earlier(entry: Failure, line: int, structure: Structure, since: int = 0) -> Line | None:
    """Return the first failure before a line that the line's entry does not tell, if any.

    What failed before the line `since`, with which a shell took another command, is of that one.
    """
    place = structure.place(line)
    start = structure.chains[place[0]][0].start if place else line - _NEAR
    failed = [error for error in structure.errors if error.number < start]
    failed += [one.detail for one in structure.chains[place[0]][: place[1]]] if place else []
    failed += [chain[-1].detail for chain in structure.chains if chain[-1].end < start]
    told = (
        one
        for one in failed
        if one.number >= since and not compile_pattern(entry.pattern).search(one.text)
    )
    return min(told, key=lambda one: one.number, default=None)


def find_limit(
    entry: Failure, line: Line, structure: Structure, deciding: Line | None, *, is_named: bool
) -> Confidence:
    """Return how sure the cause of an entry that was found in a line is at most.

    `is_named` says whether the log names elsewhere what the cause is about.
    """
    place = structure.place(line.number)
    if not decides(entry, line, structure, deciding):
        return Confidence.GUESS if entry.topic in FAMILIES else Confidence.LIKELY
    match entry.symptom:
        case None:
            return Confidence.CERTAIN
        case Symptom.ABSENCE if place is None and not is_named:
            return Confidence.GUESS
        case Symptom.ABSENCE | Symptom.OUTCOME:
            return Confidence.LIKELY


def ends_a_build(text: str) -> bool:
    """Return whether a line only says that a build, or a program that it called, failed."""
    return _END_OF_BUILD.search(text) is not None


def is_named_elsewhere(line: int, captured: Iterable[str], lines: Iterable[Line]) -> bool:
    """Return whether what an entry captured in a line is named in another part of the log."""
    names = [re.escape(one.strip("'\" ")) for one in captured if one.strip("'\" ")]
    if not names:
        return False
    named = re.compile(rf"(?<![\w.-])(?:{'|'.join(names)})(?![\w-])")
    return any(abs(one.number - line) > _NEAR and named.search(one.text) for one in lines)


def decides(entry: Failure, line: Line, structure: Structure, deciding: Line | None) -> bool:
    """Return whether a line is the one that decides, or belongs to its message or exceptions.

    A symptom before the line that decides is not of it, unless that line only says that the process
    ended; any other line there has to tell of an error, and one behind it of a failure.
    """
    if deciding is None or _REPORT.match(deciding.text):
        return True
    if _is_same(line.number, deciding, structure):
        return True
    behind = line.number - deciding.number
    # A compiler prints much between what it lacks and the end of the build.
    is_of_build = entry.topic in _OF_BUILDS and not entry.symptom
    if is_of_build and _is_of_output(behind, deciding.text):
        return True
    is_error = any(error.number == line.number for error in structure.errors)
    if abs(behind) > _NEAR:
        is_told = behind < 0 and is_error and not entry.symptom
        return is_told and _OF_A_CHILD.search(deciding.text) is not None
    if behind > 0:
        return weigh(line.text) is not None
    return _END.search(deciding.text) is not None or (is_error and not entry.symptom)


def _is_of_output(behind: int, deciding: str) -> bool:
    """Return whether a line is of what a build printed, of which the line that decides tells."""
    if behind > 0:
        return _BEFORE_OUTPUT.search(deciding) is not None
    return behind < 0 and (ends_a_build(deciding) or _COMPILED.search(deciding) is not None)


def _is_same(line: int, other: Line | None, structure: Structure) -> bool:
    """Return whether two lines are one, or of the same chain of exceptions."""
    if other is None:
        return False
    place, place_of_other = structure.place(line), structure.place(other.number)
    is_chain = place is not None and place_of_other is not None and place[0] == place_of_other[0]
    return line == other.number or is_chain
