"""An entry says what it is in a small file, and reads the same from it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from sdcoreml.doctor.queue.entry import (
    Entry,
    Kind,
    State,
    as_text,
    damaged,
    from_content,
    now,
    require_schema,
)
from sdcoreml.ground.codec import DecodeError

NOON = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)
NEW = Entry(id="7", kind=Kind.FIX, title="mend", words=("env", "repair"), place="/", added=NOON)
FAILED = replace(
    NEW,
    state=State.FAILED,
    begun=NOON,
    ended=NOON,
    tries=2,
    exit_code=6,
    because="no room",
    remedy="make room",
    code="DSK001",
    explanation="the disk was full",
    folders=("/made",),
    about={"handle": "x"},
    unknown={"later": [1]},
)


@pytest.mark.parametrize(
    ("state", "is_over"),
    [
        (State.WAITING, False),
        (State.RUNNING, False),
        (State.DONE, True),
        (State.FAILED, True),
        (State.CANCELLED, True),
    ],
)
def test_what_waits_or_runs_is_not_over(state: State, is_over: bool) -> None:  # noqa: FBT001
    assert state.is_over is is_over


def test_one_is_ending_from_its_cancellation_to_the_end_of_its_process() -> None:
    cancelled = replace(NEW, state=State.CANCELLED)
    begun = replace(cancelled, begun=NOON)
    assert begun.is_ending
    assert not cancelled.is_ending
    assert not replace(begun, ended=NOON).is_ending
    assert not replace(begun, state=State.RUNNING).is_ending


def test_one_that_is_begun_anew_keeps_what_it_is_and_nothing_of_what_became_of_it() -> None:
    assert FAILED.anew() == replace(NEW, about={"handle": "x"}, unknown={"later": [1]})


def test_a_file_says_what_differs_from_a_new_entry() -> None:
    new = {"schema": 1, "kind": "fix", "title": "mend", "state": "waiting"}
    told = {"words": ["env", "repair"], "place": "/", "added": "2026-11-30T12:00:00+00:00"}
    assert json.loads(as_text(NEW)) == {**new, **told}
    assert json.loads(as_text(Entry(kind=Kind.FIX, title=""))) == {**new, "title": ""}
    assert as_text(NEW).startswith('{\n "schema": 1,\n "kind": "fix",\n "title": "mend",\n')
    assert as_text(NEW).endswith("}\n")
    assert json.loads(as_text(FAILED)) == {
        **new,
        "state": "failed",
        **told,
        "begun": "2026-11-30T12:00:00+00:00",
        "ended": "2026-11-30T12:00:00+00:00",
        "tries": 2,
        "exit_code": 6,
        "because": "no room",
        "remedy": "make room",
        "code": "DSK001",
        "explanation": "the disk was full",
        "folders": ["/made"],
        "about": {"handle": "x"},
        "later": [1],
    }


@pytest.mark.parametrize("entry", [NEW, FAILED])
def test_what_is_written_is_read_again(entry: Entry) -> None:
    assert from_content("7", json.loads(as_text(entry))) == entry


@pytest.mark.parametrize(
    ("schema", "because"),
    [
        (2, "a newer version of sdcoreml wrote it"),
        (0, "schema: 1 is expected, not 0"),
        (None, "schema: 1 is expected, not None"),
        (True, "schema: 1 is expected, not True"),
        (1.0, "schema: 1 is expected, not 1.0"),
    ],
)
def test_of_another_version_nothing_is_read(schema: object, because: str) -> None:
    with pytest.raises(DecodeError) as caught:
        from_content("7", {"schema": schema, "kind": "fix", "title": ""})
    assert str(caught.value) == because


def test_versions_up_to_the_newest_are_read() -> None:
    for schema in (1, 2):
        require_schema({"schema": schema}, 2)


def test_what_cannot_be_read_has_failed_and_can_only_be_removed() -> None:
    assert damaged("12", "no JSON") == Entry(
        id="12",
        kind=Kind.FIX,
        title="entry 12",
        state=State.FAILED,
        because="no JSON",
        remedy="remove it: `sdcoreml queue remove 12`",
        is_damaged=True,
    )


def test_kinds_and_states_have_the_names_that_files_have() -> None:
    assert [one.value for one in Kind] == ["convert", "draw", "fix"]
    states = ["waiting", "running", "done", "failed", "cancelled"]
    assert [one.value for one in State] == states
    assert not NEW.is_damaged


def test_times_are_whole_seconds_of_utc() -> None:
    told = now()
    assert (told.microsecond, told.tzinfo) == (0, timezone.utc)
