"""Draws mutants over all floors: a line, a kind of mistake that it can hold, and a mistake."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

from tests.mutants.changes import Sentences, is_valid, mutants_of
from tests.mutants.mutant import Mutant

FLOORS = ("ground", "lockfiles", "envs", "convert", "doctor")


def read_modules(root: Path) -> dict[str, bytes]:
    """Read the modules of all floors of a checkout, by their path in it."""
    paths = sorted(path for floor in FLOORS for path in (root / floor).rglob("*.py"))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def choose(modules: Mapping[str, bytes], places: Sequence[str]) -> dict[str, bytes]:
    """Return the modules whose paths begin with one of these, in the checkout."""
    return {path: source for path, source in modules.items() if path.startswith(tuple(places))}


def sentences_of(root: Path) -> Sentences:
    """Return a function that tells whether a text that people read is in a test.

    Tests break long texts into several lines, so quotes and white space do not count.
    """
    texts = "\n".join(path.read_text("utf-8") for path in sorted((root / "tests").rglob("*.py")))
    bare = _squeeze(texts)
    return lambda text: _squeeze(text) in bare


def _squeeze(text: str) -> str:
    return re.sub(r"[\s\"'\\]+", "", text)


def draw(modules: Mapping[str, bytes], seed: int, count: int, is_tested: Sentences) -> list[Mutant]:
    """Draw `count` mutants, no two of one line.

    A line's turn depends only on the seed, its module and its text: a change elsewhere changes
    nothing about it.
    """
    by_line: dict[tuple[str, int], dict[str, list[Mutant]]] = defaultdict(dict)
    for path, source in sorted(modules.items()):
        for mutant in mutants_of(path, source, is_tested):
            by_line[path, mutant.line].setdefault(mutant.kind, []).append(mutant)
    turns = {turn_of(line, modules, seed): line for line in by_line}
    drawn: list[Mutant] = []
    for turn, line in sorted(turns.items()):
        if len(drawn) == count:
            break
        chance = Random(turn)  # noqa: S311  chance that can be repeated
        kind = chance.choice(sorted(by_line[line]))
        mutant = chance.choice(by_line[line][kind])
        if is_valid(mutant, modules[mutant.path]):
            drawn.append(mutant)
    return drawn


def turn_of(line: tuple[str, int], modules: Mapping[str, bytes], seed: int) -> bytes:
    """Return a digest of a line, of those before it that are equal, and of the seed."""
    path, number = line
    lines = modules[path].split(b"\n")[:number]
    which = lines.count(lines[-1])
    return hashlib.sha256(b"%d\0%s\0%d\0%s" % (seed, path.encode(), which, lines[-1])).digest()
