"""The program of a member, in a process of its own."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from sdcoreml.envs.cluster import member
from sdcoreml.ground.crew import launch
from sdcoreml.ground.places import PACKAGE, ROOT

PROGRAM = f"""\
{launch("sdcoreml.envs.cluster.member").removesuffix("serve()" + chr(10))}
sys.path.insert(0, {os.fspath(ROOT)!r})
from tests.envs.cluster import stand_ins
stand_ins.put()
import logging
{{before}}
serve()
"""
CLUSTER = {"address": "tls://192.0.2.1:8786", "certificate": "/c.pem", "key": "/k.pem"}


def started(before: str = "") -> subprocess.Popen[bytes]:
    code = PROGRAM.format(before=before)
    return subprocess.Popen(
        [sys.executable, "-I", "-B", "-c", code, os.fspath(PACKAGE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def says(request: dict[str, object], before: str = "") -> list[dict[str, Any]]:
    """Return what a member says that does what is requested; it must end well."""
    process = started(before)
    out, err = process.communicate(json.dumps({**request, **CLUSTER}).encode() + b"\n", 60)
    assert (process.returncode, err) == (0, b"")
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"do": "certify"}, [{"certificate": "CERTIFICATE", "key": "KEY"}]),
        ({"do": "greet"}, [{"answers": "tls://192.0.2.1:8786"}]),
        ({"do": "decline", "name": "mac", "because": "no"}, []),
        ({"do": "coordinate", "run": "r", "tasks": []}, []),
        ({"do": "dance"}, [{"error": "'dance'", "kind": "KeyError"}]),
    ],
)
def test_what_is_asked_is_done(
    request_: dict[str, object], expected: list[dict[str, object]]
) -> None:
    assert says(request_) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        ("ValueError('  one\\ntwo')", {"error": "one", "kind": "ValueError"}),
        ("OSError(111, 'refused')", {"error": "refused", "kind": "ConnectionRefusedError"}),
        ("TimeoutError()", {"error": "TimeoutError", "kind": "TimeoutError"}),
    ],
)
def test_an_error_is_one_line_and_has_the_name_of_its_kind(
    failure: str, expected: dict[str, str]
) -> None:
    assert says({"do": "certify"}, f"stand_ins.Security.failure = {failure}") == [expected]


@pytest.mark.slow
def test_of_an_error_with_causes_the_first_one_is_said() -> None:
    before = "failure = stand_ins.Security.failure = RuntimeError('timed out')\n"
    before += "failure.__cause__ = OSError('all connections failed')\n"
    before += "failure.__cause__.__cause__ = OSError(113, 'No route to host')"
    assert says({"do": "certify"}, before) == [
        {"error": "No route to host", "kind": "RuntimeError"}
    ]


@pytest.mark.slow
def test_ctrl_c_ends_nobody_and_logs_are_silent() -> None:
    before = "import os, signal\ndef interrupted(**_):\n    logging.critical('x')\n"
    before += "    os.kill(os.getpid(), signal.SIGINT)\n    return stand_ins.Security()\n"
    before += "stand_ins.Security.temporary = interrupted"
    assert says({"do": "certify"}, before) == [{"certificate": "CERTIFICATE", "key": "KEY"}]


@pytest.mark.slow
def test_a_member_ends_when_its_stdin_is_closed() -> None:
    with started() as process:
        assert process.stdin
        assert process.stdout
        request = {"do": "schedule", "host": "", "port": 0, **CLUSTER}
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        lines = iter(process.stdout.readline, b"")
        assert any(b"address" in line for line in lines)
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(60) == 0
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


def served(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], role: Callable[..., None]
) -> tuple[list[object], list[dict[str, object]]]:
    """Serve a request in this process; return what is set in it, in order, and what is said."""
    done: list[object] = []
    line = io.TextIOWrapper(io.BytesIO(b'{"do": "dance", "name": "mac"}\n'))

    def dance(request: Mapping[str, object]) -> None:
        done.append(request)
        role(request)

    monkeypatch.setattr("sys.stdin", line)
    monkeypatch.setattr(member, "ROLES", {"dance": dance})
    monkeypatch.setattr(member, "configure", lambda: done.append("configured"))
    monkeypatch.setattr("signal.signal", lambda *told: done.append(told))
    monkeypatch.setattr("logging.disable", done.append)
    monkeypatch.setattr("os._exit", done.append)
    member.serve()
    return done, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_dask_is_configured_before_a_role_is_played(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done, said = served(monkeypatch, capsys, lambda _: None)
    assert done == [
        (signal.SIGINT, signal.SIG_IGN),
        logging.CRITICAL,
        "configured",
        {"do": "dance", "name": "mac"},
        0,
    ]
    assert said == []


def test_the_first_cause_of_a_failure_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("timed out") from OSError(113, "No route to host")

    done, said = served(monkeypatch, capsys, fail)
    assert said == [{"error": "No route to host", "kind": "RuntimeError"}]
    assert done[-1] == 0
