"""Reads crash reports of macOS: what ended the process, and the one thread that crashed.

A report is a text for people, or a file of two JSON values (`.ips`), of which macOS makes that
text. Both list every thread; what the others did says nothing of the crash. What ended a process is
told by the exception's subtype and by the termination's namespace, code and reasons; a report of
memory pressure (jetsam) tells of every process, and why some were ended.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice

from sdcoreml.doctor.knowledge.lines import Line

_IS_REPORT = re.compile(r"(?:Crashed Thread|Triggered by Thread):\s|Thread \d+ Crashed\b")
_THREAD = re.compile(
    r"Thread (?P<number>\d+)(?P<crashed> Crashed)?(?: name)?:|Thread \d+ crashed with"
)
_IMAGES = re.compile(r"Binary Images:|External Modification Summary:|VM Region Summary:")
_FRAMES = 40
_LINES = 100
"""So many lines are made of a report at most: one of memory pressure names every process."""


def keep_crashed(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Return the lines without other threads, registers and images, if they are a crash report."""
    if not any(_IS_REPORT.match(line.text) for line in lines):
        return tuple(lines)
    kept: list[Line] = []
    is_other = False
    for line in lines:
        if thread := _THREAD.match(line.text):
            is_other = not thread["crashed"]
        elif _IMAGES.match(line.text):
            is_other = True
        elif not line.text.strip():
            is_other = False
        if not is_other:
            kept.append(line)
    return tuple(kept)


def read_report(log: str) -> tuple[Line, ...]:
    """Return the lines that macOS shows of a report in JSON; empty if the log is none.

    Their numbers are those of the lines in which the file has what they say.
    """
    if log.lstrip()[:1] != "{" or not any(f'"{key}"' in log for key in _OF_A_REPORT):
        return ()
    report = _decode(log)
    told = list(islice((*_tell(report), *_tell_pressure(report)), _LINES))
    numbers = {key: log.count("\n", 0, max(0, log.find(f'"{key}"'))) + 1 for key, _ in told}
    return tuple(Line(number=numbers[key], text=text) for key, text in told)


_OF_A_REPORT = frozenset({"faultingThread", "exception", "termination", "largestProcess"})
"""The keys of which a report has one at least; its first value, a header, has none."""


def _decode(log: str) -> Mapping[str, object]:
    decoder = json.JSONDecoder()
    start = log.index("{")
    with suppress(ValueError, RecursionError):
        value, end = decoder.raw_decode(log, start)
        if isinstance(value, dict) and not _OF_A_REPORT.isdisjoint(value):
            return value
        value, _ = decoder.raw_decode(log, log.index("{", end))
        if isinstance(value, dict):
            return value
    return {}


def _tell(report: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield the lines, each with the key of what it is made of."""
    system, raised, ended = (_at(report, key) for key in ("osVersion", "exception", "termination"))
    if system:
        yield "osVersion", f"OS Version: {system.get('train', '')} ({system.get('build', '')})"
    if raised:
        signal = raised.get("signal")
        of_signal = f" ({signal})" if signal else ""
        yield "exception", f"Exception Type: {raised.get('type', '')}{of_signal}"
        for key in ("subtype", "message"):
            if raised.get(key):
                yield key, f"Exception {key.capitalize()}: {raised[key]}"
    if ended:
        said = f"{ended.get('namespace', '')}, Code {ended.get('code', '')}"
        yield "termination", f"Termination Reason: Namespace {said} {ended.get('indicator', '')}"
        for reason in (*_strings(ended.get("reasons")), *_strings(ended.get("details"))):
            yield "termination", reason
    for key in ("ktriageinfo", "vmRegionInfo"):
        told = report.get(key)
        yield from (
            (key, line) for line in (told if isinstance(told, str) else "").splitlines()[:2]
        )
    for messages in _at(report, "asi").values():
        for message in _strings(messages):
            yield "asi", message
    yield from _tell_frames(report)


def _tell_pressure(report: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield which processes a report of memory pressure names as ended, and the largest."""
    processes = report.get("processes")
    for process in processes if isinstance(processes, list) else []:
        one = _at({"": process}, "")
        reason = one.get("reason")
        if reason and reason != "idle-exit":
            yield "processes", f"jetsam: {one.get('name', '')} was ended: {reason}"
    if report.get("largestProcess"):
        yield "largestProcess", f"Largest process: {report['largestProcess']}"


def _tell_frames(report: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    threads, images = report.get("threads"), report.get("usedImages")
    number = report.get("faultingThread")
    if not isinstance(threads, list) or not isinstance(number, int):
        return
    if not 0 <= number < len(threads):
        return
    names = (
        [_at({"": image}, "").get("name", "") for image in images]
        if isinstance(images, list)
        else []
    )
    yield "triggered", f"Thread {number} Crashed:"
    frames = _at({"": threads[number]}, "").get("frames")
    for place, frame in enumerate(islice(frames if isinstance(frames, list) else [], _FRAMES)):
        at = _at({"": frame}, "")
        image = at.get("imageIndex")
        name = names[image] if isinstance(image, int) and 0 <= image < len(names) else "???"
        yield "triggered", f"{place}   {name}   {at.get('symbol', at.get('imageOffset', ''))}"


def _at(values: Mapping[str, object], key: str) -> Mapping[str, object]:
    """Return the object at a key, or an empty one."""
    value = values.get(key)
    return value if isinstance(value, dict) else {}


def _strings(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
