"""Text that others wrote, shown and not obeyed.

File names, configs and logs can hold a terminal's control sequences: they would colour or overwrite
what is said here, set the window's title, or turn the reading direction around.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from sdcoreml.ground.advice import spell

_KEPT = {ord("\n"), ord("\t")}
_DIRECTIONS = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
# JSON never holds the first kind; in it, `\u` is the one notation for the others.
_SHOWN: Mapping[int, str] = {
    **{code: f"\\x{code:02x}" for code in range(32) if code not in _KEPT},
    **{code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), *_DIRECTIONS)},
}


def visible(text: str) -> str:
    """The text with every control character but newline and tab written as an escape."""
    return text.translate(_SHOWN)


def one_line(text: str) -> str:
    """The same, on one line: a newline in a file's name starts none."""
    return visible(text).replace("\n", "\\n")


class Visible(io.TextIOWrapper):
    """A text stream over another's bytes that shows control characters, any name, and commands.

    Names on disk are bytes; Python holds those that are no text as surrogates, which no encoding
    has: they, and what the terminal's encoding lacks, are written as escapes, too.
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
        """Write the text as `visible` gives it, with commands that can be pasted."""
        super().write(visible(spell(text)))
        return len(text)


def without_filter(stream: TextIO) -> TextIO:
    """The stream for a writer that has control sequences of its own, as rich has."""
    if not isinstance(stream, Visible):
        return stream
    stream.flush()
    return stream.beneath


@contextmanager
def filter_output() -> Iterator[None]:
    """Within, what is printed on stdout and stderr is visible; afterwards they are as they were."""
    before = sys.stdout, sys.stderr
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and not isinstance(stream, Visible):
            setattr(sys, name, Visible(stream))
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, Visible) and stream not in before:
                stream.detach()
        sys.stdout, sys.stderr = before
