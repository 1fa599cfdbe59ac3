"""Compiles an environment's bytecode, in the form that is valid by its source's hash.

Bytecode of installers and `compileall` contains its source's absolute path and time. Here the path
is relative to the environment, and the source is identified by its hash, which Python checks on
import. The seal excludes bytecode, since its bytes depend on the compiling process (hashes of
strings, addresses).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sdcoreml.envs.processes.process import ProcessResult, isolate, run
from sdcoreml.envs.pythons.venv import site_packages
from sdcoreml.ground.errors import BrokenError, NoSpaceError, SdcoremlError

_PROGRAM = """\
import importlib.util, marshal, os, sys

for path in sys.stdin.read().split("\\0"):
    with open(path, "rb") as stream:
        source = stream.read()
    try:
        code = compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        continue
    target = importlib.util.cache_from_source(path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    aside = f"{target}.{os.getpid()}"
    with open(aside, "wb") as stream:
        stream.write(importlib.util.MAGIC_NUMBER + (3).to_bytes(4, "little"))
        stream.write(importlib.util.source_hash(source) + marshal.dumps(code))
    os.replace(aside, target)
"""
"""The program that compiles sources. It skips those that are not valid Python."""


_SHARE = 256
"""How many sources one process compiles: enough to make its start-up time negligible."""


def compile_all(folder: Path, progress: Callable[[int, int], None] = lambda *_: None) -> None:
    """Compile all of site-packages with the environment's own interpreter, on all cores.

    A standard library inside the environment is compiled too. `progress` is called with the number
    of files done so far and the total.

    Raises:
        BrokenError: the compiler could not be run.
        NoSpaceError: the disk filled up.
    """
    sources = [os.fspath(path.relative_to(folder)) for path in _sources(folder)]
    compile_some(folder, sources, progress)


def compile_some(
    folder: Path,
    sources: Sequence[str],
    progress: Callable[[int, int], None] = lambda *_: None,
) -> None:
    """Compile these sources (paths below `folder`); otherwise like `compile_all`."""
    shares = [sources[start : start + _SHARE] for start in range(0, len(sources), _SHARE)]
    done = 0
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for share, finished in zip(
            shares, pool.map(lambda one: _compile(folder, one), shares), strict=True
        ):
            if finished.code != 0:
                pool.shutdown(cancel_futures=True)
                raise _failure(folder, finished)
            done += len(share)
            progress(done, len(sources))


def _failure(folder: Path, finished: ProcessResult) -> SdcoremlError:
    if "[Errno 28]" in finished.err:
        return NoSpaceError(
            "the disk is full", where=folder, remedy="free some space, run this again"
        )
    last = (finished.err.strip().splitlines() or [f"exit code {finished.code}"])[-1]
    return BrokenError(f"cannot compile bytecode: {last}", where=folder / "bin" / "python")


def _sources(folder: Path) -> list[Path]:
    site = site_packages(folder)
    base = site if (folder / "pyvenv.cfg").exists() else site.parent
    return [path for path in base.rglob("*.py") if path.is_file()]


def _compile(folder: Path, share: list[str]) -> ProcessResult:
    command = [*isolate(folder / "bin" / "python"), "-S", "-W", "ignore", "-c", _PROGRAM]
    return run(command, cwd=folder, words="\0".join(share))
