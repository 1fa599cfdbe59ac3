"""Mutants are applied in a copy, which imports itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.mutants.grounds import copy_checkout, mutated
from tests.mutants.mutant import Mutant


def test_a_mutant_is_gone_after_an_error(tmp_path: Path) -> None:
    module = tmp_path / "a.py"
    module.write_text("x = 1\n")
    mutant = Mutant(path="a.py", line=1, kind="constant", start=4, end=5, new="2")
    before = module.stat().st_mtime_ns
    with pytest.raises(AssertionError), mutated(tmp_path, mutant):
        assert module.read_text() == "x = 1\n"
    assert (module.read_text(), module.stat().st_mtime_ns) == ("x = 1\n", before)


def test_no_bytecode_of_the_module_is_left(tmp_path: Path) -> None:
    (tmp_path / "__pycache__").mkdir()
    for name in ("a.cpython-311.pyc", "ab.cpython-311.pyc"):
        (tmp_path / "__pycache__" / name).touch()
    (tmp_path / "a.py").write_text("x = 1\n")
    with mutated(tmp_path, Mutant(path="a.py", line=1, kind="constant", start=4, end=5, new="2")):
        names = [path.name for path in (tmp_path / "__pycache__").iterdir()]
    assert names == ["ab.cpython-311.pyc"]


def test_a_copy_imports_itself(tmp_path: Path) -> None:
    clone, copy = tmp_path / "clone", tmp_path / "copy"
    packages = clone / ".venv" / "lib" / "python3.0" / "site-packages"
    (packages / "library").mkdir(parents=True)
    (packages / "_editable_impl_sdcoreml.pth").write_text(f"{clone}")
    (clone / ".venv" / "bin").mkdir()
    (clone / ".venv" / "bin" / "tool").write_text(f"#!{clone}/.venv/bin/python")
    (clone / "module.py").write_text("x = 1\n")
    (clone / "link").symlink_to("module.py")
    (clone / ".gitignore").write_text("/.venv/\n/ignored\n")
    (clone / "ignored").touch()
    subprocess.run(("git", "init", "-q", clone), check=True)
    copy_checkout(copy, clone)
    there = copy / ".venv" / "lib" / "python3.0" / "site-packages"
    assert (copy / "link").readlink() == Path("module.py")
    assert not (copy / "ignored").exists()
    assert (copy / ".venv" / "bin" / "tool").read_text() == f"#!{copy}/.venv/bin/python"
    assert (there / "_editable_impl_sdcoreml.pth").read_text() == str(copy)
    assert (there / "library").resolve() == packages / "library"
