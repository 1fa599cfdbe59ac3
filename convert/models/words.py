"""New words in the form in which Apple's Swift tokenizer types them: vocabulary entries and merges.

Facts (BPETokenizer.swift of apple/ml-stable-diffusion): a prompt is put in lower case and split at
spaces only; each piece is merged by byte-pair encoding, its last letter with `</w>`; what is then
not in the vocabulary becomes the end token. There are no added tokens. So a word gets one entry for
where a space follows, another of the same number for where anything else does, as `<cat>,`, and
merges that lead to both. They come after all others, so that whatever is merged without them stays.
Merges of CLIP's own still win: before `>`, before `:` at the end, and before `_`, leave a space.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from itertools import pairwise

WORD_END = "</w>"


def why_untypable(word: str) -> str:
    """Why no prompt can hold a word as one token; empty if one can."""
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
    """Put a word of this number into a vocabulary and its list of merges."""
    for end in (WORD_END, ""):
        vocabulary[word + end] = number
        merges.extend(f"{left} {right}" for left, right in _missing_merges(word, merges, end))


def _missing_merges(word: str, merges: Sequence[str], end: str) -> Iterator[tuple[str, str]]:
    """The merges that make one token of `word`, after all those that exist."""
    pieces = encode(word, merges, end)
    whole = pieces[0]
    for piece in pieces[1:]:
        yield whole, piece
        whole += piece


def encode(word: str, merges: Sequence[str], end: str = WORD_END) -> list[str]:
    """The tokens of one word by byte-pair encoding: the earliest merge first, while any applies.

    `end` is what its last letter carries, nothing if more letters follow.
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
