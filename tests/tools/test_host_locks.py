"""`tools.host_locks`: the host's locks are compiled from pyproject.toml, and move if told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from sdcoreml.ground.places import ROOT
from tools.host_locks import FOLDER, SOURCES, main


class Uv:
    """Stands in for uv: appends a line to `moves`' lock, and keeps the others."""

    def __init__(self, moves: str = "") -> None:
        self.moves = moves
        self.calls: list[Sequence[str]] = []

    def __call__(self, words: Sequence[str]) -> None:
        self.calls.append(words)
        lock = Path(words[-1])
        if lock.name == self.moves:
            lock.write_text(lock.read_text() + "new==1\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / FOLDER).mkdir(parents=True)
    for name in SOURCES:
        (tmp_path / FOLDER / name).write_text(f"old=={len(name)}\n")
    return tmp_path


def test_a_lock_that_moved_is_written(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], Uv("inside.txt"), root) == 0
    assert (root / FOLDER / "inside.txt").read_text() == "old==10\nnew==1\n"
    assert capsys.readouterr().out == "wrote lockfiles/host/inside.txt\n"


def test_check_only_tells(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"], Uv("conda.txt"), root) == 1
    assert (root / FOLDER / "conda.txt").read_text() == "old==9\n"
    assert capsys.readouterr().out == "lockfiles/host/conda.txt is stale\n"
    assert main(["--check"], Uv(), root) == 0
    assert capsys.readouterr().out == "host: nothing moved\n"


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ([], []),
        (["--upgrade"], ["--upgrade"]),
        (["--upgrade", "ruff"], ["--upgrade-package", "ruff"]),
    ],
)
def test_what_uv_is_told(root: Path, words: list[str], options: list[str]) -> None:
    uv = Uv()
    main(words, uv, root)
    told = uv.calls[-1]
    assert told[:5] == ["pyproject.toml", "--extra", "locking", "--group", "dev"]
    assert told[-2 - len(options) : -2] == options
    assert {"--generate-hashes", "--universal"} <= set(told)


def test_every_lock_of_the_host_has_a_source() -> None:
    """A group that pyproject.toml does not have would be found out by uv alone."""
    assert {path.name for path in (ROOT / FOLDER).iterdir()} == set(SOURCES)
    groups = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    named = [words[-1] for words in SOURCES.values()]
    assert set(named) <= set(groups)
