"""An error that nobody expected: the traceback goes to a file, one line to the person."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from contextlib import suppress

from sdcoreml.ground.visible import one_line

REPORT = "please open an issue with that file, after removing what is private in it"


def report_bug(error: BaseException) -> str:
    """The line for an unexpected error; its traceback is in the file that the line names."""
    summary = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    lines = (
        f"sdcoreml on Python {platform.python_version()}, {platform.platform()}",
        f"command: {' '.join(sys.argv)}",
        "".join(traceback.format_exception(error)),
    )
    with suppress(OSError):
        handle, path = tempfile.mkstemp(prefix="sdcoreml-bug-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write("\n".join(lines))
        return f"this is a bug of sdcoreml: {one_line(summary)}; {REPORT}: {path}"
    return f"this is a bug of sdcoreml: {one_line(summary)}; no log could be written"
