from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.envs.pythons.interpreter import (
    Interpreter,
    choose,
    conda_roots,
    find_interpreters,
    install_hints,
    probe,
    require,
    why_unsuitable,
)
from sdcoreml.ground.errors import NoInterpreterError
from sdcoreml.lockfiles.target import host_target, target_name
from sdcoreml.lockfiles.toolchain import PythonPin
from tests.envs.wheels import PYTHON, VERSION

PIN = PythonPin(version="3.10.10", accepted=">=3.10.0,<3.11")


def interpreter(
    version: str, target: str = "linux-x86_64", implementation: str = "CPython"
) -> Interpreter:
    return Interpreter(
        path=Path(f"/pythons/{version}"),
        version=version,
        implementation=implementation,
        target=target,
        source="pyenv",
    )


def pretender(file: Path, answer: object) -> Path:
    """Write an executable that answers the probe of a Python with `answer`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    file.chmod(0o755)
    return file


def test_a_real_python_answers_for_the_one_beneath_its_venv() -> None:
    found = probe(PYTHON, "PATH")
    assert found is not None
    assert (found.path, found.version, found.source) == (PYTHON, VERSION, "PATH")
    assert found.target == host_target()


@pytest.mark.parametrize("text", ["", "exit 127", "echo Python 2.7", "echo '[1, 2]'"])
def test_what_does_not_answer_is_no_python(tmp_path: Path, text: str) -> None:
    file = tmp_path / "python3.10"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    assert probe(file) is None
    assert probe(tmp_path / "missing") is None


def test_every_place_is_searched_and_each_python_found_once(tmp_path: Path) -> None:
    places = {
        "PATH": "here/python3.10",
        "pyenv": ".pyenv/versions/3.10.10/bin/python3.10",
        "conda": "miniforge3/envs/old/bin/python3.10",
        "uv": ".local/share/uv/python/cpython-3.10.11-linux/bin/python3.10",
    }
    for number, place in enumerate(places.values()):
        file = tmp_path / place
        answer = [str(file), f"3.10.{number}", "CPython", "linux", "x86_64", True]
        pretender(file, answer)
    listed = tmp_path / "far" / "away"
    pretender(listed / "bin" / "python3.10", [str(listed), "3.10.9", "CPython", "linux", "x", True])
    (tmp_path / ".conda").mkdir()
    (tmp_path / ".conda" / "environments.txt").write_text(f"{listed}\n\n")
    # The same Python again, by another path.
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "python3.10").symlink_to(tmp_path / places["pyenv"])
    environ = {"HOME": str(tmp_path), "PATH": f"{tmp_path}/here:{tmp_path}/again::/missing"}
    found = [one for one in find_interpreters(PIN, environ) if one.path.is_relative_to(tmp_path)]
    assert sorted((one.source, one.version) for one in found) == [
        ("PATH", "3.10.0"),
        ("PATH", "3.10.1"),
        ("conda", "3.10.2"),
        ("conda", "3.10.9"),
        ("uv", "3.10.3"),
    ]


def test_only_accepted_minors_are_asked(tmp_path: Path) -> None:
    for minor in ("3.9", "3.10", "3.11"):
        file = tmp_path / f"python{minor}"
        pretender(file, [str(file), f"{minor}.1", "CPython", "linux", "x86_64", True])
    environ = {"HOME": "/missing", "PATH": str(tmp_path)}

    def names(pin: PythonPin | None) -> list[str]:
        found = find_interpreters(pin, environ)
        return [one.path.name for one in found if one.path.parent == tmp_path]

    assert names(PIN) == ["python3.10"]
    assert names(None) == ["python3.9", "python3.10", "python3.11"]


@pytest.mark.parametrize(
    ("versions", "chosen", "drift"),
    [
        (["3.10.13", "3.10.10", "3.10.11"], "3.10.10", False),
        (["3.10.13", "3.10.8", "3.10.12"], "3.10.12", True),
        (["3.10.9", "3.10.11"], "3.10.11", True),
        (["3.9.10", "3.11.0", "3.10.2"], "3.10.2", True),
    ],
)
def test_exact_first_then_the_nearest(versions: list[str], chosen: str, *, drift: bool) -> None:
    choice = choose(map(interpreter, versions), PIN, "linux-x86_64")
    assert choice is not None
    assert (choice.interpreter.version, choice.drift) == (chosen, drift)


def test_a_patch_of_the_same_minor_is_nearer_than_any_of_another() -> None:
    pin = replace(PIN, accepted=">=3.10,<3.12")
    choice = choose(map(interpreter, ["3.11.10", "3.10.4"]), pin, "linux-x86_64")
    assert choice is not None
    assert choice.interpreter.version == "3.10.4"


def test_nothing_fit_is_none() -> None:
    assert choose([interpreter("3.9.10"), interpreter("3.11.0")], PIN, "linux-x86_64") is None


@pytest.mark.parametrize(
    ("found", "target", "reason"),
    [
        (interpreter("3.10.10"), "linux-x86_64", None),
        (interpreter("3.11.0"), "linux-x86_64", "it is 3.11.0; the toolchain accepts"),
        (interpreter("3.10.10", implementation="PyPy"), "linux-x86_64", "it is PyPy"),
        (interpreter("3.10.10", "linux-32-bit"), "linux-x86_64", "built for linux-32-bit"),
        (interpreter("3.10.10", "macos-x86_64"), "macos-arm64", "under Rosetta; use a native"),
    ],
)
def test_an_unfit_python_is_refused_with_the_reason(
    found: Interpreter, target: str, reason: str | None
) -> None:
    said = why_unsuitable(found, PIN, target)
    assert said == reason if reason is None else reason in (said or "")


def test_rosetta_is_seen_by_the_built_architecture() -> None:
    # The target is the machine the interpreter was built for, not the one it runs on.
    assert target_name("darwin", "x86_64") == "macos-x86_64"


def test_a_named_python_is_taken_or_refused(tmp_path: Path) -> None:
    mine = PythonPin(version=VERSION, accepted=f"=={VERSION}")
    assert require(mine, PYTHON).drift is False
    with pytest.raises(NoInterpreterError, match=f"it is {VERSION}; the toolchain accepts ==2"):
        require(PythonPin(version="2.0", accepted="==2.0"), PYTHON)
    with pytest.raises(NoInterpreterError, match="cannot be run as a Python; `sdcoreml env --pro"):
        require(mine, tmp_path)


def test_none_at_all_tells_the_ways_to_get_one() -> None:
    with pytest.raises(NoInterpreterError) as caught:
        require(PythonPin(version="2.0.0", accepted="==2.0.0"))
    text = str(caught.value)
    assert "no Python 2.0.0 found on this machine" in text
    assert all(way in text for way in ("pyenv install 2.0.0", "conda create", "python.org"))
    assert "\n" not in text


def test_uv_is_only_named_where_it_helps() -> None:
    assert "uv has none" in install_hints(PIN)
    assert "`uv python install 3.10.11`" in install_hints(PythonPin(version="3.10.11", accepted=""))


def test_where_conda_is_looked_for(tmp_path: Path) -> None:
    assert list(conda_roots({}, tmp_path)) == [
        *(tmp_path / name for name in ("miniconda3", "anaconda3", "miniforge3", "mambaforge")),
        *(tmp_path / name for name in ("micromamba", ".conda", "opt/miniconda3", "opt/anaconda3")),
        tmp_path / ".local/share/mamba",
        *(Path("/opt/conda"), Path("/opt/miniconda3")),
        *(Path("/opt/homebrew/Caskroom") / name / "base" for name in ("miniforge", "miniconda")),
    ]
    environ = {"CONDA_PREFIX": "/a", "MAMBA_ROOT_PREFIX": "/b", "CONDA_EXE": "/c/bin/conda"}
    assert list(conda_roots(environ, tmp_path))[:3] == [Path("/a"), Path("/b"), Path("/c")]


def test_only_pythons_that_we_obtained_are_found_among_the_environments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("python-3.10.10-0123456789abcdef", "python-paper@01234567"):
        file = tmp_path / place / "bin" / "python3.10"
        pretender(file, [str(file), "3.10.10", "CPython", "linux", "x86_64", True])
    monkeypatch.setenv("SDCOREML_ENVS", str(tmp_path))
    found = find_interpreters(PIN, {"HOME": "/missing"})
    assert [one.path.parts[-3] for one in found if one.path.is_relative_to(tmp_path)] == [
        "python-3.10.10-0123456789abcdef"
    ]
