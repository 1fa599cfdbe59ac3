"""Each rule that graphs and references share has a test against an outside source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "convert" / "README.md"
HEAD = "| rule | graph | reference | witness |"

RULES = (
    "time steps from 0 to 999",
    "end of prompt",
    "padding",
    "clip skip",
    "number of blocks",
    "noise schedule",
    "prediction type",
    "scales of attention",
    "epsilons and factors",
    "time ids",
    "own size",
    "VAE scale and shift",
    "halves' cut",
    "safety checker's verdict",
)
"""Rules that, if wrong, would be wrong in our graph and in our reference alike."""


def rows() -> list[tuple[str, ...]]:
    text = TABLE.read_text("utf-8").partition(HEAD)[2]
    lines = text.strip().partition("\n\n")[0].splitlines()[1:]
    return [tuple(cell.strip().strip("`") for cell in line.strip("|").split("|")) for line in lines]


def declared_in(path: Path) -> set[str]:
    """Return the names of the tests in a file; those in a class as `Class::test`."""
    tree = ast.parse(path.read_bytes())
    return {
        f"{outer}{node.name}"
        for outer, body in [
            ("", tree.body),
            *((f"{it.name}::", it.body) for it in tree.body if isinstance(it, ast.ClassDef)),
        ]
        for node in body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_each_rule_has_one_row() -> None:
    assert tuple(rule for rule, *_ in rows()) == RULES


@pytest.mark.parametrize("row", rows(), ids=lambda row: str(row[0]))
def test_a_row_names_what_is_there(row: tuple[str, ...]) -> None:
    _, graph, judge, witness = row
    assert (ROOT / "convert" / graph).is_file()
    assert (ROOT / "convert" / judge).is_file()
    file, _, name = witness.partition("::")
    assert name in declared_in(ROOT / file)
