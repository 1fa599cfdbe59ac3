"""Chooses mutations by the types of an input's files; one random state gives one choice."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

from tests.fuzz.archives import ARCHIVES, PICKLES
from tests.fuzz.blocks import BLOCKS, Mutation, splice
from tests.fuzz.lines import LINES
from tests.fuzz.messages import MESSAGES
from tests.fuzz.objects import OBJECTS
from tests.fuzz.places import PLACES, PlaceMutation, close
from tests.fuzz.tensors import TENSORS
from tests.fuzz.tree import walk

KINDS: tuple[tuple[tuple[str, ...], tuple[Mutation, ...]], ...] = (
    ((".json",), OBJECTS),
    ((".safetensors",), TENSORS),
    ((".ckpt", ".pt", ".bin", ".pth"), ARCHIVES),
    ((".mlmodel", "coremldata.bin"), MESSAGES),
    ((".toml", ".txt", ".tsv", ".cfg", ".mil", "RECORD", "HEAD", "config", "packed-refs"), LINES),
)
_BY_PLACE = 0.2
"""The fraction of mutations that change a path rather than the content of a file."""
_BY_KIND = 0.7
_LARGEST = 16 << 20
_ZIP = b"PK\x03\x04"


def spoil(
    root: Path, aims: Sequence[str], random: Random, by: Sequence[PlaceMutation] = ()
) -> tuple[str, bool]:
    """Change one to three things below `root` that match `aims`, only by the mutations `by`.

    Returns:
        what was done, and True if a path was made unreadable.
    """
    done, closed = [], False
    for _ in range(random.choice((1, 1, 1, 1, 2, 3))):
        paths = candidates(root, aims)
        if not paths:
            break
        path = random.choice(paths)
        if by or random.random() < _BY_PLACE or not path.is_file():
            mutation = random.choice(by or PLACES)
            with suppress(OSError):  # an earlier change stands in the way of this one
                mutation(path, random)
            name = mutation.__name__
            closed |= mutation is close
        else:
            name = _change(path, paths, random)
        done.append(f"{name} {os.fsencode(path.relative_to(root))!r}")
        if closed:
            break
    return ", ".join(done), closed


def candidates(root: Path, aims: Sequence[str]) -> list[Path]:
    """Return the sorted files and folders that match a pattern; links are not followed."""
    wanted = re.compile("|".join(map(_expression, aims)))
    return sorted(
        root / path
        for path, _, _, status in walk(root)
        if wanted.fullmatch(path) and not stat.S_ISLNK(status.st_mode)
    )


def _expression(aim: str) -> str:
    """Return the regular expression for a pattern of paths."""
    return (
        re.escape(aim).replace(r"\*\*/\*", ".*").replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
    )


def _change(path: Path, others: Sequence[Path], random: Random) -> str:
    if path.stat().st_size > _LARGEST:
        return "leave"
    data = path.read_bytes()
    if random.random() < 0.05:
        other = random.choice([item for item in others if item.is_file()])
        mutation_name, changed = "splice", splice(data, other.read_bytes()[:_LARGEST], random)
    else:
        mutation = random.choice(_suited(path, data) if random.random() < _BY_KIND else BLOCKS)
        mutation_name, changed = mutation.__name__, mutation(data, random)
    path.write_bytes(changed)
    return mutation_name


def _suited(path: Path, data: bytes) -> tuple[Mutation, ...]:
    for ends, mutations in KINDS:
        if path.name.endswith(ends):
            if mutations is ARCHIVES and not data.startswith(_ZIP):
                return PICKLES
            return mutations
    return BLOCKS
