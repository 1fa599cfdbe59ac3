"""The token ids that a model was trained on, to say where an app sends others.

CLIP's tokenizer splits a prompt into runs of letters, digits, runs of other signs, and endings such
as `'s`, and merges the bytes of each. Apple's splits at spaces only: so `dog,` is one word for it,
whose letters merge otherwise than those of `dog`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby

from sdcoreml.convert.bundle.pairs import SPECIAL
from sdcoreml.convert.drawing.tokens import Prompt, Vocabulary, Word
from sdcoreml.convert.models.vocabulary import byte_letters
from sdcoreml.convert.models.words import WORD_END, merge

_ENDING = re.compile(r"'(?:s|t|re|ve|m|ll|d)")
_PLAIN = [
    *range(ord("!"), ord("~") + 1),
    *range(ord("¡"), ord("¬") + 1),
    *range(ord("®"), ord("ÿ") + 1),
]
_BYTES = [*_PLAIN, *(byte for byte in range(256) if byte not in set(_PLAIN))]
_LETTERS = dict(zip(_BYTES, byte_letters(), strict=True))
"""Maps each byte to the letter that stands for it in the vocabulary."""


def read_otherwise(prompt: Prompt) -> tuple[str, ...]:
    """Return the words of a prompt whose ids are not those of the model's own tokenizer.

    Words of which the app loses a letter are not among them: see `Prompt.unknown`.
    """
    lost = {text for text, _ in prompt.unknown()}
    return tuple(
        word.text
        for word in prompt.words
        if word.text not in lost and word.ids != trained_ids(word.text, prompt.vocabulary)
    )


def read_as_trained(text: str, vocabulary: Vocabulary, length: int) -> Prompt:
    """Read a prompt as the model's own tokenizer does: what is too long is cut before the end."""
    ids = trained_ids(text, vocabulary)[: length - 2]
    word = Word(text=text, tokens=(), ids=ids)
    return Prompt(words=(word,), vocabulary=vocabulary, length=length)


def trained_ids(text: str, vocabulary: Vocabulary) -> tuple[int, ...]:
    """Return the ids of a text without begin and end, as CLIP's own tokenizer has them."""
    ids: list[int] = []
    for part in _parts(text.lower()):
        if part in SPECIAL:
            ids.append(vocabulary.ids[part])
            continue
        letters = [_LETTERS[byte] for byte in part.encode()]
        tokens = merge([*letters[:-1], letters[-1] + WORD_END], vocabulary.ranks)
        ids += [vocabulary.ids.get(token, vocabulary.end) for token in tokens]
    return tuple(ids)


def _parts(text: str) -> Iterator[str]:
    """Split a text as CLIP's tokenizer does before it merges."""
    place = 0
    while place < len(text):
        ending = _ENDING.match(text, place)
        special = next((one for one in SPECIAL if text.startswith(one, place)), "")
        part = special or (ending[0] if ending else _run(text[place:]))
        if not part.isspace():
            yield part
        place += len(part)


def _run(text: str) -> str:
    """Return the letters or other signs that a text begins with, or its first digit."""
    kind, run = next(groupby(text, _kind))
    return next(run) if kind == "N" else "".join(run)


def _kind(letter: str) -> str:
    """Return `L` for letters, `N` for numbers, and the letter itself for spaces; "" for signs."""
    kind = unicodedata.category(letter)[0]
    return letter if letter.isspace() else kind if kind in "LN" else ""
