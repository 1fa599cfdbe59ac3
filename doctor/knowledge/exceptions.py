"""Finds the exceptions of a log, what code each passed through, and how they are linked.

Python prints the first exception of a chain first, and says of each further one how it came about:
by handling the one before, or as its direct consequence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from sdcoreml.doctor.knowledge.frames import Passed, is_frame
from sdcoreml.doctor.knowledge.lines import Line


class Relation(Enum):
    """How an exception came about."""

    FIRST = "first"
    HANDLING = "while handling the one before"
    BECAUSE = "because of the one before"
    AFTER = "after the one before"


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An exception in a log.

    `start` is the number of the line that its traceback begins with, `end` that of the last line of
    its message; `detail` is the line that says most: the one behind a first line that ends with a
    colon. `packages` are those whose code it passed through, the outermost first; `code` is what
    the last frame belongs to: a package, or a script's file name; `file` is that frame's file.
    `steps` are the paths and functions of the frames, the outermost first.
    """

    line: Line
    detail: Line
    start: int
    end: int
    type: str
    relation: Relation
    packages: tuple[str, ...] = ()
    code: str = ""
    file: str = ""
    steps: tuple[str, ...] = ()


_HEADER = re.compile(
    r"(?P<indent>\s*)(?:\+ )?(?:Exception Group )?(?:\w*Traceback|\w+\s{2,}Traceback)"
    r" \(most recent call"
)
_LOGGED = re.compile(r"\s*Call stack:\s*$")
"""What logging prints behind an exception of its own, which it goes on from."""

_REPORTED = re.compile(
    r"\s*(?:\S+ )?Error occurred when executing [^:\n]{1,80}:\s*(?P<message>.*)$"
)
"""How ComfyUI's window tells of an exception: its message without its type, then the frames."""

_MARKDOWN = re.compile(r"\s*[-*] \*\*Exception Type:")
"""The line above the message in the report that ComfyUI writes; the frames are below."""

_BETWEEN = frozenset({"## Stack Trace", "```"})
"""What stands there between the message and the frames."""

_KEY = re.compile(r"'[^']+'|\d+$")
"""What of a KeyError is the message."""

_IGNORED = re.compile(r"\s*Exception ignored (?:in|on|while)\b")
_HANDLING = re.compile(r"\s*During handling of the above exception, another exception")
_BECAUSE = re.compile(r"\s*The above exception was the direct cause of the following")
_NAME = (
    r"(?:[A-Za-z_]\w*\.)*(?:[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Iteration|NotFound|Expired"
    r"|Timeout|Failure|Errors|Fault|Group|OfflineMode\w+)|[a-z_]+\.(?:error|timeout|gaierror|herror|Error)"
    # A package's own, named in full, may end in any word.
    r"|(?!com\.|org\.|net\.|io\.)(?:[a-z_]\w*\.){2,}[A-Z]\w+(?=: \S))"
)
_RAISED = re.compile(rf"\s*(?:E\s+)?(?P<type>{_NAME}\d?)(?:: ?(?P<message>.*)|\s*)$")
_IN_TRACEBACK = re.compile(r"(?P<type>(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*)(?:: (?P<message>.*))?$")
_NO_FAILURE = frozenset({"StopIteration", "GeneratorExit", "KeyboardInterrupt"})
_GROUP = re.compile(r"(?:\w+\.)*(?:Base)?ExceptionGroup$")
"""What holds other exceptions, which are printed behind it."""


def find_frames(chains: Sequence[Sequence[Raised]]) -> frozenset[int]:
    """Return the numbers of the lines of tracebacks, without what was raised."""
    return frozenset(
        number for chain in chains for one in chain for number in range(one.start, one.line.number)
    )


