from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sdcoreml.envs.building import bytecode
from sdcoreml.envs.pythons import venv
from sdcoreml.ground.errors import BrokenError, EnvError, NoSpaceError

SOURCES = {
    "plain.py": "def f(x): return x in {'a', None, (1, None), 'b', ...} or x in {1, 2.5}\n",
    "package/__init__.py": "VALUE = 'shared'\n",
    "package/bad.py": "{% if template %}\n",
    "package/latin.py": "# -*- coding: latin-1 -*-\nX = '\xe9'\n",
}


def test_bytecode_names_no_place_and_what_is_no_python_is_skipped(empty: Path) -> None:
    site = venv.site_packages(empty)
    for name, text in SOURCES.items():
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_bytes(text.encode("latin-1"))
    bytecode.compile_all(empty)
    found = {path: path.read_bytes() for path in site.rglob("*.pyc")}
    assert {path.name.partition(".")[0] for path in found} == {"plain", "__init__", "latin"}
    assert not [path for path, data in found.items() if bytes(empty) in data]
    program = "import plain; print([plain.f(x) for x in (None, 'a', (1, None), 2.5, 'c')])"
    command = [str(empty / "bin/python"), "-c", program]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "[True, True, True, True, False]\n"


def test_bytecode_is_used_and_checked_against_its_source(empty: Path) -> None:
    site = venv.site_packages(empty)
    (site / "plain.py").write_text("X = 1\n")
    bytecode.compile_all(empty)
    (compiled,) = (site / "__pycache__").iterdir()
    before = compiled.read_bytes()
    command = [str(empty / "bin/python"), "-c", "import plain; print(plain.X, plain.__file__)"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == f"1 {site}/plain.py\n"
    assert compiled.read_bytes() == before
    (site / "plain.py").write_text("X = 2\n")
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("2 ")


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        ("no good", BrokenError, "cannot compile bytecode: no good"),
        ("OSError: [Errno 28] No space left on device", NoSpaceError, "the disk is full"),
    ],
)
def test_a_compiler_that_dies_is_one_line(
    empty: Path, said: str, error: type[EnvError], words: str
) -> None:
    (venv.site_packages(empty) / "one.py").write_text("")
    (empty / "bin/python").unlink()
    (empty / "bin/python").write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 3\n")
    (empty / "bin/python").chmod(0o755)
    with pytest.raises(error, match=words):
        bytecode.compile_all(empty)


def test_a_compiler_that_says_nothing_is_told_by_its_code(empty: Path) -> None:
    (venv.site_packages(empty) / "one.py").write_text("")
    (empty / "bin/python").unlink()
    (empty / "bin/python").write_text("#!/bin/sh\nexit 3\n")
    (empty / "bin/python").chmod(0o755)
    with pytest.raises(BrokenError, match=r"bin/python: cannot compile bytecode: exit code 3$"):
        bytecode.compile_all(empty)


def test_nothing_to_compile_is_nothing(empty: Path) -> None:
    bytecode.compile_all(empty)
    (venv.site_packages(empty) / "folder.py").mkdir()
    bytecode.compile_all(empty)
    assert [path.name for path in venv.site_packages(empty).rglob("*")] == ["folder.py"]


def test_names_with_spaces_and_without_text_are_compiled(empty: Path) -> None:
    site = venv.site_packages(empty)
    names = ["with space.py", "caf\N{LATIN SMALL LETTER E WITH ACUTE}.py"]
    for name in names:
        (site / name).write_text("X = 1\n")
    bytecode.compile_all(empty)
    stems = {path.name.partition(".cpython")[0] + ".py" for path in site.rglob("*.pyc")}
    assert stems == set(names)
