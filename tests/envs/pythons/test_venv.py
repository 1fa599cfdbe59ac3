from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sdcoreml.envs.kept import manifest
from sdcoreml.envs.pythons import venv
from sdcoreml.envs.pythons.interpreter import probe
from tests.envs.wheels import PYTHON, VERSION

MINOR = VERSION.rpartition(".")[0]


def test_an_empty_environment_runs_and_is_isolated_from_its_base(empty: Path) -> None:
    program = "import sys; print(sys.prefix); print(sys.prefix != sys.base_prefix)"
    done = subprocess.run(
        [empty / "bin/python3", "-I", "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout == f"{empty}\nTrue\n"
    paths = "import sys; print(sum('site-packages' in p for p in sys.path))"
    done = subprocess.run(
        [empty / "bin/python", "-I", "-c", paths], check=True, capture_output=True, text=True
    )
    assert done.stdout == "1\n"


def test_two_empty_environments_have_the_same_seal(empty: Path, tmp_path: Path) -> None:
    interpreter = probe(PYTHON)
    assert interpreter is not None
    venv.create(tmp_path / "other place", interpreter)
    seals = [
        manifest.seal_of(manifest.take(folder), {}) for folder in (empty, tmp_path / "other place")
    ]
    assert seals[0] == seals[1]


def test_what_an_empty_environment_consists_of(empty: Path) -> None:
    found = {entry.path: entry.kind.value for entry in manifest.take(empty)}
    kinds = {path: kind for path, kind in found.items() if kind != "folder"}
    links = {"bin/python": "link", "bin/python3": "link", f"bin/python{MINOR}": "link"}
    files = {"bin/activate": "file", "pyvenv.cfg": "file"}
    lib64 = {"lib64": "link"} if sys.platform == "linux" else {}
    assert kinds == {**links, **files, **lib64}
    assert venv.site_packages(empty) == empty / f"lib/python{MINOR}/site-packages"


def test_its_configuration_names_the_interpreter_and_nothing_else_of_this_machine(
    empty: Path,
) -> None:
    interpreter = probe(PYTHON)
    assert interpreter is not None
    lines = (empty / "pyvenv.cfg").read_text().splitlines()
    assert lines == [
        f"home = {interpreter.path.parent}",
        "include-system-site-packages = false",
        f"version = {interpreter.version}",
        "relocatable = true",
    ]


def test_what_is_there_is_never_made_over(empty: Path) -> None:
    interpreter = probe(PYTHON)
    assert interpreter is not None
    with pytest.raises(FileExistsError):
        venv.create(empty, interpreter)


SHELLS = [shell for shell in ("/bin/bash", "/bin/zsh") if Path(shell).exists()]


@pytest.mark.parametrize("shell", SHELLS)
def test_activating_finds_the_environment_wherever_it_is(empty: Path, shell: str) -> None:
    moved = empty.rename(empty.parent / "moved here")
    script = (
        'set -u; before=$PATH; . "$1/bin/activate"; echo "$VIRTUAL_ENV"; command -v python;'
        ' deactivate; test "$PATH" = "$before" && echo "${VIRTUAL_ENV-gone}";'
        " command -v deactivate || echo none"
    )
    environ = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [shell, "-c", script, "x", moved], check=True, capture_output=True, text=True, env=environ
    )
    assert done.stdout.splitlines() == [str(moved), f"{moved}/bin/python", "gone", "none"]
    assert done.stderr == ""
