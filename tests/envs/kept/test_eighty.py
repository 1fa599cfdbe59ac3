"""`--full` finds each of eighty kinds of damage, which are then repaired or reported."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from dataclasses import replace
from pathlib import Path

import pytest

from sdcoreml.envs.building.build import BuildOptions, build
from sdcoreml.envs.care.repair import repair
from sdcoreml.envs.kept import store
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.kept.verify import verify_fast, verify_full
from sdcoreml.envs.processes.installer import PackageSource
from sdcoreml.ground.errors import BrokenError
from sdcoreml.lockfiles.toolchain import Toolchain, load_toolchain
from tests.envs.eighty import EIGHTY, MINOR, TAG, End, victim
from tests.envs.wheels import PYTHON, standard_wheels, toolchain

UNUSED = {"test", "site-packages", "idlelib", "tkinter", "ensurepip", "lib2to3", "pydoc_data"}
SHALLOW = {"asyncio", "concurrent", "ctypes", "curses", "dbm", "distutils", "email", "html"}


Made = tuple[Environment, Toolchain, Path]
"""An environment, its toolchain, and the folder of its wheels."""


def bring_python(folder: Path) -> Path:
    """Copy the running Python, with about half of its library, as one that tests can damage."""
    library = folder / f"lib/python{MINOR}"
    left = UNUSED | SHALLOW | {"turtledemo", "unittest", "wsgiref", "xmlrpc", "multiprocessing"}

    def ignore(place: str, names: list[str]) -> set[str]:
        top = {name for name in names if name in left or name.startswith("config-")}
        pyc = {n for n in names if n.endswith(".pyc") and not n.startswith("bisect.")}
        optimised = {name for name in names if ".opt-" in name}
        return pyc | optimised | (top if place == source else set())

    source = sysconfig.get_path("stdlib")
    shutil.copytree(source, library, ignore=ignore)
    (folder / "bin").mkdir()
    path = folder / f"bin/python{MINOR}"
    shutil.copyfile(PYTHON.resolve(), path)
    path.chmod(0o755)
    said = subprocess.run(
        [path, "-I", "-B", "-c", "import sys, bisect; print(sys.base_prefix)"],
        check=False,
        capture_output=True,
        text=True,
    ).stdout.strip()
    if said != str(folder):
        pytest.skip("a copy of this Python does not run on its own library")
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made").resolve()
    wheels = folder / "wheels"
    tiny = load_toolchain(toolchain(folder / "tiny", standard_wheels(wheels)))
    options = BuildOptions(
        python=bring_python(folder / "python"),
        source=PackageSource(wheels=wheels),
        root=folder / "envs",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_CACHE_DIR", str(folder / "cache"))
        return build(tiny, options=options), tiny, wheels


@pytest.fixture
def environment(made: Made, tmp_path: Path) -> Environment:
    """Return a copy of the environment; all copies share one Python."""
    copy = tmp_path / "envs" / "copy"
    shutil.copytree(made[0].path, copy, symlinks=True)
    return replace(made[0], path=copy)


def look(environment: Environment) -> Environment:
    """Read the environment's record as it is now."""
    found = store.read(environment.name, environment.path)
    assert found is not None
    return found


def names_that_end(how: End) -> list[str]:
    """Return the names of the kinds of damage with this expected result."""
    return [name for name, (*_, end) in EIGHTY.items() if end is how]


def test_there_are_eighty_and_more() -> None:
    assert len(EIGHTY) >= 80


@pytest.mark.parametrize("name", [*names_that_end(End.REPAIRED), *names_that_end(End.REBUILT)])
def test_damage_to_an_environment_is_found(environment: Environment, name: str) -> None:
    do, expected, end = EIGHTY[name]
    do(victim(environment.path, environment.interpreter.path.parent.parent))
    faults = verify_full(look(environment)).faults
    assert any(expected in str(fault) for fault in faults), faults
    if end is End.REBUILT:
        with pytest.raises(BrokenError, match=r"`sdcoreml env build --fresh"):
            repair(look(environment))


@pytest.mark.parametrize("name", names_that_end(End.TOLD))
def test_damage_to_a_python_is_found_and_told(
    environment: Environment, tmp_path: Path, name: str
) -> None:
    python = environment.interpreter.path.parent.parent
    shutil.copytree(python, tmp_path / "whole", symlinks=True)
    do, expected, _ = EIGHTY[name]
    try:
        do(victim(environment.path, python))
        faults = verify_full(environment).faults
        assert any(expected in str(fault) for fault in faults), faults
        assert {fault.owner for fault in faults} == {"(python)"}
        with pytest.raises(BrokenError, match=r"the Python beneath .* not as it was .*; reinstall"):
            repair(environment)
    finally:
        shutil.rmtree(python)
        (tmp_path / "whole").rename(python)


def test_all_that_can_be_repaired_is(environment: Environment, made: Made) -> None:
    left = {name: do for name, (do, _, end) in EIGHTY.items() if end is End.REPAIRED}
    harmed = victim(environment.path, environment.interpreter.path.parent.parent)
    while left:
        before = len(left)
        for name, do in list(left.items()):
            try:
                do(harmed)
            except (OSError, StopIteration, AssertionError):  # another one was there first
                continue
            del left[name]
        assert len(left) < before
        now = look(environment)
        assert verify_full(now).faults
        repair(now, toolchain=made[1], source=PackageSource(wheels=made[2]))
        mended = look(environment)
        assert mended.seal == environment.seal
        assert verify_full(mended).faults == verify_fast(mended).faults == ()
    command = [str(environment.python), "-I", "-c", "import one, two.part, two.odd"]
    subprocess.run(command, check=True)


def test_bytecode_that_python_wrote_by_itself_is_no_damage(environment: Environment) -> None:
    python = environment.interpreter.path
    subprocess.run([python, "-I", "-c", "import bisect, heapq, textwrap"], check=True)
    library = python.parent.parent / f"lib/python{MINOR}"
    assert (library / f"__pycache__/textwrap.{TAG}.pyc").exists()
    source = library / "bisect.py"
    os.utime(source)
    subprocess.run([python, "-I", "-c", "import bisect"], check=True)
    assert verify_fast(environment).faults == verify_full(environment).faults == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_another_user_is_found_and_taken_back(environment: Environment) -> None:
    path = victim(environment.path, Path("/")).site / "one.py"
    os.chown(path, 12345, -1)
    (fault,) = verify_full(environment).faults
    assert fault.what == f"belongs to user 12345, the environment to {os.geteuid()}"
    repair(environment)
    assert path.stat().st_uid == os.geteuid()
    assert verify_full(look(environment)).faults == ()
