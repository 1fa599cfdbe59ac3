from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdcoreml.doctor.core.codec import load, save
from sdcoreml.doctor.core.facts import (
    Absent,
    Facts,
    Memory,
    Unknown,
)
from sdcoreml.ground.codec import DecodeError, from_plain, to_plain
from tests.doctor.healthy import HEALTHY
from tests.doctor.specimens import SICK


@pytest.mark.parametrize("name", SICK)
def test_facts_survive_the_journey(name: str) -> None:
    assert load(json.loads(json.dumps(save(SICK[name])))) == SICK[name]


def test_unknown_and_absent_stay_apart() -> None:
    facts = replace(HEALTHY, git=Absent(reason="not there"), hub=Unknown(reason="slow"))
    again = from_plain(Facts, json.loads(json.dumps(to_plain(facts))), "facts")
    assert (again.git, again.hub) == (Absent(reason="not there"), Unknown(reason="slow"))


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ([], "facts: an object is expected"),
        ({"total": 1}, "facts: field 'available' is missing"),
        ({"total": "1"}, "facts.total: int is expected, not str"),
        ({"total": True}, "facts.total: int is expected, not bool"),
        ({"colour": 1}, "facts: unknown field 'colour'"),
    ],
)
def test_faults_say_where(data: object, fault: str) -> None:
    with pytest.raises(DecodeError) as caught:
        from_plain(Memory, data, "facts")
    assert str(caught.value) == fault


def test_deep_places_are_named() -> None:
    data = to_plain(HEALTHY)
    data["model"]["components"][1]["weights"][0]["size"] = "big"
    with pytest.raises(DecodeError, match=r"^facts\.model\.components\[1\]\.weights\[0\]\.size:"):
        from_plain(Facts, data, "facts")


def test_another_schema_is_refused() -> None:
    with pytest.raises(DecodeError, match="schema 99; this version reads 2"):
        load({**save(HEALTHY), "schema": 99})


texts = st.text(max_size=4)
states = st.builds(Unknown, reason=texts) | st.builds(Absent, reason=texts)


@given(states)
def test_any_reason_survives(state: Unknown | Absent) -> None:
    facts = replace(HEALTHY, git=state, memory=state)
    again = from_plain(Facts, json.loads(json.dumps(to_plain(facts))), "facts")
    assert (again.git, again.memory) == (state, state)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(json_values, st.sampled_from(["memory", "environment", "model", "bundle", "git", "goal"]))
def test_anything_else_is_refused_with_its_place(value: object, name: str) -> None:
    data = {**to_plain(HEALTHY), name: value}
    try:
        again = from_plain(Facts, data, "facts")
    except DecodeError as error:
        assert str(error).startswith(f"facts.{name}")  # noqa: PT017  either way is right
    else:
        assert to_plain(getattr(again, name)).items() >= dict(value or {}).items()  # type: ignore[call-overload]
