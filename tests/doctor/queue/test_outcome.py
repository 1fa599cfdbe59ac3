"""What became of an entry is told from its results, its last error, or how it ended."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sdcoreml.doctor.queue.entry import Entry, Kind, State, now
from sdcoreml.doctor.queue.outcome import Listener, finish, stop

ENTRY = Entry(id="4", kind=Kind.CONVERT, title="x", state=State.RUNNING, begun=now())


def heard(*said: str) -> Listener:
    listener = Listener()
    for line in said:
        listener.hear_log(line.encode() + b"\n")
    return listener


@pytest.mark.parametrize(
    ("said", "because"),
    [
        ((), "ended with exit code 3"),
        (("step", "error: x: is bad; mend it", "see there"), "x: is bad; mend it"),
        (("Traceback", "", "  ValueError  "), "ValueError"),
        (tuple(str(one) for one in range(100)), "99"),
    ],
)
def test_the_last_error_is_why(said: tuple[str, ...], because: str) -> None:
    done = finish(ENTRY, 3, heard(*said))
    assert (done.state, done.exit_code, done.because) == (State.FAILED, 3, because)


def test_a_last_line_may_be_no_text() -> None:
    listener = heard()
    listener.hear_log(b" caf\xe9 \n")
    assert finish(ENTRY, 3, listener).because == "caf\ufffd"


def test_a_listener_forgets_what_is_long_past() -> None:
    assert len(heard(*map(str, range(1000))).last) < 100


@pytest.mark.parametrize(
    "line", [b"", b"x", b'{"event": "table"}', b'{"event": "table", "results": {"a": 1}}']
)
def test_what_is_no_table_changes_nothing(line: bytes) -> None:
    listener = Listener()
    listener.hear_event(line)
    assert listener.results == ()


@pytest.mark.parametrize("code", [1, 7])
def test_what_lost_a_process_is_begun_again_until_that_is_no_chance(code: int) -> None:
    listener = heard("error: x: it died")
    if code == 1:
        results = [{"state": "failed", "because": "x: it died", "exit_code": 7}]
        listener.hear_event(json.dumps({"event": "table", "results": results}).encode())
    again = finish(replace(ENTRY, tries=1), code, listener)
    assert (again.state, again.tries, again.begun, again.ended) == (State.WAITING, 2, None, None)
    failed = finish(again, code, listener)
    assert (failed.state, failed.because) == (State.FAILED, "x: it died")


def test_an_unknown_signal_has_its_number() -> None:
    assert "(signal 99)" in finish(replace(ENTRY, tries=2), -99, heard()).because


def test_what_nobody_wants_waits_or_has_ended() -> None:
    assert stop(ENTRY) == replace(ENTRY, state=State.WAITING, begun=None)
    assert stop(replace(ENTRY, state=State.CANCELLED)).ended is not None
    done = replace(ENTRY, state=State.DONE)
    assert stop(done) == done
