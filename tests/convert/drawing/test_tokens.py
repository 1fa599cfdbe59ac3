from __future__ import annotations

from typing import Any

import pytest

from sdcoreml.convert.drawing.tokens import SECOND_PAD, Vocabulary, read_vocabulary, tokenize
from sdcoreml.convert.models.vocabulary import vocabulary_folder
from tests.convert.drawing.swift import PROMPTS

END = 49407


@pytest.fixture(scope="module")
def clip() -> Vocabulary:
    return read_vocabulary(vocabulary_folder())


@pytest.mark.parametrize("case", PROMPTS, ids=lambda case: case["kind"])
def test_ids_are_those_that_swift_sends(clip: Vocabulary, case: dict[str, Any]) -> None:
    ids = tokenize(case["prompt"], clip, 77).ids()
    assert len(ids) == 77
    assert list(ids[: len(case["ids"])]) == case["ids"]
    assert set(ids[len(case["ids"]) :]) <= {END}


def test_the_second_encoder_s_prompts_are_padded_with_0(clip: Vocabulary) -> None:
    assert tokenize("a cat", clip, 6).ids(SECOND_PAD) == (49406, 320, 2368, END, 0, 0)
    assert tokenize("", clip, 4).ids(SECOND_PAD) == (49406, END, 0, 0)


def test_what_the_app_loses_is_named(clip: Vocabulary) -> None:
    prompt = tokenize("a cat🐱dog, 東京 é", clip, 77)
    assert prompt.unknown() == (("cat🐱dog,", "🐱"), ("東京", "東京"))
    assert prompt.beyond() == ()


def test_words_that_are_cut_off_are_named(clip: Vocabulary) -> None:
    prompt = tokenize("one two keenan, four", clip, 6)
    assert [len(word.ids) for word in prompt.words] == [1, 1, 3, 1]
    assert prompt.beyond() == ("keenan,", "four")
    assert END not in prompt.ids()
    whole = tokenize("one two three four", clip, 6)
    assert whole.beyond() == ()


def test_texts_that_look_alike_have_the_same_ids(clip: Vocabulary) -> None:
    assert tokenize("Poke\u0301mon", clip, 9).ids() == tokenize("pok\u00e9mon", clip, 9).ids()
