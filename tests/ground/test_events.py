from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.ground.events import (
    Event,
    from_json,
    silent,
    to_json,
)
from tests.schemas import read_as

EVENTS = st.builds(
    Event,
    kind=st.sampled_from(["step", "progress", "plan", "labour", "note", "warning", "result"]),
    text=st.text(st.characters()),
    done=st.integers(0, 2**60),
    total=st.integers(0, 2**60),
    unit=st.sampled_from(["", "B", "files"]),
    data=st.none() | st.booleans() | st.integers() | st.dictionaries(st.text(), st.text()),
)


@given(EVENTS)
def test_an_event_survives_the_line(event: Event) -> None:
    line = to_json(event)
    assert "\n" not in line
    assert read_as("event", line)["kind"] == event.kind
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


def test_a_line_fits_any_pipe() -> None:
    said = "caf\N{LATIN SMALL LETTER E WITH ACUTE} \udcff"
    line = to_json(Event(kind="note", text=said))
    assert line.encode("ascii") == b'{"kind":"note","text":"caf\\u00e9 \\udcff"}'
    assert from_json(line).text == said


def test_what_is_blank_is_left_out_and_comes_back() -> None:
    assert to_json(Event(kind="result", data=None)) == '{"kind":"result"}'
    assert to_json(Event(kind="result", data=0)) == '{"kind":"result","data":0}'
    assert from_json('{"kind":"result"}') == Event(kind="result")


def test_a_field_that_no_event_has_is_refused() -> None:
    with pytest.raises(ValueError, match="not a field of an event"):
        from_json('{"kind":"note","colour":"red"}')