class Finder:
    """Reads line by line: where a traceback began, what code it names, what was raised."""

    def __init__(self) -> None:
        self.chains: list[list[Raised]] = []
        self._relation: Relation | None = None
        self.start = 0
        self._indent = 0
        self._in_traceback = False
        self._after_frame = False
        self._passed = Passed()
        self._is_below = False
        self._is_told_above = False
        self._report = 0
        self._is_reported = False
        self._framed = 0
        self.reported: set[int] = set()
        self.ignored: set[int] = set()
        self._ignoring = 0
        self._is_ignored = False

    @property
    def is_open(self) -> bool:
        """Whether the last frame is of a traceback that has not ended."""
        return bool(self.start and self._after_frame)

    @property
    def is_unknown(self) -> bool:
        """Whether nobody knows the exception of that traceback: no other was its direct cause."""
        is_told = self._is_told_above or self._relation is Relation.BECAUSE
        return self.is_open and not is_told

    def feed(self, line: Line) -> None:
        """Take the next line."""
        text = line.text
        if _IGNORED.match(text):
            self._ignoring = line.number
        elif _LOGGED.match(text) and self.chains and self.chains[-1][-1].end == line.number - 1:
            chain = self.chains.pop()
            self.ignored.update(range(chain[0].start, line.number))
        elif relation := _relation(text):
            # What comes about while an ignored exception is handled is ignored with it.
            self._ignoring = self._ignoring or self._is_ignored * line.number
            self._relation, self._in_traceback, self.start = relation, False, line.number
        elif header := _HEADER.match(text):
            self._in_traceback, self._indent = True, len(header["indent"])
            self._is_below = self._is_below_its_message(line)
            self.start, self._after_frame = line.number, False
            self._passed = Passed()
        elif is_frame(text):
            self.start = self.start or line.number
            self._after_frame, self._framed = True, line.number
            self._passed.enter(text)
            self._go_on(line)
        elif text.strip() and not self._is_of_report(line):
            self._read(line)

    def end(self) -> None:
        """Take the end of the log: a traceback that it cuts off may stand below its exception."""
        if self.is_unknown and self._is_below:
            chain = self.chains[-1]
            chain[-1] = self._give_frames(replace(chain[-1], end=self._framed))
            self._is_told_above = True

    def _is_below_its_message(self, line: Line) -> bool:
        """Return whether a traceback begins below the log's first exception, as below a title."""
        first = self.chains[0][0] if self.chains else None
        return first is not None and not first.steps and line.number - first.end == _GAP

    def _is_of_report(self, line: Line) -> bool:
        """Take a line of a report, which begins with the message; return whether it was one."""
        report = _REPORTED.match(line.text)
        if report or _MARKDOWN.match(line.text):
            self._report, self._is_reported = line.number, False
            if report is None:
                return True
        is_message = report["message"] if report else not line.text.lstrip().startswith("File ")
        if self._report and is_message:
            self._begin_report(line)
            return True
        # What is copied from the window has lost its indentation.
        is_code = line.text[:1].isspace() or line.number - self._framed <= 1
        is_between = line.text.strip() in _BETWEEN and not self._passed.steps
        self._is_reported = self._is_reported and (is_code or is_between)
        if self._is_reported:
            self._go_on(line)
        return self._is_reported or report is not None

    def _begin_report(self, line: Line) -> None:
        """Take the message of an exception whose frames follow."""
        self._passed = Passed()
        self._relation, self.start, self._in_traceback = None, self._report, False
        named = _RAISED.match(line.text)
        is_key = _KEY.fullmatch(line.text.strip())
        self._add(line, named["type"] if named else "KeyError" if is_key else "")
        self.reported.add(line.number)
        self._report, self.start, self._is_reported = 0, 0, True

    def _go_on(self, line: Line) -> None:
        """Give the exception that was reported the frames behind its message."""
        if self._is_reported:
            self.start, self._after_frame = 0, False
            self.chains[-1][-1] = self._give_frames(replace(self.chains[-1][-1], end=line.number))

    def _give_frames(self, raised: Raised) -> Raised:
        passed = self._passed
        return replace(
            raised,
            packages=tuple(dict.fromkeys(passed.packages)),
            code=passed.code,
            file=passed.file,
            steps=tuple(passed.steps),
        )

    def _read(self, line: Line) -> None:
        text = line.text
        indent = len(text) - len(text.lstrip())
        found = _RAISED.match(text)
        if self._in_traceback and indent <= self._indent:
            found = found or _IN_TRACEBACK.match(text.strip())
            if found is None:
                self._in_traceback = not self._after_frame
                self._ignoring = self._ignoring if indent else 0
                return
        elif self._in_traceback or found is None:
            self._ignoring = self._ignoring if indent else 0
            self._extend(line, indent)
            return
        if found["type"].endswith("Warning") and not self._in_traceback:
            return
        self._raise(line, found["type"])

    def _raise(self, line: Line, type_: str) -> None:
        self._is_ignored = bool(self._ignoring)
        if self._ignoring:
            self.ignored.update(range(self._ignoring, line.number + 1))
            self._ignoring = 0
        else:
            self._add(line, type_)
        self._relation, self._in_traceback, self.start = None, False, 0
        self._after_frame = False
        self._passed = Passed()

    def _add(self, line: Line, type_: str) -> None:
        told = Line(number=line.number, text=line.text.strip())
        last = self.chains[-1][-1] if self.chains else None
        if last and not self.start and line.number - last.end <= _NEAR:
            self._relation = None if _GROUP.match(last.type) else Relation.AFTER
        raised = Raised(
            line=told,
            detail=told,
            start=self.start or line.number,
            end=line.number,
            type=type_,
            relation=self._relation or Relation.FIRST,
        )
        raised = self._give_frames(raised)
        if self._relation and self.chains:
            self.chains[-1].append(raised)
        elif type_ not in _NO_FAILURE or self._in_traceback:
            self.chains.append([raised])

    def _extend(self, line: Line, indent: int) -> None:
        """Let the message of the last exception go on, over lines that are indented."""
        if self._in_traceback or self.start or not self.chains:
            return
        last = self.chains[-1][-1]
        if (
            last.line.text == last.type
            and line.number - last.end <= _GAP
            and last.detail is last.line
        ):
            told = Line(number=line.number, text=line.text.strip())
            self.chains[-1][-1] = replace(last, end=line.number, detail=told)
        elif line.number - last.end == 1 and (indent or line.number - last.line.number <= _MESSAGE):
            is_first = last.end == last.line.number and _ANNOUNCES.search(last.line.text)
            told = Line(number=line.number, text=line.text.strip())
            self.chains[-1][-1] = replace(
                last, end=line.number, detail=told if is_first else last.detail
            )


_ANNOUNCES = re.compile(r"(?<!\bone of)(?<!\bare supported):$")
"""A first line that says nothing without the next; of a list of what is possible it says all."""

_GAP = 2
"""A tool may print an exception's type on one line, and its message after an empty one."""

_MESSAGE = 3
_NEAR = 3
"""An exception without a traceback belongs to one that ended at most so many lines before."""


def _relation(text: str) -> Relation | None:
    if _HANDLING.match(text):
        return Relation.HANDLING
    return Relation.BECAUSE if _BECAUSE.match(text) else None
