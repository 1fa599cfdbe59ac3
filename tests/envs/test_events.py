from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.events import Event, from_json, silent, to_json

EVENTS = st.builds(
    Event,
    kind=st.sampled_from(["step", "progress", "note", "warning", "result"]),
    text=st.text(),
    done=st.integers(0, 2**60),
    total=st.integers(0, 2**60),
    unit=st.sampled_from(["", "B", "files"]),
    data=st.none() | st.booleans() | st.integers() | st.dictionaries(st.text(), st.text()),
)


@given(EVENTS)
def test_an_event_survives_the_line(event: Event) -> None:
    line = to_json(event)
    assert "\n" not in line
    assert from_json(line) == event


def test_a_line_holds_only_what_was_said() -> None:
    event = Event(kind="progress", done=1, total=2, unit="B")
    assert to_json(event) == '{"kind":"progress","done":1,"total":2,"unit":"B"}'


@pytest.mark.parametrize("line", ["", "nonsense", "[]", "{}", '{"text": "no kind"}'])
def test_anything_else_is_no_event(line: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_json(line)


def test_silence_is_an_emit() -> None:
    silent(Event(kind="step", text="nobody hears this"))
