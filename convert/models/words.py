"""Adds new words as vocabulary entries and merges that Apple's Swift tokenizer understands.

Facts (BPETokenizer.swift of apple/ml-stable-diffusion): a prompt is converted to lower case and
split only at spaces; each piece is merged by byte-pair encoding, its last letter with `</w>`;
anything that is then not in the vocabulary becomes the end token. There are no added tokens. So a
word gets one entry for use before a space, another with the same id for use before anything else,
as in `<cat>,`, and merges that lead to both. They follow all other merges, so that existing results
do not change. CLIP's own merges still win: leave a space before `>`, before `:` at the end, and
before `_`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import TypeAlias

from sdcoreml.ground.documents import parse_json
from sdcoreml.ground.errors import BadInputError

WORD_END = "</w>"
LONGEST_WORD = 200
"""The longest word, in letters; each letter needs a merge that repeats all letters before it."""

Ranks: TypeAlias = "dict[tuple[str, str], int]"
"""Maps each pair of pieces to be merged to its rank; lower ranks are merged first."""


def parse_vocabulary(
    content: bytes, where: str | os.PathLike[str], *, remedy: str = ""
) -> Mapping[str, int]:
    """Parse a vocabulary: a JSON object from tokens to integers. Raises `BadInputError`.

    What is returned cannot be written to: whoever asks for the same content gets the same.
    """
    found = _parse_once(content)
    if found is None:
        parse_json(content, where, remedy=remedy)
        raise BadInputError("not a map from tokens to integers", where=where, remedy=remedy)
    return MappingProxyType(found)


@lru_cache(maxsize=4)
def _parse_once(content: bytes) -> dict[str, int] | None:
    """Parse a vocabulary, as many steps of a conversion do; that takes a tenth of a second.

    Returns `None` for anything else.
    """
    try:
        found = parse_json(content, "")
    except BadInputError:
        return None
    if not isinstance(found, dict) or not all(type(number) is int for number in found.values()):
        return None
    return found


def forget_vocabularies() -> None:
    """Give back the memory of vocabularies that were parsed: 14 MB for CLIP's.

    For a process that stays, and looks at a model now and then.
    """
    _parse_once.cache_clear()


def why_untypable(word: str) -> str:
    """Explain why no prompt can contain a word as one token; empty if one can."""
    if not word.strip():
        return "is empty"
    if " " in word:
        return "contains a space"
    if len(word) > LONGEST_WORD:
        return f"has more than {LONGEST_WORD} letters"
    if word != word.lower():
        return "has capital letters, but prompts are converted to lower case"
    return ""


def add_words(
    vocabulary: MutableMapping[str, int], merges: list[str], words: Mapping[str, int]
) -> None:
    """Add words with their ids to a vocabulary and its list of merges."""
    ranks = rank(merges)
    for word, number in words.items():
        for end in (WORD_END, ""):
            vocabulary[word + end] = number
            for pair in _missing_merges(word, ranks, end):
                ranks[pair] = len(merges)
                merges.append(" ".join(pair))


def _missing_merges(word: str, ranks: Ranks, end: str) -> Iterator[tuple[str, str]]:
    """Yield the merges to append so that `word` becomes one token."""
    pieces = _encode(word, ranks, end)
    whole = pieces[0]
    for piece in pieces[1:]:
        yield whole, piece
        whole += piece


def encode(word: str, merges: Sequence[str], end: str = WORD_END) -> list[str]:
    """Encode one word by byte-pair encoding: apply the earliest merge first, while any applies.

    `end` is the suffix of its last letter, empty if more letters follow.
    """
    return _encode(word, rank(merges), end)


def rank(merges: Sequence[str]) -> Ranks:
    """Rank the pairs of a list of merges by their places; comments are not counted out."""
    pairs = (line.partition(" ") for line in merges)
    return {(left, right): place for place, (left, _, right) in enumerate(pairs) if left[:1] != "#"}


def _encode(word: str, ranks: Ranks, end: str) -> list[str]:
    return merge([*word[:-1], word[-1] + end], ranks)


def merge(letters: Sequence[str], ranks: Ranks) -> list[str]:
    """Merge the letters of a word: the pair of the lowest rank first, while any pair has one."""
    pieces = list(letters)
    while len(pieces) > 1:
        best = min(pairwise(pieces), key=lambda pair: ranks.get(pair, len(ranks) + 1))
        if best not in ranks:
            break
        merged: list[str] = []
        for piece in pieces:
            if merged and (merged[-1], piece) == best:
                merged[-1] += piece
            else:
                merged.append(piece)
        pieces = merged
    return pieces
