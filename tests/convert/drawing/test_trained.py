from __future__ import annotations

import pytest

from sdcoreml.convert.drawing.tokens import Vocabulary, read_vocabulary, tokenize
from sdcoreml.convert.drawing.trained import read_as_trained, read_otherwise, trained_ids
from sdcoreml.convert.models.vocabulary import vocabulary_folder


@pytest.fixture(scope="module")
def clip() -> Vocabulary:
    return read_vocabulary(vocabulary_folder())


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        # as CLIPTokenizer of transformers 4.34.1 has them
        ("a cat", (320, 2368)),
        ("dog,", (1929, 267)),
        ("it's 35mm!?", (585, 568, 274, 276, 2848, 6004)),
        ("café", (15304,)),
        ("猫", (163, 234, 360)),
        ("<|endoftext|>", (49407,)),
        ("", ()),
    ],
)
def test_ids_are_those_of_clip_s_own_tokenizer(
    clip: Vocabulary, text: str, ids: tuple[int, ...]
) -> None:
    assert trained_ids(text, clip) == ids


def test_words_that_the_app_splits_otherwise_are_named(clip: Vocabulary) -> None:
    prompt = tokenize("a red dog, it's café 猫 35mm", clip, 77)
    assert read_otherwise(prompt) == ("dog,", "it's", "café", "35mm")
    assert read_otherwise(tokenize("a red dog , big", clip, 77)) == ()


def test_a_prompt_that_is_too_long_is_cut_before_the_end(clip: Vocabulary) -> None:
    assert read_as_trained("it's 35mm!?", clip, 5).ids() == (49406, 585, 568, 274, 49407)
    assert read_as_trained("a cat", clip, 6).ids() == (49406, 320, 2368, 49407, 49407, 49407)
