"""Bytecode is compared with what its source compiles to, by a Python of its own."""

from __future__ import annotations

import py_compile
import sys
from importlib.util import cache_from_source
from pathlib import Path

from sdcoreml.envs.kept.bytecode_beneath import find_foreign

PYTHON = Path(sys.executable)


def compiled(folder: Path, name: str) -> Path:
    source = folder / f"{name}.py"
    source.write_text(f"NAME = {name!r}\n")
    py_compile.compile(str(source), doraise=True)
    return Path(cache_from_source(str(source)))


def test_only_what_a_source_compiles_to_is_known(tmp_path: Path) -> None:
    right, other, damaged, foreign, former, gone = (
        compiled(tmp_path, name)
        for name in ("right", "other", "damaged", "foreign", "former", "gone")
    )
    (tmp_path / "other.py").write_text("NAME = 'another'\n")
    damaged.write_bytes(damaged.read_bytes()[:-1])
    foreign.write_bytes(right.read_bytes())
    former.write_bytes(b"\0\0\r\n" + former.read_bytes()[4:])
    (tmp_path / "gone.py").unlink()
    asked = [str(path) for path in (damaged, right, other, foreign, former, gone)]
    assert find_foreign(PYTHON, asked) == tuple(
        str(path) for path in (damaged, other, foreign, former, gone)
    )
    assert find_foreign(PYTHON, [str(right)]) == ()


def test_nothing_is_asked_about_no_file() -> None:
    assert find_foreign(Path("/gone/python"), []) == ()


def test_a_python_that_does_not_run_knows_none(tmp_path: Path) -> None:
    assert find_foreign(Path("/gone/python"), ["a", "b"]) == ("a", "b")
    dying = tmp_path / "python"
    dying.write_text("#!/bin/sh\necho 1\n")
    dying.chmod(0o755)
    assert find_foreign(dying, ["a", "b", "c"]) == ("b", "c")


def test_the_python_is_isolated_and_writes_no_bytecode(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/words\necho 1\n')
    python.chmod(0o755)
    assert find_foreign(python, ["a"]) == ()
    words = (tmp_path / "words").read_text().splitlines()
    place = words.pop(6)
    assert words[:7] == ["-I", "-S", "-B", "-W", "ignore", "-X", "-c"]
    assert place.startswith("pycache_prefix=/")
    assert not Path(place.partition("=")[2]).exists()
