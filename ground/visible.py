"""Escapes control characters in output, so that foreign text cannot control the terminal.

File names, configs and logs can contain control sequences, which would colour or overwrite our own
output, set the window's title, or reverse the reading direction.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TextIO

from sdcoreml.ground.advice import spell

_KEPT = {ord("\n"), ord("\t")}
_DIRECTIONS = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
# JSON text never contains the first kind; for the others, JSON only knows the notation `\u`.
_SHOWN: Mapping[int, str] = {
    **{code: f"\\x{code:02x}" for code in range(32) if code not in _KEPT},
    **{code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), *_DIRECTIONS)},
}


_LONGEST = 1_000
"""The letters of an error's line that are printed."""


def visible(text: str) -> str:
    """Return the text with every control character escaped, except newline and tab."""
    return text.translate(_SHOWN)


def one_line(text: str) -> str:
    """Return the text with every control character escaped, newlines included."""
    return visible(text).replace("\n", "\\n")


def short_line(text: str) -> str:
    """Return `one_line` of an error; what a name of thousands of letters makes too long is cut.

    The start says where, and the end what to do next: the middle is left out.
    """
    line = one_line(text)
    if len(line) <= _LONGEST:
        return line
    return f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 2 :]}"


class Patient(io.TextIOWrapper):
    """A text stream that discards its output once its reader has gone.

    So the work goes on after `head` has read enough, or after the terminal was closed.
    Characters that the stream cannot encode are written as escapes. Among them are the surrogates
    by which Python represents file names that are not valid text.
    """

    def __init__(self, beneath: io.TextIOWrapper) -> None:
        beneath.flush()
        super().__init__(
            beneath.buffer,
            encoding=beneath.encoding,
            errors="backslashreplace",
            line_buffering=beneath.line_buffering,
            write_through=beneath.write_through,
        )
        self.beneath = beneath

    def write(self, text: str, /) -> int:
        """Write the text, or discard it if the reader has gone."""
        try:
            return super().write(text)
        except OSError as error:
            self._fall_silent(error)
            return len(text)

    def flush(self) -> None:
        """Flush what was written, or discard it."""
        try:
            super().flush()
        except OSError as error:
            self._fall_silent(error)

    def _fall_silent(self, error: OSError) -> None:
        """Discard this and all further output if the reader has gone; else raise `error`."""
        if error.errno not in {errno.EPIPE, errno.EIO}:
            raise error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


class Visible(Patient):
    """A `Patient` stream that escapes control characters and spells commands for pasting."""

    def write(self, text: str, /) -> int:
        """Write the text with control characters escaped and commands spelled for pasting."""
        super().write(visible(spell(text)))
        return len(text)


def without_filter(stream: TextIO) -> TextIO:
    """Return the unfiltered stream, for a library that writes control codes, such as rich."""
    if not isinstance(stream, Visible):
        return stream
    stream.flush()
    return _PLAIN.get(stream, stream.beneath)


_PLAIN: dict[Visible, Patient] = {}
"""Maps each filter to its unfiltered stream, so that both live equally long."""


@contextmanager
def filter_output() -> Iterator[None]:
    """Filter stdout and stderr through `Visible` while the block runs."""
    before = sys.stdout, sys.stderr
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and not isinstance(stream, Visible):
            filtered = Visible(stream)
            _PLAIN[filtered] = Patient(stream)
            setattr(sys, name, filtered)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, Visible) and stream not in before:
                for one in (_PLAIN.pop(stream), stream):
                    with suppress(OSError):  # what did not fit was said, or cannot be
                        one.detach()
        sys.stdout, sys.stderr = before
