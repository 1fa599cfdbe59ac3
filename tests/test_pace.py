"""The table of slow tests names tests that there are, and the advice those that it lacks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pace import advise, is_slow
from tests.slow import SLOW

ROOT = Path(__file__).parents[1]


def functions(tree: ast.Module | ast.ClassDef, within: str = "") -> Iterator[str]:
    """Yield the names of a module's functions, and of its classes' as pytest writes them."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield f"{within}{node.name}"
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, f"{within}{node.name}::")


@pytest.mark.parametrize("path", SLOW)
def test_the_table_has_no_test_that_has_gone(path: str) -> None:
    found = set(functions(ast.parse((ROOT / path).read_text(encoding="utf-8"))))
    assert [name for name in SLOW[path] if name.partition("[")[0] not in found] == []


def test_a_file_a_test_and_a_case_can_be_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"tests/a.py": (), "tests/b.py": ("test_one", "test_two[x]")}
    monkeypatch.setattr("tests.pace.SLOW", table)
    assert is_slow("tests/a.py::test_any")
    assert is_slow("tests/b.py::test_one")
    assert is_slow("tests/b.py::test_one[y]")
    assert is_slow("tests/b.py::test_two[x]")
    assert not is_slow("tests/b.py::test_two[y]")
    assert not is_slow("tests/c.py::test_one")


def report(
    name: str, seconds: float, *marks: str, when: str = "call", path: str = "tests/a.py"
) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid=f"{path}::{name}",
        location=(path, 1, name),
        keywords=dict.fromkeys(marks, 1),
        outcome="passed",
        longrepr=None,
        when=when,  # type: ignore[arg-type]
        user_properties=[("cpu", seconds)],
    )


def test_what_takes_long_is_named_the_slowest_first() -> None:
    reports = [
        report("test_quick", 0.1),
        report("test_long", 1.0),
        report("test_longer", 22.5),
        report("test_longer", 22.5, when="teardown"),
        report("test_known", 3.0, "slow"),
        report("test_of_torch", 5.0, path="tests/inside/a.py"),
    ]
    assert list(advise(reports)) == [
        "over 0.5 s of processor time, yet not in tests/slow.py:",
        "   22.5 s  tests/a.py::test_longer",
        "    1.0 s  tests/a.py::test_long",
    ]
    assert list(advise(reports[:1])) == []
