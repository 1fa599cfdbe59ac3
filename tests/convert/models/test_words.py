"""Added words get the right ids from a stand-in for the tokenizer of Apple's Swift code."""

from __future__ import annotations

import itertools
import json

import pytest

from sdcoreml.convert.models.words import (
    add_words,
    encode,
    forget_vocabularies,
    parse_vocabulary,
    why_untypable,
)

MERGES = ["#version: 0.2", "c a", "ca t", "ca t</w>", "t o", "> :</w>"]
LETTERS = "abcdefghijklmnopqrstuvwxyz<>-_1,.!?)(:;'\""
WORDS = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "ca", "cat", "cat</w>", "to", ">:</w>"]
VOCABULARY = {word: number for number, word in enumerate(WORDS)}
END = -1
TOY, TOY_1 = 900, 901


def swift(prompt: str, vocabulary: dict[str, int], merges: list[str]) -> list[int]:
    """Return the ids that BPETokenizer.swift makes of a prompt, without start token and padding."""
    ranks = {tuple(line.split(" ")): rank for rank, line in enumerate(merges)}
    found = []
    for piece in filter(None, prompt.lower().strip().split(" ")):
        parts = list(piece)
        parts[-1] += "</w>"
        while True:
            pairs = list(itertools.pairwise(parts))
            known = [pair for pair in pairs if pair in ranks]
            if not known:
                break
            left, right = min(known, key=lambda pair: ranks[pair])
            joined, at = [], 0
            while at < len(parts):
                is_pair = parts[at : at + 2] == [left, right]
                joined.append(left + right if is_pair else parts[at])
                at += 2 if is_pair else 1
            parts = joined
        found += [vocabulary.get(part, END) for part in parts]
    return found


def taught() -> tuple[dict[str, int], list[str]]:
    vocabulary, merges = dict(VOCABULARY), list(MERGES)
    add_words(vocabulary, merges, {"<cat-toy>": TOY, "<cat-toy_1>": TOY_1})
    return vocabulary, merges


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("<cat-toy>", [TOY]),
        ("<cat-toy> <cat-toy_1>", [TOY, TOY_1]),
        ("<CAT-toy>,", [TOY, VOCABULARY[",</w>"]]),
        ("(<cat-toy_1>)", [VOCABULARY["("], TOY_1, VOCABULARY[")</w>"]]),
        ("<cat-toy>, <cat-toy_1>.", [TOY, VOCABULARY[",</w>"], TOY_1, VOCABULARY[".</w>"]]),
        ("<cat-toy>'s", [TOY, VOCABULARY["'"], VOCABULARY["s</w>"]]),
        ("<cat-toy>!?", [TOY, VOCABULARY["!"], VOCABULARY["?</w>"]]),
        ("<cat-toy> :", [TOY, VOCABULARY[":</w>"]]),
    ],
)
def test_a_word_is_its_own_number_alone_and_beside_punctuation(
    prompt: str, expected: list[int]
) -> None:
    assert swift(prompt, *taught()) == expected


@pytest.mark.parametrize(
    "prompt", ["cat", "a cat, two cats.", "toy >: (cat)", "cat-toy", "to_1 <3 <b>", "cat>"]
)
def test_no_other_prompt_changes(prompt: str) -> None:
    assert swift(prompt, *taught()) == swift(prompt, VOCABULARY, MERGES)


def test_the_merges_come_after_all_others_and_none_twice() -> None:
    _, merges = taught()
    assert merges[: len(MERGES)] == MERGES
    assert len(set(merges)) == len(merges)


def test_encoding_merges_the_earliest_pair_first() -> None:
    assert encode("cat", MERGES) == ["cat</w>"]
    assert encode("cat", MERGES, "") == ["cat"]
    assert encode("act", MERGES) == ["a", "c", "t</w>"]


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("<cat>", ""),
        ("sks", ""),
        (" ", "is empty"),
        ("a b", "contains a space"),
        ("a" * 201, "has more than 200 letters"),
        ("Ab", "has capital letters, but prompts are converted to lower case"),
    ],
)
def test_what_cannot_be_typed_says_why(word: str, why: str) -> None:
    assert why_untypable(word) == why


def test_a_vocabulary_is_parsed_once_until_it_is_forgotten() -> None:
    content = json.dumps({"a": 12345}).encode()
    number = parse_vocabulary(content, "vocab.json")["a"]
    assert parse_vocabulary(content, "vocab.json")["a"] is number
    forget_vocabularies()
    again = parse_vocabulary(content, "vocab.json")["a"]
    assert (again, again is number) == (number, False)
