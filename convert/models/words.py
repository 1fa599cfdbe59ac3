"""Adds new words as vocabulary entries and merges that Apple's Swift tokenizer understands.

Facts (BPETokenizer.swift of apple/ml-stable-diffusion): a prompt is put in lower case and split at
spaces only; each piece is merged by byte-pair encoding, its last letter with `</w>`; anything that
is then not in the vocabulary becomes the end token. There are no added tokens. So a word gets one
entry for use before a space, another with the same id for use before anything else, as in `<cat>,`,
and merges that lead to both. They follow all other merges, so that existing results do not change.
CLIP's own merges still win: leave a space before `>`, before `:` at the end, and before `_`.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from itertools import pairwise

WORD_END = "</w>"


def why_untypable(word: str) -> str:
    """Why no prompt can contain a word as one token; empty if one can."""
    if not word.strip():
        return "is empty"
    if " " in word:
        return "has a space in it"
    if word != word.lower():
        return "has capital letters, and prompts are put in lower case"
    return ""


def add_word(
    vocabulary: MutableMapping[str, int], merges: list[str], word: str, number: int
) -> None:
    """Add a word with this id to a vocabulary and its list of merges."""
    for end in (WORD_END, ""):
        vocabulary[word + end] = number
        merges.extend(f"{left} {right}" for left, right in _missing_merges(word, merges, end))


def _missing_merges(word: str, merges: Sequence[str], end: str) -> Iterator[tuple[str, str]]:
    """The merges to append so that `word` becomes one token."""
    pieces = encode(word, merges, end)
    whole = pieces[0]
    for piece in pieces[1:]:
        yield whole, piece
        whole += piece


def encode(word: str, merges: Sequence[str], end: str = WORD_END) -> list[str]:
    """The tokens of one word by byte-pair encoding: the earliest merge first, while any applies.

    `end` is the suffix of its last letter, empty if more letters follow.
    """
    ranks = {tuple(line.split(" ")): rank for rank, line in enumerate(merges) if line[:1] != "#"}
    pieces = [*word[:-1], word[-1] + end]
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
