"""Tells what a text must contain so that a pattern can match: most patterns are told apart so.

To find words in a text takes a hundredth of the time that a pattern takes. Capitals are not told
apart, and what is not plain (a back reference, a class, a repetition) needs nothing. Of many
patterns at once a word each is looked for, and only where that is there the others.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache

Clause = frozenset[str]
"""Words of which one at least is in every match."""

Needs = tuple[tuple[Clause, ...], ...]
"""Of each wording of a pattern, the clauses that all hold where it matches."""

_SHORTEST = 3
"""A shorter word is in nearly every text."""

_TOKEN = re.compile(
    r"(?P<run>[^\\\[\](){}.|*+?^$\x80-\U0010ffff]{2,}(?![*+?{]))"
    r"|(?P<escape>\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|\d+|.))"
    r"|(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])"
    r"|(?P<same>\(\?P=\w+\)|\(\?[aiLmsux]+\))"
    r"|(?P<not>\(\?<?!)"
    r"|(?P<choice>\(\?\(\w+\))"
    r"|(?P<open>\((?:\?(?:P<\w+>|<?=|[aiLmsux]*(?:-[imsx]+)?:))?)"
    r"|(?P<close>\))"
    r"|(?P<bar>\|)"
    r"|(?P<times>(?:[*+?]|\{(?P<least>\d*),?\d*\})[?+]?)"
    r"|(?P<other>.)",
    re.DOTALL,
)
_EITHER = re.compile(r"\[([a-z])([A-Z])\]|\[([A-Z])([a-z])\]")


@cache
def find_needs(pattern: str) -> Needs:
    """Return what a text must contain, in small letters, so that a pattern can match in it."""
    reader = _Reader(list(_TOKEN.finditer(pattern)))
    return tuple(tuple(one) for one in reader.read())


class Sieve:
    """Patterns, kept in a text by the words that it has."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._anywhere = set[str]()
        self._by_word = defaultdict[str, list[tuple[str, Sequence[Clause]]]](list)
        for pattern in patterns:
            for clauses in find_needs(pattern):
                if not clauses:
                    self._anywhere.add(pattern)
                    continue
                rarest = min(clauses, key=lambda one: (len(one), -_worth(one)))
                rest = [one for one in clauses if one is not rarest]
                for word in rarest:
                    self._by_word[word].append((pattern, rest))

    def keep(self, has: Callable[[str], bool]) -> frozenset[str]:
        """Return the patterns that can match in a text, given whether it has a word."""
        found = (self._by_word[word] for word in self._by_word if has(word))
        return frozenset(self._anywhere).union(
            pattern
            for several in found
            for pattern, rest in several
            if all(any(map(has, clause)) for clause in rest)
        )


@lru_cache(maxsize=4)
def make_sieve(patterns: tuple[str, ...]) -> Sieve:
    """Return the sieve of some patterns, made once."""
    return Sieve(patterns)


class _Reader:
    """Reads a pattern from the left to the right."""

    def __init__(self, tokens: Sequence[re.Match[str]]) -> None:
        self._tokens = tokens
        self._at = 0

    def read(self) -> list[list[Clause]]:
        """Return the clauses of each alternative, up to the bracket that closes them."""
        found = list[list[Clause]]([[]])
        run = ""
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            self._at += 1
            kind = token.lastgroup if token.lastgroup != "least" else "times"
            if kind == "run":
                run += token[0].lower()
                continue
            if letter := _letter(token):
                kept, run = self._repeat(run, letter)
                found[-1] += _clauses(kept)
                continue
            found[-1] += _clauses(run)
            run = ""
            if kind == "close":
                return found
            if kind == "bar":
                found.append([])
            elif kind in {"open", "not", "choice"}:
                inner = self.read()
                if self._least() and kind == "open":
                    found[-1] += _join(inner)
        found[-1] += _clauses(run)
        return found

    def _repeat(self, run: str, letter: str) -> tuple[str, str]:
        """Return the run that ends with a letter that is repeated, and the run that goes on."""
        if not self._is_repeated():
            return "", run + letter
        return (run + letter if self._least() else run), ""

    def _is_repeated(self) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at]["times"] is not None

    def _least(self) -> bool:
        """Tell whether what was read has to be there at least once; skip what says so."""
        if not self._is_repeated():
            return True
        token = self._tokens[self._at]
        self._at += 1
        return token["times"][0] == "+" or int(token["least"] or 0) > 0


def _letter(token: re.Match[str]) -> str:
    """Return the letter that a token stands for, small; "" if for another or for several."""
    one = token["other"] or ""
    if one in {"^", "$", "."} or token["escape"]:
        one = (token["escape"] or " ")[1:]
        one = "" if one.isalnum() else one
    if token["set"] and (either := _EITHER.fullmatch(token["set"])):
        first, second = (letter.lower() for letter in either.groups() if letter)
        one = first if first == second else ""
    return one.lower() if one.isascii() else ""


def _clauses(run: str) -> list[Clause]:
    return [frozenset({run})] if len(run) >= _SHORTEST else []


def _join(alternatives: Sequence[Sequence[Clause]]) -> Sequence[Clause]:
    """Return what holds if one of the alternatives does."""
    if len(alternatives) == 1:
        return alternatives[0]
    if not all(alternatives):
        return ()
    return [frozenset().union(*(max(one, key=_worth) for one in alternatives))]


def _worth(clause: Clause) -> int:
    """Return how much a clause tells: as much as its shortest word."""
    return min(map(len, clause))
