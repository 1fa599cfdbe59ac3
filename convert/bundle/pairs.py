"""Checks that a vocabulary and a list of merges form a byte-pair tokenizer like CLIP's.

A vocabulary numbers its tokens from 0, without gaps. A token is special, or a single letter, or the
result of one merge; `</w>` marks a token that ends a word. A word that a conversion added (see
`sdcoreml.convert.models.words`) is in the vocabulary twice, with and without `</w>`. Both have the
same id, which is higher than those of all other tokens. The merges that make an added word also
make parts of it, which are not in the vocabulary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

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
    """Yield the faults of the merges; each has two parts, and `vocabulary` has no faults itself."""
    added = _find_added(vocabulary)
    parts = [line.partition(" ") for line in merges]
    whole = [left + right for left, _, right in parts]
    lacking = {part for pair in parts for part in pair[::2]}.union(whole) - vocabulary.keys()
    if lacking and (strange := [*_list_strange(parts, lacking, added)]):
        yield f"merges are of {len(strange):,} tokens that vocab.json lacks, such as {strange[0]!r}"
    if len({*merges}) < len(merges):
        twice = next(line for line, count in Counter(merges).items() if count > 1)
        yield f"the merge {twice!r} is there twice"
    unmade = vocabulary.keys() - added.keys() - {*whole}
    if lost := [token for token in vocabulary if token in unmade and not _is_given(token)]:
        yield f"{len(lost):,} of vocab.json's tokens have no merge, such as {lost[0]!r}"


def _list_strange(
    parts: Iterable[tuple[str, str, str]], lacking: Collection[str], added: Collection[str]
) -> Iterator[str]:
    """Yield the tokens of merges that are in `lacking` and no part of an added word."""
    for left, _, right in parts:
        for token in (left, right, left + right):
            if token in lacking and not _is_on_the_way(token, added):
                yield token


def _find_added(vocabulary: Mapping[str, int]) -> Mapping[str, int]:
    """Return the added words, with and without `</w>`; both forms of a word have the same id."""
    if len({*vocabulary.values()}) == len(vocabulary):  # the usual case, without any added word
        return {}
    return {
        token: number
        for word, number in vocabulary.items()
        if vocabulary.get(word + WORD_END) == number
        for token in (word, word + WORD_END)
    }


def _is_on_the_way(token: str, added: Collection[str]) -> bool:
    """Whether a token is a part of an added word, so that merging may produce it on the way."""
    return any(token in word for word in added)


def _is_given(token: str) -> bool:
    """Whether a token needs no merge, because it is a single letter or special."""
    return len(token.removesuffix(WORD_END)) <= 1 or (token[0] == "<" and token[-1] == ">")
