"""The tokenizer files of a finished folder, in the form that Apple's Swift reader accepts.

Facts (BPETokenizer+Reading.swift of apple/ml-stable-diffusion): `vocab.json` maps tokens to
integers and must hold `<|startoftext|>` and `<|endoftext|>`; `merges.txt` is split at line feeds,
empty lines and lines that begin with `#` are skipped, any other line must have exactly two parts,
and a last line without a line feed is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sdcoreml.ground.errors import Fault, raise_first

VOCAB = "vocab.json"
MERGES = "merges.txt"
SPECIAL = ("<|startoftext|>", "<|endoftext|>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokenizer:
    """The two files, byte for byte as they are to be written."""

    vocab: bytes
    merges: bytes

    def files(self) -> tuple[tuple[str, bytes], ...]:
        """File names and contents."""
        return ((VOCAB, self.vocab), (MERGES, self.merges))


def tokenizer_folder(model: Path) -> Path:
    """Where a model keeps its tokenizer: SDXL's refiner has the second one only."""
    second = model / "tokenizer_2"
    return second if second.is_dir() and not (model / "tokenizer").is_dir() else model / "tokenizer"


def read_tokenizer(folder: Path) -> Tokenizer:
    """Read and mend (line ends only) the tokenizer of a model folder.

    Raises:
        BadInputError: a file is missing or not what the Swift reader accepts.
    """
    remedy = "copy vocab.json and merges.txt from the model that this one was trained from"
    missing = [name for name in (VOCAB, MERGES) if not (folder / name).is_file()]
    raise_first(
        [Fault(where=folder / name, what="no such file", remedy=remedy) for name in missing]
    )
    merges = (folder / MERGES).read_bytes().replace(b"\r\n", b"\n")
    if not merges.endswith(b"\n"):
        merges += b"\n"
    tokenizer = Tokenizer(vocab=(folder / VOCAB).read_bytes(), merges=merges)
    raise_first(tuple(check_tokenizer(tokenizer, folder)))
    return tokenizer


def check_tokenizer(tokenizer: Tokenizer, folder: Path) -> Iterator[Fault]:
    """What the Swift reader would stumble over."""
    yield from _check_vocab(tokenizer.vocab, folder / VOCAB)
    yield from _check_merges(tokenizer.merges, folder / MERGES)


def _check_vocab(content: bytes, path: Path) -> Iterator[Fault]:
    remedy = "restore it from the model's source"
    try:
        vocabulary = json.loads(content)
    except ValueError as error:
        yield Fault(where=path, what=f"not valid JSON ({error})", remedy=remedy)
        return
    if not isinstance(vocabulary, dict) or not all(type(v) is int for v in vocabulary.values()):
        yield Fault(where=path, what="not a map from tokens to integers", remedy=remedy)
        return
    for token in SPECIAL:
        if token not in vocabulary:
            yield Fault(where=path, what=f"the token {token} is missing", remedy=remedy)


def _check_merges(content: bytes, path: Path) -> Iterator[Fault]:
    remedy = "restore it from the model's source"
    try:
        lines = content.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        yield Fault(where=path, what=f"not UTF-8 ({error.reason} at {error.start})", remedy=remedy)
        return
    if lines[-1]:
        yield Fault(
            where=path, what="the last line has no line feed and would be lost", remedy=remedy
        )
    for number, line in enumerate(lines, start=1):
        if line and not line.startswith("#") and len(line.split(" ")) != len(("left", "right")):
            what = f"line {number} is not two tokens with one space between"
            yield Fault(where=path, what=what, remedy=remedy)
            return
