from __future__ import annotations

from collections.abc import Mapping

import pytest

from sdcoreml.convert.bundle.pairs import merges_faults, vocabulary_faults

VOCAB = {"a": 0, "b</w>": 1, "ab</w>": 2, "<|startoftext|>": 3, "<|endoftext|>": 4}
MERGES = ("a b</w>",)
ADDED = {**VOCAB, "<a>": 5, "<a></w>": 5}
WAY = (*MERGES, "< a", "<a ></w>", "<a >")


def _lacks(count: int, token: str) -> str:
    return f"merges are of {count} tokens that vocab.json lacks, such as {token!r}"


@pytest.mark.parametrize(("vocabulary", "merges"), [(VOCAB, MERGES), (ADDED, WAY)])
def test_a_tokenizer_has_no_fault(vocabulary: Mapping[str, int], merges: tuple[str, ...]) -> None:
    assert [*vocabulary_faults(vocabulary), *merges_faults(vocabulary, merges)] == []


@pytest.mark.parametrize(
    ("vocabulary", "what"),
    [
        ({**VOCAB, "a": 1}, "its 5 tokens are not numbered 0 to 4, each once"),
        ({**VOCAB, "a": 7}, "its 5 tokens are not numbered 0 to 4, each once"),
        ({**VOCAB, "a": -1}, "its 5 tokens are not numbered 0 to 4, each once"),
        ({**ADDED, "<b>": 5, "<b></w>": 5}, "an added word has the id of another token"),
        ({**VOCAB, "<a>": 4, "<a></w>": 4}, "an added word has the id of another token"),
    ],
)
def test_ids_are_a_permutation(vocabulary: Mapping[str, int], what: str) -> None:
    assert [*vocabulary_faults(vocabulary)] == [what]


LOST = "1 of vocab.json's tokens have no merge, such as 'ab</w>'"


@pytest.mark.parametrize(
    ("merges", "whats"),
    [
        ((), [LOST]),
        (("b a</w>",), [_lacks(3, "b"), LOST]),
        ((*MERGES, "a a"), [_lacks(1, "aa")]),
        ((*MERGES, *MERGES), ["the merge 'a b</w>' is there twice"]),
    ],
)
def test_merges_make_the_tokens_of_the_vocabulary(
    merges: tuple[str, ...], whats: list[str]
) -> None:
    assert [*merges_faults(VOCAB, merges)] == whats


def test_a_merge_on_the_way_to_no_added_word() -> None:
    assert [*merges_faults(ADDED, (*WAY, "< b"))] == [_lacks(2, "b")]
