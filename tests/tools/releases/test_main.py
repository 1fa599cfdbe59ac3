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


def test_a_release_without_a_module_that_tells_names_is_passed_over(tmp_path: Path) -> None:
    def run(words: Sequence[str]) -> str | None:
        if words[0] == "index":
            return "Available versions: 0.2.0, 0.1.0\n"
        version = words[-1].partition("==")[2]
        name = "core/__init__.pyi" if version == "0.2.0" else "core.so"
        path = tmp_path / f"wheels/mlx/mlx-{version}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as made:
            made.writestr(f"mlx/{name}", "def sort(): ...")
            made.writestr(f"mlx-{version}.data/data/share/paint.py", "ink = 1")
        return None

    assert main([str(tmp_path / "wheels"), "mlx"], run, tmp_path / "made") == 0
    table = lzma.decompress((tmp_path / "made/mlx.txt.xz").read_bytes()).decode()
    assert table == "0.2.0\n#mlx.core -\n sort\n"


def test_wheels_for_linux_are_brought_for_a_project_that_has_few_for_macs(tmp_path: Path) -> None:
    asked = list[str]()

    def run(words: Sequence[str]) -> str | None:
        asked.extend(words)
        return None

    assert main([str(tmp_path / "wheels"), "mlx"], run, tmp_path / "made") == 0
    assert not any("linux" in one for one in asked)
    assert main([str(tmp_path / "wheels"), "bitsandbytes"], run, tmp_path / "made") == 0
    assert any("linux" in one for one in asked)
