from __future__ import annotations

import pytest

from sdcoreml.envs.processes.process import ProcessResult
from sdcoreml.envs.processes.reasons import explain, quote
from sdcoreml.ground.errors import (
    EnvError,
    InstallError,
    NoSpaceError,
    UnreachableError,
)

HASH = """\
error: Failed to download `accelerate==0.24.1`
  cause: Hash mismatch for `accelerate==0.24.1`

         Expected:
           sha256:95ab

         Computed:
           sha256:866d
"""
PIP_HASH = """\
ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated
    accelerate==0.24.1:
        Expected sha256 95ab
             Got        866d
"""
UNREACHABLE = """\
error: Failed to fetch: http://127.0.0.1:9/simple/accelerate/
  cause: error sending request for url (http://127.0.0.1:9/simple/accelerate/)
  cause: client error (Connect)
  cause: tcp connect error
  cause: Connection refused (os error 111)
"""
OFFLINE = """\
error: No solution found when resolving dependencies
  cause: Because accelerate was not found in the cache and you require accelerate==0.24.1, ...

hint: Packages were unavailable because the network was disabled.
"""
ABSENT = """\
error: No solution found when resolving dependencies
  cause: Because accelerate was not found in the provided package locations
"""
OLD_UV = """\
  \N{MULTIPLICATION SIGN} Failed to install torch
  \N{BOX DRAWINGS LIGHT ARC UP AND RIGHT}\N{BOX DRAWINGS LIGHT HORIZONTAL}\
\N{BLACK RIGHT-POINTING SMALL TRIANGLE} No space left on device (os error 28)
"""


UNTRUSTED = """\
WARNING: Retrying after connection broken by 'SSLError([SSL: CERTIFICATE_VERIFY_FAILED])'
ERROR: No matching distribution found for x==1
"""


@pytest.mark.parametrize(
    ("words", "kind", "meaning"),
    [
        (HASH, InstallError, "not the file that was locked"),
        (PIP_HASH, InstallError, "not the file that was locked"),
        (UNREACHABLE, UnreachableError, "the package index cannot be reached"),
        (OFFLINE, UnreachableError, "the package index cannot be reached"),
        (ABSENT, InstallError, "no wheel for this machine"),
        (
            UNTRUSTED,
            UnreachableError,
            "certificates",
        ),
        ("ERROR: No matching distribution found for x==1", InstallError, "no wheel for this"),
        (OLD_UV, NoSpaceError, "the disk is full"),
        ("error: Permission denied (os error 13)", EnvError, "not writable"),
        ("error: Read-only file system (os error 30)", EnvError, "not writable"),
        ("thread panicked", InstallError, "exit code 2: thread panicked; try again"),
        ("", InstallError, "exit code 2"),
    ],
)
def test_an_installers_words_are_understood(words: str, kind: type[EnvError], meaning: str) -> None:
    error = explain(ProcessResult(code=2, out="", err=words))
    assert type(error) is kind
    assert meaning in str(error)
    assert "\n" not in str(error)


def test_the_installers_own_words_are_quoted_without_their_drawing() -> None:
    text = str(explain(ProcessResult(code=1, out="", err=OLD_UV)))
    assert text.endswith(
        "(the installer said: Failed to install torch: No space left on device (os error 28))"
    )


def test_a_killed_installer_says_its_signal() -> None:
    assert "signal 9" in str(explain(ProcessResult(code=-9, out="", err="")))


@pytest.mark.parametrize(
    ("words", "quoted"),
    [
        ("error: a\n  cause: b:\n\nCaused by: c\n", "a: b: c"),
        ("ERROR: a", "a"),
        ("errors: a", "errors: a"),
        ("\N{BOX DRAWINGS LIGHT VERTICAL AND RIGHT} a\n\N{BOX DRAWINGS LIGHT VERTICAL} b", "a: b"),
        ("", ""),
        ("x" * 1000, "x" * 300),
    ],
)
def test_a_complaint_is_quoted_in_one_line(words: str, quoted: str) -> None:
    assert quote(words) == quoted


def test_without_words_the_way_it_ended_is_told() -> None:
    assert str(explain(ProcessResult(code=3, out="", err=""))) == (
        "install: exit code 3: exit code 3; try again, or --installer pip"
    )
    assert str(explain(ProcessResult(code=-15, out="", err="stopping"))) == (
        "install: signal 15: stopping; try again, or --installer pip"
    )


@pytest.mark.parametrize("err", ["", "  \n"])
def test_who_complains_on_the_other_stream_is_heard(err: str) -> None:
    error = explain(ProcessResult(code=1, out="ERROR: No space left on device", err=err))
    assert type(error) is NoSpaceError


def test_the_first_reason_that_fits_is_the_one() -> None:
    both = "Failed to fetch x: Connection refused\nNo space left on device"
    assert type(explain(ProcessResult(code=1, out="", err=both))) is NoSpaceError
    both = "No solution found: not found in the cache; network disabled"
    assert type(explain(ProcessResult(code=1, out="", err=both))) is UnreachableError
