"""A server runs one pytest after the other, each in a process of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdcoreml.ground.places import ROOT
from tests.mutants.pythons import SERVER, Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    code = "import os\ndef test_a(): assert os.environ['A'] == '1'\n"
    (tmp_path / "test_a.py").write_text(f"{code}def test_b(): [0 for _ in iter(int, 1)]\n")
    made = Server([sys.executable, str(ROOT / SERVER)], tmp_path)
    yield made
    made.close()


def test_runs_differ_only_in_what_they_are_given(server: Server, tmp_path: Path) -> None:
    output = tmp_path / "output"

    def run(test: str, seconds: float, **environ: str) -> int | None:
        words = [
            "-q",
            "-p",
            "no:cacheprovider",
            "--rootdir=.",
            "-c",
            os.devnull,
            f"test_a.py::{test}",
        ]
        return server.run(words, environ, output, seconds)

    assert run("test_a", 60, A="1") == 0
    assert "1 passed" in output.read_text()
    assert run("test_a", 60, A="2") == 1
    assert "1 failed" in output.read_text()
    assert run("test_b", 0.3) is None
    assert run("test_c", 60) == 4
