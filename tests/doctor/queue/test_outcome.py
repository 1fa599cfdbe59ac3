"""What became of an entry is told from its results, its last error, or how it ended."""

from __future__ import annotations

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


def test_a_listener_forgets_what_is_long_past() -> None:
    assert len(heard(*map(str, range(1000))).last) < 100


@pytest.mark.parametrize(
    "line", [b"", b"x", b'{"event": "table"}', b'{"event": "table", "results": {"a": 1}}']
)
def test_what_is_no_table_changes_nothing(line: bytes) -> None:
    listener = Listener()
    listener.hear_event(line)
    assert listener.results == ()


def test_an_unknown_signal_has_its_number() -> None:
    assert "(signal 99)" in finish(replace(ENTRY, tries=2), -99, heard()).because


def test_what_nobody_wants_waits_or_has_ended() -> None:
    assert stop(ENTRY) == replace(ENTRY, state=State.WAITING, begun=None)
    assert stop(replace(ENTRY, state=State.CANCELLED)).ended is not None
    done = replace(ENTRY, state=State.DONE)
    assert stop(done) == done
