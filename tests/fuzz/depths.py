"""Mutations that nest things deeply: folders, blocks of a program, and brackets of a text."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

from tests.fuzz.messages import nest_operation

_FOLDERS = 2_000
_DEPTHS = (20, 33, 98, 101, 300, 2_000, 50_000)
_PAIRS = {"(": ")", "[": "]", "{": "}", "<": ">", '"': '"'}


def nest_folders(path: Path, random: Random) -> None:
    """Add two thousand folders, each in the other; the whole path is too long for the system."""
    here = os.open(path if path.is_dir() else path.parent, os.O_RDONLY)
    for _ in range(random.choice((_FOLDERS // 2, _FOLDERS))):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("model.safetensors", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=here))
    os.close(here)


def nest_blocks(path: Path, random: Random) -> None:
    """Nest an operation of a `.mlmodel` in the blocks of others, 98 deep and deeper."""
    path.write_bytes(nest_operation(path.read_bytes(), random))


def nest_brackets(path: Path, random: Random) -> None:
    """Repeat an opening bracket of a text, and mostly also the one that closes it."""
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    places = [at for at, letter in enumerate(text) if letter in _PAIRS]
    if not places:
        return
    at, depth = random.choice(places), random.choice(_DEPTHS)
    # The word before it makes it what it is: `tensor<`, `dict<`, `func(`.
    start = at
    while random.random() < 0.9 and start and (text[start - 1].isalnum() or text[start - 1] == "_"):
        start -= 1
    end = text.find(_PAIRS[text[at]], at + 1)
    if end < 0 or random.random() < 0.25:
        text = text[:start] + text[start : at + 1] * depth + text[at + 1 :]
    else:
        inner = text[at + 1 : end]
        opened, closed = text[start : at + 1] * depth, text[end] * depth
        text = text[:start] + opened + inner + closed + text[end + 1 :]
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
