"""What small logs are told: the cause that a reader would name, and no surer than that."""

from __future__ import annotations

import json

import pytest

from sdcoreml.doctor.knowledge import Confidence, entries
from sdcoreml.doctor.knowledge.diagnosis import examine

LIKELY, GUESS = Confidence.LIKELY, Confidence.GUESS


def told(log: str) -> tuple[str, Confidence] | None:
    """Return the id of the first cause and how sure it is."""
    cause = examine(log, entries()).cause
    return (cause.entry.id, cause.confidence) if cause else None


def ips(signal: str, namespace: str, code: int, **exception: str) -> str:
    """Return a crash report of macOS in JSON."""
    return json.dumps({"bug_type": "309"}) + json.dumps(
        {
            "exception": {"type": "EXC_CRASH", "signal": signal, **exception},
            "termination": {"namespace": namespace, "code": code},
            "faultingThread": 0,
            "threads": [],
        }
    )


UNSIGNED = """\
Exception Type:        EXC_CRASH (SIGKILL (Code Signature Invalid))
Termination Reason:    Namespace CODESIGNING, Code 2 Invalid Page
"""
WATCHDOG = """\
Exception Type:  EXC_CRASH (SIGKILL)
Termination Reason: Namespace FRONTBOARD, Code 0x8badf00d
"""
JETSAM = """\
Exception Type:  EXC_CRASH (SIGKILL)
Termination Reason: Namespace JETSAM, Code 0x1
"""


@pytest.mark.parametrize(
    ("log", "name"),
    [
        (UNSIGNED, "family-code-signature"),
        (WATCHDOG, "family-watchdog"),
        (JETSAM, "family-killed-for-memory"),
        (ips("SIGKILL (Code Signature Invalid)", "CODESIGNING", 2), "family-code-signature"),
        (ips("SIGKILL", "FRONTBOARD", 2343432205), "family-watchdog"),
        (ips("SIGKILL", "JETSAM", 1), "family-killed-for-memory"),
        ("process exited: SIGKILL\n", "family-killed-for-memory"),
        ("zsh: killed     python x.py\n", "oom-killed"),
    ],
)
def test_who_killed_an_app_is_told_by_its_crash_report(log: str, name: str) -> None:
    assert told(log) == (name, LIKELY)


@pytest.mark.parametrize(
    "log",
    [
        ips("SIGKILL", "SIGNAL", 9),
        "Exception Type: EXC_CRASH (SIGKILL)\nTermination Reason: Namespace SIGNAL, Killed: 9\n",
        "Exception Type: EXC_RESOURCE (RESOURCE_TYPE_CPU: CPU usage trigger)\n",
    ],
)
def test_a_crash_report_that_names_no_memory_is_told_no_memory(log: str) -> None:
    assert told(log) == ("family-app-crash", GUESS)
