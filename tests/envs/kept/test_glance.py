"""Every fault of an environment, whole, at a glance and byte by byte: on one made by hand."""

from __future__ import annotations

import os
import py_compile
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sdcoreml.envs.kept import store
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.kept.verify import VerifyResult, verify_fast, verify_full
from sdcoreml.ground.events import Event
from tests.envs.kept.sealed import SITE, sealed

ONE = f"{SITE}/one.py"


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return sealed(tmp_path)


def said(outcome: VerifyResult, environment: Environment) -> list[str]:
    """Return the faults as lines, without the folder of the Python."""
    python = f"{environment.interpreter.path.parent.parent}/"
    return [str(fault).replace(python, "PYTHON/") for fault in outcome.faults]


def rewrite(path: Path, text: str) -> None:
    """Write a file, and give it the time that it had."""
    status = path.stat()
    path.write_text(text)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def relink(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def make(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.touch()
    return path


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "nothing": (lambda _: None, []),
    "a new time": (lambda path: os.utime(path / ONE, (1, 1)), []),
    "other bytes": (
        lambda path: rewrite(path / ONE, "x" * 1_234),
        [f"{ONE}: altered (one)"],
    ),
    "other bytes and time": (
        lambda path: (path / ONE).write_text("x" * 1_234),
        [f"{ONE}: altered (one)"],
    ),
    "a byte less": (
        lambda path: rewrite(path / ONE, "#" * 1_233),
        [f"{ONE}: 1,233 bytes, was 1,234 (one)"],
    ),
    "no module": (lambda path: (path / ONE).unlink(), [f"{ONE}: missing (one)"]),
    "another mode": (
        lambda path: (path / ONE).chmod(0o600),
        [f"{ONE}: has the mode 600, had 644 (one)"],
    ),
    "a mode of a folder": (
        lambda path: (path / SITE).chmod(0o1775),
        [f"{SITE}: has the mode 1775, had 755 (generated)"],
    ),
    "a group that is kept": (lambda path: (path / SITE).chmod(0o2755), []),
    "no program": (
        lambda path: (path / "bin/one").chmod(0o644),
        ["bin/one: is a file, was a program (one)"],
    ),
    "a pipe": (
        lambda path: make_pipe(path / ONE),
        [f"{ONE}: is a device or pipe, was a file (one)"],
    ),
    "a link": (
        lambda path: relink(path / ONE, "/gone"),
        [f"{ONE}: is a link, was a file (one)"],
    ),
    "another link": (
        lambda path: relink(path / "bin/python3", "one"),
        ["bin/python3: points at one, was python (machine)"],
    ),
    "no python": (
        lambda path: (path / "bin/python").unlink(),
        [
            "bin/python: missing (machine)",
            "bin/python3: points at python, which is gone (machine)",
            "bin/python3.10: points at python, which is gone (machine)",
        ],
    ),
    "strays": (
        lambda path: make(path / "stray/x"),
        ["stray: not part of it (nobody)", "stray/x: not part of it (nobody)"],
    ),
    "a lock of another": (
        lambda path: (path / "sealed/requirements.txt").write_text("one==2.0\n"),
        ["sealed/requirements.txt: altered (generated)"],
    ),
    "an altered record": (
        lambda path: rewrite(
            path / "sealed/record.json",
            (path / "sealed/record.json").read_text().replace('"uv 1.0"', '"uv 2.0"'),
        ),
        ["sealed/record.json: is not as it was written (generated)"],
    ),
    "a record of another lock": (
        lambda path: rewrite(
            path / "sealed/record.json",
            (path / "sealed/record.json").read_text().replace('"10cc"', '"20cc"'),
        ),
        [
            "sealed/files.tsv: does not match the seal (generated)",
            "sealed/record.json: is not as it was written (generated)",
        ],
    ),
    "another manifest": (
        lambda path: rewrite(
            path / "sealed/python.tsv",
            (path / "sealed/python.tsv").read_text().replace("(python)", "(nobody)"),
        ),
        ["sealed/files.tsv: is not as it was written (generated)"],
    ),
    "another time and digest in the manifest": (
        lambda path: rewrite(
            path / "sealed/files.tsv",
            re.sub(
                r"\t\w+\t1234\t\d+\t", "\t00\t1234\t5\t", (path / "sealed/files.tsv").read_text()
            ),
        ),
        [
            f"{ONE}: altered (one)",
            "sealed/files.tsv: is not as it was written (generated)",
            "sealed/files.tsv: does not match the seal (generated)",
        ],
    ),
    "no manifest of the Python": (
        lambda path: (path / "sealed/python.tsv").unlink(),
        ["sealed/python.tsv: missing (generated)"],
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_the_faults_of_its_own_files(environment: Environment, name: str) -> None:
    damage, expected = DAMAGES[name]
    damage(environment.path)
    found = store.read("tested", environment.path)
    assert found is not None
    for outcome in (verify_fast(found), verify_full(found)):
        assert said(outcome, environment) == expected
        assert outcome.files == 9 + (sys.platform == "linux")  # which has the link lib64


def recompile(path: Path) -> Path:
    cached = path / "lib/python3.10/__pycache__"
    cached = cached / f"os.{sys.implementation.cache_tag}.pyc"
    source = path / "lib/python3.10/os.py"
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(source), str(cached), dfile=str(source), invalidation_mode=mode)
    return cached


def plant(path: Path) -> None:
    cached = f"lib/python3.10/__pycache__/os.{sys.implementation.cache_tag}.pyc"
    (path / cached).write_bytes(b"planted" * 9)


CACHED = f"PYTHON/lib/python3.10/__pycache__/os.{sys.implementation.cache_tag}.pyc"
FOREIGN = f"{CACHED}: is not what its source compiles to (python)"
NEW = "was not there when it was sealed (python)"
BELOW: dict[str, tuple[Callable[[Path], object], list[str], list[str]]] = {
    "other bytes": (
        lambda path: rewrite(path / "lib/python3.10/os.py", "VALUE = 2\n"),
        ["PYTHON/lib/python3.10/os.py: altered (python)"],
        [],
    ),
    "no library": (
        lambda path: (path / "lib/libpython3.10.so").unlink(),
        ["PYTHON/lib/libpython3.10.so: missing (python)"],
        [],
    ),
    "a module more": (
        lambda path: (path / "lib/python3.10/site.py").touch(),
        [f"PYTHON/lib/python3.10/site.py: {NEW}"],
        [],
    ),
    "a folder of bytecode": (
        lambda path: (path / "lib/python3.10/lib-dynload/__pycache__").mkdir(),
        [],
        [],
    ),
    "what takes the place of the library": (
        lambda path: (path / "bin/pybuilddir.txt").touch(),
        [f"PYTHON/bin/pybuilddir.txt: {NEW}"],
        [],
    ),
    "a library in an archive": (
        lambda path: (path / "lib/python310.zip").touch(),
        [f"PYTHON/lib/python310.zip: {NEW}"],
        [],
    ),
    "what is not listed": (
        lambda path: [
            make(path / "lib/python3.10/site-packages/more.py"),
            (path / "lib/python3.10/test/data.txt").write_text("other"),
            make(path / "lib/python3.10/test/__pycache__/x.pyc"),
            make(path / "lib/python3.10/__pycache__/x.cpython-310.opt-2.pyc"),
        ],
        [],
        [],
    ),
    "a test that is altered": (
        lambda path: (path / "lib/python3.10/test/test_os.py").write_text("VALUE = 2\n"),
        ["PYTHON/lib/python3.10/test/test_os.py: altered (python)"],
        [],
    ),
    "bytecode": (recompile, [], []),
    "planted bytecode": (plant, [], [FOREIGN]),
    # A Python that was altered is not run.
    "planted bytecode of an altered Python": (
        lambda path: [recompile(path), make(path / "lib/python3.10/site.py")],
        [f"PYTHON/lib/python3.10/site.py: {NEW}"],
        [FOREIGN],
    ),
}


@pytest.mark.parametrize("name", BELOW)
def test_the_faults_of_its_python(environment: Environment, name: str) -> None:
    damage, expected, deep = BELOW[name]
    damage(environment.interpreter.path.parent.parent)
    assert said(verify_fast(environment), environment) == expected
    assert said(verify_full(environment), environment) == sorted([*expected, *deep])


def test_the_bytes_that_are_read_are_counted(environment: Environment) -> None:
    events: list[Event] = []
    verify_full(environment, events.append)
    below = [
        path.stat().st_size
        for path in environment.interpreter.path.parent.parent.rglob("*")
        if path.name in {"python3.10", "os.py", "test_os.py", "_json.so", "libpython3.10.so"}
        and path.is_file()
    ]
    total = environment.size + sum(below)
    assert {(event.kind, event.total, event.unit) for event in events} == {("progress", total, "B")}
    counts = [event.done or 0 for event in events]
    assert counts == sorted(counts)
    assert counts[-1] == total
    assert len(counts) == 11
