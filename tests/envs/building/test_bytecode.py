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
    with pytest.raises(error) as caught:
        bytecode.compile_all(empty)
    assert caught.value.what == words


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


def test_a_standard_library_is_compiled_only_where_it_is_the_environment_s_own(
    tmp_path: Path,
) -> None:
    site = tmp_path / "lib/python3.10/site-packages"
    site.mkdir(parents=True)
    for path in (site / "one.py", site / "two.txt", site.parent / "os.py"):
        path.touch()
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin/python"
    python.write_text(
        '#!/bin/sh\npwd >>asked\nprintf "%s|" "$@" >words\ncat >>asked\necho >>asked\n'
    )
    python.chmod(0o755)
    told: list[tuple[int, int]] = []
    bytecode.compile_all(tmp_path, lambda *done: told.append(done))
    own = ["lib/python3.10/os.py", "lib/python3.10/site-packages/one.py"]
    place, asked = (tmp_path / "asked").read_text().splitlines()
    assert (place, sorted(asked.split("\0"))) == (f"{tmp_path}", own)
    assert told == [(2, 2)]
    assert (tmp_path / "words").read_text().startswith("-I|-S|-W|ignore|-c|import importlib.util")
    (tmp_path / "asked").unlink()
    (tmp_path / "pyvenv.cfg").touch()
    bytecode.compile_all(tmp_path)
    assert (tmp_path / "asked").read_text().splitlines()[1:] == own[1:]


def test_many_sources_are_shared_among_processes(tmp_path: Path) -> None:
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\ntouch run.$$\n")
    python.chmod(0o755)
    told: list[tuple[int, int]] = []
    sources = [f"{number}.py" for number in range(513)]
    bytecode.compile_some(tmp_path, sources, lambda *done: told.append(done))
    assert told == [(256, 513), (512, 513), (513, 513)]
    assert len(list(tmp_path.glob("run.*"))) == 3
    bytecode.compile_some(tmp_path, [])
