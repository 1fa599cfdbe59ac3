"""A sealed environment of one module and a Python of few files: made in milliseconds."""

from __future__ import annotations

import json
import os
import shlex
import sys
from datetime import datetime, timezone
from pathlib import Path

from sdcoreml.envs.building.normalise import set_modes
from sdcoreml.envs.kept import manifest
from sdcoreml.envs.kept.sealing import seal
from sdcoreml.envs.kept.store import Environment
from sdcoreml.envs.pythons import venv
from sdcoreml.envs.pythons.interpreter import Interpreter

SITE = "lib/python3.10/site-packages"
SOURCE = "VALUE = 1\n"

_PYTHON = """\
#!/bin/sh
case "$*" in
*pycache_prefix*) exec {real} "$@";;
*) echo {paths};;
esac
"""
"""A Python that says where its files are, and compiles sources as the real one does."""


def python_below(folder: Path) -> Interpreter:
    """Make a Python with a library of its own; return it."""
    library = folder / "lib" / "python3.10"
    for path in ("__pycache__/x", "lib-dynload/x", "site-packages/x", "test/__pycache__/x"):
        (library / path).parent.mkdir(parents=True)
    for path, text in {
        "os.py": SOURCE,
        "test/test_os.py": SOURCE,
        "test/data.txt": "not listed",
        "test/__pycache__/test_os.cpython-310.pyc": "not listed",
        "__pycache__/os.cpython-310.opt-1.pyc": "not listed",
        "site-packages/foreign.py": "not listed",
        "lib-dynload/_json.so": "\x7fELF",
        "../libpython3.10.so": "\x7fELF",
    }.items():
        (library / path).write_text(text)
    on_path = [folder / "lib/python310.zip", library, library / "lib-dynload"]
    libraries = [folder / "lib/libpython3.10.so", folder / "lib/libpython3.so"]
    said = json.dumps([os.fspath(folder), [*map(str, on_path)], [*map(str, libraries)]])
    python = folder / "bin" / "python3.10"
    python.parent.mkdir()
    python.write_text(
        _PYTHON.format(real=shlex.quote(os.path.realpath(sys.executable)), paths=shlex.quote(said))
    )
    python.chmod(0o755)
    return Interpreter(
        path=python,
        version="3.10.10",
        implementation="CPython",
        target="linux-x86_64",
        source="--python",
    )


def sealed(folder: Path) -> Environment:
    """Make an environment in `folder / "envs"` of a Python in `folder / "python"`."""
    interpreter = python_below(folder / "python")
    path = folder / "envs" / "abc"
    venv.create(path, interpreter)
    site = path / SITE
    (site / "one-1.0.dist-info").mkdir()
    (site / "one-1.0.dist-info" / "RECORD").write_text("one.py,,\n../../../bin/one,,\n")
    (site / "one.py").write_text("#" * 1_233 + "\n")
    (path / "bin" / "one").write_text("#!python\n")
    (path / "bin" / "one").chmod(0o755)
    (path / "sealed").mkdir()
    (path / "sealed" / "requirements.txt").write_text("one==1.0\n")
    set_modes(path)
    entries = manifest.take(path)
    environment = Environment(
        name="tested",
        path=path,
        toolchain="tested",
        target="linux-x86_64",
        lock_digest="10cc",
        seal="",
        interpreter=interpreter,
        drift=False,
        installer="uv 1.0",
        built=datetime(2026, 11, 24, 2, 30, tzinfo=timezone.utc),
        files=sum(entry.kind is not manifest.EntryKind.FOLDER for entry in entries),
        size=sum(entry.size for entry in entries),
        defects=(),
    )
    made = seal(environment, entries, folder / "envs")
    _wait_for_a_later_time(folder, path / "sealed" / "record.json")
    return made


def _wait_for_a_later_time(folder: Path, record: Path) -> None:
    """Return once a file that is changed now has another time than the record."""
    probe = folder / "probe"
    probe.touch()
    while probe.stat().st_ctime_ns <= record.stat().st_ctime_ns:
        probe.touch()
