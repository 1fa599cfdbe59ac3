"""Options of a group, and what a job's table says for each."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.studio.choices import Option
from sdcoreml.doctor.studio.options import (
    describe_shape,
    list_batches,
    list_plain,
    list_told,
    take_option,
)
from sdcoreml.doctor.studio.wording import say


def option(key: str, value: str | int, *, is_recommended: bool = False) -> Option:
    title, sentence = say(f"{key}.{value}"), say(f"{key}.{value}.why")
    return Option(value=value, title=title, sentence=sentence, is_recommended=is_recommended)


def test_an_option_has_its_own_words_or_those_of_another_key() -> None:
    assert take_option("bits", 6) == option("bits", 6)
    told = take_option("bits", 6, words="other", sentence="so", is_recommended=True)
    assert told == Option(value=6, title=say("other.6"), sentence="so", is_recommended=True)
    assert take_option("bits", 6, words="other") == option("other", 6)


def test_the_first_of_several_is_recommended_and_not_said_in_the_table() -> None:
    assert [*list_plain("skip", (1, 2))] == [
        (option("skip", 1, is_recommended=True), {}),
        (option("skip", 2), {"skip": 2}),
    ]
    assert [*list_plain("skip", ["a"], "other")] == [
        (option("other", "a", is_recommended=True), {})
    ]


def test_apps_and_nodes_take_other_batches() -> None:
    assert [*list_batches(is_for_apps=True)] == [
        (option("batch.apps", 2, is_recommended=True), {}),
        (option("batch.apps", 1), {"batch": 1}),
    ]
    assert [*list_batches(is_for_apps=False)] == [
        (option("batch.nodes", 1, is_recommended=True), {}),
        (option("batch.nodes", 2), {"batch": 2}),
        (option("batch.nodes", 4), {"batch": 4}),
    ]


def test_of_what_a_model_is_said_to_predict_nothing_is_the_default() -> None:
    assert [*list_told("prediction", ("", "epsilon"))] == [
        (option("prediction", "epsilon"), {"prediction": "epsilon"})
    ]


@pytest.mark.parametrize(
    ("size", "shape"),
    [("512x512", "square"), ("512x768", "portrait"), ("768x512", "landscape")],
)
def test_a_picture_stands_or_lies(size: str, shape: str) -> None:
    assert describe_shape(size) == say(f"shape.{shape}")
