"""Turns every error of a command into one line and an exit code, without a traceback."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from sdcoreml.ground.addresses import hide_credentials
from sdcoreml.ground.errors import ExitCode, SdcoremlError
from sdcoreml.ground.refusals import DENIED, FULL
from sdcoreml.ground.signals import NOTHING_LEFT
from sdcoreml.ground.visible import one_line, short_line

NO_THREAD = "can't start new thread"
"""Python's error message when the system refuses to start a thread."""

NO_PAGES = "failed to map segment from shared object"
"""The loader's message when the system has no memory for a library."""

_ODD_NAMES = frozenset({errno.ENAMETOOLONG, errno.ELOOP, errno.ENXIO})
"""The system's error numbers for paths that cannot be opened, whatever the permissions."""

REPORT = "please open an issue with that file, after removing what is private in it"


def run_to_exit_code(command: Callable[[], int]) -> int:
    """Run a command and return its exit code, printing any error as one line on stderr.

    The traceback of an unexpected error goes to a log file, whose path the line gives.
    """
    try:
        code = command()
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"interrupted; {NOTHING_LEFT}", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except SdcoremlError as error:
        print(f"error: {short_line(hide_credentials(str(error)))}", file=sys.stderr)
        if error.explanation:
            print(error.explanation, file=sys.stderr)
        return error.exit_code
    except (OSError, MemoryError) as error:
        return _end_refused(error)
    except Exception as error:  # noqa: BLE001  the last resort: nobody shall see a traceback
        return _end_unexpected(error)
    return code


def report_bug(error: BaseException) -> str:
    """Write the traceback of an unexpected error to a log; return the line that gives its path."""
    import platform
    import tempfile
    import traceback

    said = hide_credentials(str(error))
    summary = f"{type(error).__name__}: {said}" if said else type(error).__name__
    lines = (
        f"sdcoreml on Python {platform.python_version()}, {platform.platform()}",
        f"command: {' '.join(sys.argv)}",
        "".join(traceback.format_exception(error)),
    )
    with suppress(OSError):
        handle, path = tempfile.mkstemp(prefix="sdcoreml-bug-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(hide_credentials("\n".join(lines)))
        return f"this is a bug of sdcoreml: {one_line(summary)}; {REPORT}: {path}"
    return f"this is a bug of sdcoreml: {one_line(summary)}; no log could be written"


def _end_unexpected(error: Exception) -> int:
    """Report a lack of threads or memory if the error's message shows one; otherwise a bug."""
    if isinstance(error, RuntimeError) and str(error) == NO_THREAD:
        return _end_crowded()
    if isinstance(error, ImportError) and NO_PAGES in str(error):
        return _end_starved()
    return _end_bug(error)


def _end_refused(error: OSError | MemoryError) -> int:
    """Report an error of the operating system, such as a full disk; return the exit code."""
    if isinstance(error, MemoryError) or error.errno == errno.ENOMEM:
        return _end_starved()
    if error.errno == errno.ENOSPC and error.filename is None:
        _discard_output()
        print("error: the output did not fit: no space left where it goes", file=sys.stderr)
        return ExitCode.NO_SPACE
    if error.errno == errno.EAGAIN and error.filename is None:  # no process can be started
        return _end_crowded()
    if error.filename is None or error.errno not in FULL | DENIED | _ODD_NAMES | {errno.EIO}:
        return _end_bug(error)
    place = short_line(os.fsdecode(error.filename))
    is_name = error.errno in _ODD_NAMES
    remedy = "choose another name" if is_name else "check the disk and its permissions"
    print(f"error: {place}: {error.strerror}; {remedy}", file=sys.stderr)
    return ExitCode.NO_SPACE if error.errno in FULL else ExitCode.BAD_INPUT


def _end_crowded() -> int:
    print(
        "error: this system lets no more threads or processes start; close other programs, or"
        " raise the limit (ulimit -u, or -v for memory)",
        file=sys.stderr,
    )
    return ExitCode.PROBLEMS


def _end_starved() -> int:
    print(
        "error: the system gives this process no more memory; close other programs, or raise the"
        " limit (ulimit -v, or that of the container)",
        file=sys.stderr,
    )
    return ExitCode.PROBLEMS


def _end_bug(error: Exception) -> int:
    print(f"error: {report_bug(error)}", file=sys.stderr)
    return ExitCode.BUG


def _discard_output() -> None:
    """Discard what stdout has buffered, since flushing it would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
