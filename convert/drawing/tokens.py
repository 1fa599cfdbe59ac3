"""Turns a prompt into token ids as Apple's Swift tokenizer does, and says what it loses.

Facts (recorded in `golden/swift-tokens` from the compiled package): a prompt is lower-cased and
split at spaces only. Each word is merged by byte-pair encoding from its letters, not its bytes: so
a letter that is no token by itself becomes an end token. Ids beyond the length of the text encoder
are cut off, the end token with them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.convert.bundle.pairs import SPECIAL
from sdcoreml.convert.bundle.tokenizer import VOCAB, read_written
from sdcoreml.convert.drawing.letters import split_letters
from sdcoreml.convert.models.words import WORD_END, Ranks, merge, parse_vocabulary, rank

SECOND_PAD = "!"
"""The token that pads prompts of SDXL's second text encoder; others are padded with the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The ids of all tokens, and the ranks of the merges."""

    ids: Mapping[str, int]
    ranks: Ranks

    @property
    def begin(self) -> int:
        """The id that every prompt begins with."""
        return self.ids[SPECIAL[0]]

    @property
    def end(self) -> int:
        """The id that ends a prompt, and stands for what is unknown."""
        return self.ids[SPECIAL[1]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word of a prompt as it was typed, its tokens, and their ids."""

    text: str
    tokens: tuple[str, ...]
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A prompt in words, each with its ids; `length` is how many ids the text encoder takes.

    Two of them are for the begin and the end of the prompt.
    """

    words: tuple[Word, ...]
    vocabulary: Vocabulary
    length: int

    def ids(self, pad: str = SPECIAL[1]) -> tuple[int, ...]:
        """Return the ids that the app sends to a text encoder that is padded with `pad`."""
        own = [one for word in self.words for one in word.ids]
        ids = [self.vocabulary.begin, *own, self.vocabulary.end][: self.length]
        return (*ids, *[self.vocabulary.ids[pad]] * (self.length - len(ids)))

    def unknown(self) -> tuple[tuple[str, str], ...]:
        """Return the words of which the app loses something, and what."""
        lost = ((word.text, _lost_part(word, self.vocabulary)) for word in self.words)
        return tuple((text, part) for text, part in lost if part)

    def beyond(self) -> tuple[str, ...]:
        """Return the words that are cut off, wholly or in part, because the prompt is too long."""
        return tuple(self._cut())

    def _cut(self) -> Iterator[str]:
        used = 2
        for word in self.words:
            used += len(word.ids)
            if used > self.length:
                yield word.text


def read_vocabulary(folder: Path) -> Vocabulary:
    """Read the tokenizer of a finished folder.

    Raises:
        BadInputError: it cannot be read.
    """
    files = read_written(folder)
    lines = files.merges.decode("utf-8").split("\n")[:-1]
    return Vocabulary(ids=parse_vocabulary(files.vocab, folder / VOCAB), ranks=rank(lines))


def tokenize(text: str, vocabulary: Vocabulary, length: int) -> Prompt:
    """Turn a prompt into words with their ids, as the app does."""
    stripped = text.strip()
    words = tuple(_encode(word, vocabulary) for word in stripped.split(" ") if word)
    return Prompt(words=words, vocabulary=vocabulary, length=length)


def _encode(word: str, vocabulary: Vocabulary) -> Word:
    # Swift takes texts for equal that are canonically equivalent.
    letters = split_letters(unicodedata.normalize("NFC", word.lower()))
    tokens = tuple(merge([*letters[:-1], letters[-1] + WORD_END], vocabulary.ranks))
    ids = tuple(vocabulary.ids.get(token, vocabulary.end) for token in tokens)
    return Word(text=word, tokens=tokens, ids=ids)


def _lost_part(word: Word, vocabulary: Vocabulary) -> str:
    unknown: Sequence[str] = [token for token in word.tokens if token not in vocabulary.ids]
    return "".join(token.removesuffix(WORD_END) for token in unknown)
