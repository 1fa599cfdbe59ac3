"""WALKS.md is followed step by step in a copy of the checkout."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "WALKS.md").read_text("utf-8")
COPIED = ("sdcoreml", "ground", "lockfiles", "envs", "convert", "doctor", "tests/doctor")
WALKS = re.findall(r"^## (Add .*)$", PAGE, re.MULTILINE)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", "*.txt", "pylock.*", "certificates.json")
    for name in COPIED:
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True, ignore=ignored)
    for name in (
        "pyproject.toml",
        *(f"tests/{one}.py" for one in ("conftest", "guard", "pace", "slow")),
    ):
        shutil.copyfile(ROOT / name, tmp_path / name)
    return tmp_path


def steps(walk: str) -> Iterator[tuple[str, str]]:
    """Yield the kind and the text of each block of a walk."""
    section = PAGE.split(f"## {walk}\n")[1].partition("\n## ")[0]
    yield from re.findall(r"^```(\w+)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def test_there_are_three_walks_with_changes_and_commands() -> None:
    assert WALKS == ["Add a check", "Add a family of models", "Add a known failure"]
    for walk in WALKS:
        assert {kind for kind, _ in steps(walk)} == {"diff", "console"}


@pytest.mark.parametrize("walk", WALKS)
def test_a_walk_leads_where_it_says(walk: str, copy: Path) -> None:
    for kind, text in steps(walk):
        if kind == "diff":
            subprocess.run(("git", "apply", "-"), cwd=copy, input=text.encode(), check=True)
            continue
        for command, wanted in re.findall(r"^\$ (.*)\n((?:[^$].*\n|\n)*)", text, re.MULTILINE):
            compare(run(command, copy), wanted)


def run(command: str, copy: Path) -> str:
    """Run a command of the page with this Python, in the copy."""
    python = shlex.quote(sys.executable)
    words = command.replace("sdcoreml ", f"{python} -m sdcoreml ", 1)
    if words.startswith(".venv/bin/python"):
        words = command.replace(".venv/bin/python", python, 1) + " -p no:cacheprovider"
    environ = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    shell = ("sh", "-c", words)
    done = subprocess.run(shell, cwd=copy, env=environ, check=False, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    return done.stdout


def compare(said: str, wanted: str) -> None:
    """Compare an output with the page's, where `...` stands for other lines.

    Of pytest's last line, only the number of tests counts.
    """
    if wanted.startswith("...") or re.fullmatch(r"\d+ passed\n", wanted):
        assert wanted.strip(".\n") in said
    else:
        assert wanted == said.rstrip("\n") + "\n" * bool(wanted)
