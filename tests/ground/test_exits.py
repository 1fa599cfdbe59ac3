from __future__ import annotations

import errno
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from sdcoreml.ground.errors import UsageError
from sdcoreml.ground.exits import report_bug, run_to_exit_code


def failing(error: BaseException) -> Callable[[], int]:
    """Return a command that raises `error`."""

    def run() -> int:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (KeyboardInterrupt(), 130, "interrupted; nothing half-made was left\n"),
        (UsageError("--a and --b do not fit"), 2, "error: --a and --b do not fit\n"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/m/\n"),
            3,
            "error: /m/\\n: Permission denied; check the disk and its permissions\n",
        ),
        (
            OSError(errno.ENAMETOOLONG, "File name too long", "/m"),
            3,
            "error: /m: File name too long; choose another name\n",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "/m"),
            5,
            "error: /m: No space left on device; check the disk and its permissions\n",
        ),
    ],
)
def test_each_way_to_end_has_its_code(
    error: BaseException, code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_to_exit_code(failing(error)) == code
    assert capsys.readouterr().err == told


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ZeroDivisionError("ours"), "ZeroDivisionError: ours"),
        (KeyError(), "KeyError"),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "/m"),
            "FileNotFoundError: [Errno 2] No such file or directory: '/m'",
        ),
    ],
)
def test_a_bug_of_ours_is_one_line_and_a_log(
    error: Exception,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert run_to_exit_code(failing(error)) == 70
    (log,) = tmp_path.glob("sdcoreml-bug-*.log")
    assert capsys.readouterr().err == (
        f"error: this is a bug of sdcoreml: {told}; please open an issue with that"
        f" file, after removing what is private in it: {log}\n"
    )
    text = log.read_text()
    assert "Traceback (most recent call last)" in text
    assert "raise error" in text


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("can't start new thread"),
        BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
    ],
)
def test_a_system_that_starts_nothing_more_is_named(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_to_exit_code(failing(error)) == 1
    assert capsys.readouterr().err == (
        "error: this system lets no more threads or processes start; close other programs, or"
        " raise the limit (ulimit -u, or -v for memory)\n"
    )


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate", "x"),
        ImportError("libblas.so: failed to map segment from shared object"),
    ],
)
def test_a_system_that_gives_no_more_memory_is_named(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_to_exit_code(failing(error)) == 1
    assert capsys.readouterr().err == (
        "error: the system gives this process no more memory; close other programs, or raise the"
        " limit (ulimit -v, or that of the container)\n"
    )


@pytest.mark.parametrize("error", [ImportError("no module"), RuntimeError("else")])
def test_what_merely_has_the_same_class_is_a_bug(
    error: Exception,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert run_to_exit_code(failing(error)) == 70
    assert "this is a bug" in capsys.readouterr().err


REFUSED = "check the disk and its permissions"


@pytest.mark.parametrize(
    ("number", "code", "remedy"),
    [
        (errno.EIO, 3, REFUSED),
        (errno.EPERM, 3, REFUSED),
        (errno.EROFS, 3, REFUSED),
        (errno.EDQUOT, 5, REFUSED),
        (errno.ELOOP, 3, "choose another name"),
        (errno.ENXIO, 3, "choose another name"),
    ],
)
def test_what_the_system_refuses_is_told_with_its_place(
    number: int, code: int, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_to_exit_code(failing(OSError(number, "It says why", b"/m\n"))) == code
    assert capsys.readouterr().err == f"error: /m\\n: It says why; {remedy}\n"


def test_a_command_that_ends_well_has_said_all(capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> int:
        sys.stdout.write("done\n")
        return 6

    assert run_to_exit_code(run) == 6
    assert capsys.readouterr() == ("done\n", "")


def test_an_error_hides_passwords_and_has_its_explanation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = UsageError("no", where="https://me:secret@mirror.invalid/x")
    error.explanation = "because\nof this"
    assert run_to_exit_code(failing(error)) == 2
    assert capsys.readouterr().err == (
        "error: https://****@mirror.invalid/x: no\nbecause\nof this\n"
    )


def test_a_bug_hides_passwords_in_its_log_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["sdcoreml", "env", "--index", "https://me:secret@x.invalid"])
    line = report_bug(ValueError("https://me:secret@x.invalid\n\x1b[1m"))
    (log,) = tmp_path.iterdir()
    assert line == (
        "this is a bug of sdcoreml: ValueError: https://****@x.invalid\\n\\x1b[1m; please open an"
        f" issue with that file, after removing what is private in it: {log}"
    )
    first, command, *trace = log.read_text().splitlines()
    assert first == f"sdcoreml on Python {platform.python_version()}, {platform.platform()}"
    assert command == "command: sdcoreml env --index https://****@x.invalid"
    assert trace[0] == "ValueError: https://****@x.invalid"
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    assert report_bug(ValueError()) == (
        "this is a bug of sdcoreml: ValueError; no log could be written"
    )


def test_output_that_does_not_fit_is_discarded(tmp_path: Path) -> None:
    program = (
        "import errno, sys\n"
        "from sdcoreml.ground.exits import run_to_exit_code\n"
        "def fail():\n"
        "    sys.stdout.write('buffered')\n"
        "    raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "sys.exit(run_to_exit_code(fail))\n"
    )
    with (tmp_path / "out").open("wb") as out:
        done = subprocess.run(
            [sys.executable, "-c", program],
            stdout=out,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": ""},
            check=False,
        )
    assert done.returncode == 5
    assert done.stderr == b"error: the output did not fit: no space left where it goes\n"
    assert (tmp_path / "out").read_bytes() == b""
