"""Compiles an environment's bytecode so that its bytes hang on the sources alone.

What installers and `compileall` write names the absolute path and the time of its source, and holds
marks of which strings happened to be shared in the compiling process: other bytes in every run.
Here the path is relative to the environment, the source is named by its hash (which Python checks
on import), and the code is marshalled in version 2 of the format, which has no such marks.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from envs.errors import BrokenError
from envs.process import Finished, run
from envs.venv import site_packages

_PROGRAM = """\
import importlib.util, marshal, os, sys, types

def wanders(value):
    return value in (None, ...) or isinstance(value, tuple) and any(map(wanders, value))

def steady(value):
    if isinstance(value, types.CodeType):
        return all(map(steady, value.co_consts))
    if isinstance(value, frozenset):
        return sys.version_info >= (3, 11) or not any(map(wanders, value))
    return not isinstance(value, tuple) or all(map(steady, value))

for path in sys.stdin.read().split("\\0"):
    with open(path, "rb") as stream:
        source = stream.read()
    try:
        code = compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        continue
    if not steady(code):
        continue
    target = importlib.util.cache_from_source(path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "wb") as stream:
        stream.write(importlib.util.MAGIC_NUMBER + (3).to_bytes(4, "little"))
        stream.write(importlib.util.source_hash(source) + marshal.dumps(code, 2))
"""
"""Flags 3: bytecode by hash, to be checked. Passed over: a source that is no valid Python, and one
with None in a set constant, where its place hangs on an address before Python 3.11."""


def compile_all(folder: Path) -> None:
    """Compile all of site-packages with the environment's own interpreter, on all cores.

    Raises:
        BrokenError: the compiler could not be run.
    """
    sources = sorted(os.fspath(path.relative_to(folder)) for path in _sources(folder))
    shares = [sources[start :: os.cpu_count() or 1] for start in range(os.cpu_count() or 1)]
    with ThreadPoolExecutor() as pool:
        finished = list(pool.map(lambda share: _compile(folder, share), filter(None, shares)))
    for done in finished:
        if done.code != 0:
            last = (done.err.strip().splitlines() or [f"exit code {done.code}"])[-1]
            raise BrokenError(f"{folder / 'bin' / 'python'}: cannot compile bytecode: {last}")


def _sources(folder: Path) -> list[Path]:
    return [path for path in site_packages(folder).rglob("*.py") if path.is_file()]


def _compile(folder: Path, share: list[str]) -> Finished:
    # Not -I: it would also ignore PYTHONHASHSEED, on which the order of set constants hangs.
    command = [os.fspath(folder / "bin" / "python"), "-s", "-S", "-W", "ignore", "-c", _PROGRAM]
    return run(command, cwd=folder, words="\0".join(share))
