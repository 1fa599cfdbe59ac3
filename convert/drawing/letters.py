"""Splits text into what Swift calls characters: extended grapheme clusters (Unicode's UAX #29).

Apple's tokenizer gives each of them one token, so an emoji of seven code points is one. Python's
standard library has no such function. Left out are the marks that attach to what follows them
(Prepend), which occur in no script that CLIP's vocabulary has.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

_JOINER, _NON_JOINER = "\u200d", "\u200c"
_VIRAMAS = frozenset("\u094d\u09cd\u0acd\u0b4d\u0c4d\u0d4d")
"""Signs that join two consonants, in the scripts where these stay in one cluster (rule GB9c)."""

_INDIC = (0x0900, 0x0D7F)
_FLAGS = (0x1F1E6, 0x1F1FF)
_TONES = (0x1F3FB, 0x1F3FF)
_TAGS = (0xE0020, 0xE007F)
_HALF_WIDTH_MARKS = (0xFF9E, 0xFF9F)
_PICTURES = ((0x203C, 0x3299), (0x1F000, 0x1FAFF))
_PLAIN_PICTURES = "\u00a9\u00ae"
_LEADS, _VOWELS, _TAILS = (0x1100, 0x115F), (0x1160, 0x11A7), (0x11A8, 0x11FF)
_SYLLABLES, _TAIL_COUNT = (0xAC00, 0xD7A3), 28


def split_letters(text: str) -> list[str]:
    """Split a text into grapheme clusters; joined, they are the text."""
    return list(_clusters(text))


def _clusters(text: str) -> Iterator[str]:
    begin = 0
    for place in range(1, len(text)):
        if _breaks(text[begin:place], text[place]):
            yield text[begin:place]
            begin = place
    if text:
        yield text[begin:]


def _breaks(cluster: str, follower: str) -> bool:
    """Whether a cluster ends before a character that follows it."""
    last = cluster[-1]
    if last == "\r" and follower == "\n":
        return False
    if _is_control(last) or _is_control(follower):
        return True
    if _extends(follower) or unicodedata.category(follower) == "Mc":
        return False
    return not (
        _is_syllable(last, follower)
        or _is_conjunct(cluster, follower)
        or _is_joined(cluster, follower)
        or (len(cluster) == 1 and _within(last, _FLAGS) and _within(follower, _FLAGS))
    )


def _is_control(letter: str) -> bool:
    kinds = {"Cc", "Zl", "Zp"} | (set() if _extends(letter) else {"Cf"})
    return unicodedata.category(letter) in kinds


def _extends(letter: str) -> bool:
    """Whether a character always belongs to the cluster before it."""
    return (
        unicodedata.category(letter) in {"Mn", "Me"}
        or letter in (_JOINER, _NON_JOINER)
        or any(_within(letter, marks) for marks in (_TONES, _TAGS, _HALF_WIDTH_MARKS))
    )


def _is_syllable(last: str, follower: str) -> bool:
    """Whether two characters are parts of one Korean syllable."""
    if _within(last, _LEADS):
        return any(_within(follower, kind) for kind in (_LEADS, _VOWELS, _SYLLABLES))
    is_open = _within(last, _SYLLABLES) and (ord(last) - _SYLLABLES[0]) % _TAIL_COUNT == 0
    if is_open or _within(last, _VOWELS):
        return _within(follower, _VOWELS) or _within(follower, _TAILS)
    return (_within(last, _TAILS) or _within(last, _SYLLABLES)) and _within(follower, _TAILS)


def _is_conjunct(cluster: str, follower: str) -> bool:
    """Whether a sign before `follower` joins the consonant before it with this one."""
    marks = cluster.rstrip("".join(_VIRAMAS) + _JOINER)
    joins = cluster[len(marks) :]
    return bool(
        marks
        and _VIRAMAS & set(joins)
        and all(_is_consonant(letter) for letter in (marks[-1], follower))
    )


def _is_consonant(letter: str) -> bool:
    return _within(letter, _INDIC) and unicodedata.category(letter) == "Lo"


def _is_joined(cluster: str, follower: str) -> bool:
    """Whether a joiner makes one emoji of two."""
    if not cluster.endswith(_JOINER) or not _is_picture(follower):
        return False
    before = next((one for one in reversed(cluster) if not _extends(one)), "")
    return bool(before) and _is_picture(before)


def _is_picture(letter: str) -> bool:
    if letter in _PLAIN_PICTURES:
        return True
    is_symbol = unicodedata.category(letter) in {"So", "Sm", "Po", "Pd", "Cn"}
    return is_symbol and any(_within(letter, extent) for extent in _PICTURES)


def _within(letter: str, extent: tuple[int, int]) -> bool:
    return extent[0] <= ord(letter) <= extent[1]
