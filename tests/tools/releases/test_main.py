from __future__ import annotations

import lzma
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools.releases.__main__ import main


def test_tables_are_written_from_wheels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(words: Sequence[str]) -> str | None:
        if words[0] == "index":
            return "Available versions: 2.1.0, 2.0.0\n"
        version = words[-1].partition("==")[2]
        if version == "2.0.0":
            path = tmp_path / "wheels/omegaconf/omegaconf-2.0.0-py3-none-any.whl"
            with zipfile.ZipFile(path, "w") as made:
                made.writestr("omegaconf/__init__.py", "x = 1")
        return None

    into = tmp_path / "made"
    assert main([str(tmp_path / "wheels"), "omegaconf"], run, into) == 1
    table = (into / "omegaconf.txt.xz").read_bytes()
    assert lzma.decompress(table).decode() == "2.0.0\n#omegaconf -\n x\n"
    assert capsys.readouterr().out == "omegaconf: 22 characters; no wheel of 2.1.0\n"
    assert main([str(tmp_path / "wheels"), "omegaconf"], run, into) == 1
    assert (into / "omegaconf.txt.xz").read_bytes() == table, "the same bytes every time"
