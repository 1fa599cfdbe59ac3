"""`python -m tools.lines`: counts code by folder, without blank lines, comments, docstrings."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SILENT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def code_lines(source: str) -> int:
    """Count the lines of a module that contain code; any lone string counts as a docstring."""
    texts = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    spoken = {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in SILENT
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(spoken - texts)


def count(root: Path = ROOT) -> Counter[str]:
    """Count the lines of code in each top folder of the checkout `root`, in tracked files."""
    listed = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=root, capture_output=True, text=True, check=True
    )
    lines: Counter[str] = Counter()
    for name in listed.stdout.split():
        if (root / name).is_file():
            lines[name.partition("/")[0]] += code_lines((root / name).read_text(encoding="utf-8"))
    return lines


def main(root: Path = ROOT) -> None:
    """Print the table, with tests listed separately."""
    lines = count(root)
    tests = lines.pop("tests", 0)
    for folder, number in sorted(lines.items()):
        print(f"{folder:<12}{number:>8,}")
    print(f"{'in all':<12}{lines.total():>8,}\n{'tests':<12}{tests:>8,}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
