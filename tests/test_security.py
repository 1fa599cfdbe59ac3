"""Each statement in SECURITY.md names tests, and these tests exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
STATEMENTS = re.findall(r"(?ms)^- (.+?)\n(?=\n|- |\Z)", PAGE)
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_there_are_statements() -> None:
    assert len(STATEMENTS) > 20


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda text: " ".join(text.split()[:6]))
def test_a_statement_names_tests_that_exist(statement: str) -> None:
    named = _NAMED.findall(statement)
    assert named, "it names no test"
    for path, test in named:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        tests = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert test in tests, f"{path} has no {test}"
