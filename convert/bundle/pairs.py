"""Checks that a vocabulary and a list of merges form a byte-pair tokenizer like CLIP's.

A vocabulary numbers its tokens from 0, without gaps. A token is a letter, alone or with `</w>` at
the end of a word, or the result of one merge, or special. A word that a conversion added (see
`sdcoreml.convert.models.words`) stands there twice, with and without `</w>`, under one id after all
others; the merges that lead to it pass through beginnings of it that are no tokens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from sdcoreml.convert.models.words import WORD_END

SPECIAL = ("<|startoftext|>", "<|endoftext|>")
"""The tokens around every prompt."""


def vocabulary_faults(vocabulary: Mapping[str, int]) -> Iterator[str]:
    """Yield the faults of a vocabulary's ids."""
    added = _find_added(vocabulary)
    own = [number for token, number in vocabulary.items() if token not in added]
    if sorted(own) != [*range(len(own))]:
        yield f"its {len(own):,} tokens are not numbered 0 to {len(own) - 1:,}, each once"
    numbers = [number for token, number in added.items() if not token.endswith(WORD_END)]
    if len({*numbers}) < len(numbers) or any(number < len(own) for number in numbers):
        yield "an added word has the id of another token"


def merges_faults(vocabulary: Mapping[str, int], merges: Sequence[str]) -> Iterator[str]:
    """Yield faults of the merges, each of which has two parts, for a sound vocabulary."""
    added = _find_added(vocabulary)
    made = {*added}
    strange: list[str] = []
    for line in merges:
        left, _, right = line.partition(" ")
        tokens = (left, right, left + right)
        strange += [it for it in tokens if it not in vocabulary and not _is_on_the_way(it, added)]
        made.add(left + right)
    if strange:
        yield f"merges are of {len(strange):,} tokens that vocab.json lacks, such as {strange[0]!r}"
    if twice := [line for line, count in Counter(merges).items() if count > 1]:
        yield f"the merge {twice[0]!r} is there twice"
    if lost := [token for token in vocabulary if token not in made and not _is_given(token)]:
        yield f"{len(lost):,} of vocab.json's tokens have no merge, such as {lost[0]!r}"


def _find_added(vocabulary: Mapping[str, int]) -> Mapping[str, int]:
    """Find the words that have the same id with and without `</w>`, in both forms."""
    return {
        token: number
        for word, number in vocabulary.items()
        if vocabulary.get(word + WORD_END) == number
        for token in (word, word + WORD_END)
    }


def _is_on_the_way(token: str, added: Collection[str]) -> bool:
    """Whether a token is a piece of an added word."""
    return any(token in word for word in added)


def _is_given(token: str) -> bool:
    """Whether a token needs no merge, because it is one letter or special."""
    return len(token.removesuffix(WORD_END)) <= 1 or (token[0] == "<" and token[-1] == ">")
