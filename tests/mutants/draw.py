"""Draws mutants over all floors: a line, a kind of mistake that it can hold, and a mistake."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from random import Random

from tests.mutants.changes import Sentences, is_valid, mutants_of
from tests.mutants.mutant import Mutant

FLOORS = ("ground", "lockfiles", "envs", "convert", "doctor")


def read_modules(root: Path) -> dict[str, bytes]:
    """Read the modules of all floors of a checkout, by their path in it."""
    paths = sorted(path for floor in FLOORS for path in (root / floor).rglob("*.py"))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


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
    """Draw `count` mutants, no two of one line; the same for the same modules and seed."""
    chance = Random(seed)  # noqa: S311  chance that can be repeated
    by_line: dict[tuple[str, int], dict[str, list[Mutant]]] = defaultdict(dict)
    for path, source in sorted(modules.items()):
        for mutant in mutants_of(path, source, is_tested):
            by_line[path, mutant.line].setdefault(mutant.kind, []).append(mutant)
    drawn: list[Mutant] = []
    for line in chance.sample(sorted(by_line), len(by_line)):
        if len(drawn) == count:
            break
        kind = chance.choice(sorted(by_line[line]))
        mutant = chance.choice(by_line[line][kind])
        if is_valid(mutant, modules[mutant.path]):
            drawn.append(mutant)
    return drawn
