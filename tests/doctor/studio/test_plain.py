from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from sdcoreml.doctor.studio.plain import (
    MOST_ITEMS,
    as_sentence,
    by_name,
    is_plain,
    plain,
    plain_data,
)


@settings(max_examples=30)
@given(st.text(), st.integers(10, 50))
def test_any_text_becomes_one_short_line_of_plain_letters(text: str, most: int) -> None:
    said = plain(text * 20, most)
    assert len(said) <= most
    assert said.isprintable()
    said.encode()


def test_a_long_text_loses_its_middle() -> None:
    assert plain("a" * 50 + "b" * 50, 11) == "aaaa … bbbb"
    assert plain("short", 11) == "short"


def test_names_that_are_no_text_are_shown_by_their_bytes() -> None:
    assert plain(b"caf\xe9".decode("utf-8", "surrogateescape")) == "caf\\udce9"


def test_what_nobody_sees_is_shown_by_its_number() -> None:
    assert plain("a\u200bb\u202ec\x1bd\te\nf\x7f") == "a\\u200bb\\u202ec\\x1bd e\\nf\\u007f"


def test_markup_stays_as_it_is_since_the_page_shows_it_as_text() -> None:
    assert plain("<img src=x onerror=alert(1)>") == "<img src=x onerror=alert(1)>"


def test_what_is_shown_as_it_is_can_be_pasted() -> None:
    assert is_plain("sdcoreml convert '/a b/c'")
    assert not is_plain("sdcoreml convert 'a\x1bb'")


def test_data_is_bounded_in_length_and_depth() -> None:
    deep: object = "end"
    for _ in range(50):
        deep = [deep]
    found = plain_data({"a\x1b": ["x"] * 1_000, "deep": deep, "n": 1.5, "none": None, "t": True})
    text = json.dumps(found)
    assert text.count('"x"') == MOST_ITEMS
    assert "end" not in text
    assert json.loads(text)["n"] == 1.5
    assert "a\\x1b" in json.loads(text)


def test_a_text_is_cut_at_the_length_that_is_asked_for_and_not_before() -> None:
    assert plain("a" * 600) == "a" * 600
    assert plain("a" * 601) == f"{'a' * 298} … {'a' * 298}"
    assert plain("ab" * 5_000, 9_999) == "ab" * 1_200, "what is endless is not even looked at"


def test_a_sentence_begins_large_where_it_begins_with_a_word() -> None:
    said = ("it is", "no", "it's", "it, too", "model.bin is", "a1 is", "It", "", "`x` is", "x: y")
    assert [as_sentence(one) for one in said] == [
        *("It is", "No", "It's", "It, too", "Model.bin is", "a1 is", "It", "", "`x` is", "x: y")
    ]
    assert as_sentence("a" * 30, 11) == "Aaaa … aaaa"


def test_data_keeps_its_form_up_to_a_depth_and_a_length() -> None:
    nested: object = {"a": [1, True, None, 0.5, ("b\x1b",)]}
    assert plain_data(nested) == {"a": [1, True, None, 0.5, ["b\\x1b"]]}
    deep: object = "end"
    for _ in range(8):
        deep = [deep]
    assert plain_data(deep) == [[[[[[[["end"]]]]]]]]
    assert plain_data([deep]) == [[[[[[[[[None]]]]]]]]]
    many = {f"{number}": number for number in range(201)}
    assert plain_data(many) == {f"{number}": number for number in range(200)}


def test_a_models_name_stands_for_the_place_that_it_was_fetched_to() -> None:
    data: dict[str, object] = {
        "at": "/fetched/model/unet",
        "/fetched/model": [{"in": ("/fetched/model",)}, 5, None],
        "a": {"b": "no"},
    }
    assert by_name(data, "/fetched/model", "o/n") == {
        "at": "o/n/unet",
        "o/n": [{"in": ["o/n"]}, 5, None],
        "a": {"b": "no"},
    }
    assert by_name(data, "/same", "/same") is data
